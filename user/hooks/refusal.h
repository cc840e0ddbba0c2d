/* SPDX-License-Identifier: Apache-2.0 */
/* What speaks against tracing a function in a running process. */
#pragma once

#include "mapping.h"
#include "symbol.h"

/* Returns a static text, or NULL: nothing. m is where the function's file is mapped; NULL: it does not run
 * yet. */
const char *function_refusal(const struct symbol *s, const struct mapping *m);

/* Has the process a filter of system calls? */
bool process_is_filtered(uint32_t pid);
