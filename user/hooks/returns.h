/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions return. A return probe replaces return addresses in the stack, which some programs do not
 * survive; a probe on each instruction that returns leaves the stack alone.
 */
#pragma once

#include "symbol.h"

#define RETURNS_MAX 16 /* instructions of a function */

struct returns {
	uint64_t offsets[RETURNS_MAX]; /* in the file */
	size_t len;                    /* 0: a return probe */
};

/*
 * Finds every instruction through which the function can be left. Returns NULL, or a static text: why they
 * cannot all be known.
 */
const char *returns_find(const struct object *object, const struct symbol *symbol,
			 struct returns *ret_returns);
