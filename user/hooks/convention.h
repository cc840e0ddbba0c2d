/* SPDX-License-Identifier: Apache-2.0 */
/* How functions get their arguments; bpf/compat.bpf.h reads the registers in the same order. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct convention {
	uint16_t machine; /* EM_* */
	const char *name;
	uint8_t args[8]; /* DWARF numbers of the registers of integers and pointers, in their order */
	uint8_t args_len;
	uint8_t vector_first, vector_last; /* DWARF numbers of the registers of floating-point values */
	uint8_t stack_args;                /* bytes from the stack pointer at entry to the first one there */
	bool result_address;               /* a result in memory: its address is returned like a pointer */
};

/* NULL: a machine whose functions cannot be traced. */
const struct convention *convention_of(uint16_t machine);
