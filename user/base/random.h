/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Seeds from the kernel. Returns 0 or -errno. */
int random_init(void);

/* Fills bytes with ids that are unique for all practical purposes, not secrets. No system call. One thread.
 */
void random_bytes(void *bytes, size_t len);
