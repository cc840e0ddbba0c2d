/* SPDX-License-Identifier: Apache-2.0 */
/* Traced functions on the tape: what their events mean. Not for the hot path. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Writes down the functions that were found since the last call; those of a recording just begun: all. */
void function_tape_add(void);

/*
 * Makes the next function known again; functions_init() was called before. Returns 0, -ENOMEM, or -EPROTO
 * when the record is none of a function, or there are too many.
 */
int function_tape_take(const void *record, size_t len);

/* Gives back what taking has made; once functions_fini() was called. */
void function_tape_fini(void);
