/* SPDX-License-Identifier: Apache-2.0 */
/* What a function that does nothing but load a field of its argument says of where the field is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The offset of the pointer that the machine code loads into the register of results from behind another
 * register that is no stack pointer; 0 when there is no such load, or several that differ. machine: EM_* of
 * elf.h.
 */
uint32_t load_offset(uint16_t machine, const uint8_t *code, size_t len);
