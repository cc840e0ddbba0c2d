/* SPDX-License-Identifier: Apache-2.0 */
/* What speaks against tracing a function in a running process. */
#pragma once

#include "mapping.h"
#include "returns.h"
#include "symbol.h"

/* Returns a static text, or NULL: nothing. m is where the function's file is mapped; NULL: it does not run
 * yet. */
const char *function_refusal(const struct symbol *s, const struct mapping *m);

#define REFUSAL_MAX 256

/*
 * How the function's return can be seen: a return probe, or where it is said to be a hazard the instructions
 * that return. filter_kills: a return probe kills a process that has a filter of system calls. Returns
 * whether it can; else the reason is in why.
 */
bool function_returns(const struct object *object, const struct symbol *s, const struct mapping *m,
		      bool filter_kills, struct returns *ret_returns, char why[REFUSAL_MAX]);

/* Has the process a filter of system calls? */
bool process_is_filtered(uint32_t pid);
