/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function's result can be seen before it returns. x86-64. A probe on the instruction that returns
 * makes the kernel execute that step by step, which takes ten times as long as one on an instruction that it
 * emulates: a jump, a call or a push (arch/x86/kernel/uprobes.c, branch_setup_xol_ops() and
 * push_setup_xol_ops()).
 */
#pragma once

#include "symbol.h"

struct result_point {
	uint64_t offset; /* of the instruction in the file */
	uint8_t reg;     /* what holds the result when it begins, as instructions number the registers */
};

/*
 * Finds an instruction that every call passes, at most once, whose result is a pointer that is not NULL: one
 * that is emulated if there is any, else the one that returns. Jumps to other functions are followed. Returns
 * 0 or -ENOTSUP.
 */
int result_find(const struct object *object, const struct symbol *symbol, struct result_point *ret_point);
