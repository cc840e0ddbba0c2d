/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

#include "convention.h"

static const struct convention conventions[] = {
	/* System V ABI for AMD64, sections 3.2.3 and 3.6.2 */
	{ EM_X86_64, "x86-64", { 5, 4, 1, 2, 8, 9 }, 6, 17, 32, 8, true },
	/* Procedure Call Standard for the Arm 64-bit Architecture, section 6; DWARF for it, section 4.1 */
	{ EM_AARCH64, "arm64", { 0, 1, 2, 3, 4, 5, 6, 7 }, 8, 64, 95, 0, false },
};

const struct convention *convention_of(uint16_t machine)
{
	for (size_t i = 0; i < sizeof(conventions) / sizeof(conventions[0]); i++)
		if (conventions[i].machine == machine)
			return &conventions[i];
	return NULL;
}
