/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <elf.h>
#include <string.h>

/*
 * Intel 64 manual, volume 2, MOV: REX.W 8B /r. ModRM is mod (01: 8 bits follow, 10: 32), register (000: rax)
 * and base: 000 is rax, where unoptimized code has its argument, 111 is rdi, the first argument.
 */
static size_t x86_load(const uint8_t *p, size_t len, int64_t *ret_offset)
{
	uint8_t base;
	int32_t offset;

	if (len < 4 || p[0] != 0x48 || p[1] != 0x8b)
		return 0;
	base = p[2] & 0x07;
	if ((p[2] & 0x38) || (base != 0 && base != 7))
		return 0;
	if (p[2] >> 6 == 1) {
		*ret_offset = p[3] < 0x80 ? p[3] : p[3] - 0x100;
		return 4;
	}
	if (p[2] >> 6 != 2 || len < 7)
		return 0;
	memcpy(&offset, p + 3, sizeof(offset));
	*ret_offset = offset;
	return 7;
}

/* Arm architecture reference manual, LDR (immediate), unsigned offset, 64-bit: into x0, from all but sp (31).
 */
static size_t arm64_load(const uint8_t *p, size_t len, int64_t *ret_offset)
{
	uint32_t word;

	if (len < 4)
		return 0;
	memcpy(&word, p, sizeof(word));
	if ((word & 0xffc0001f) != 0xf9400000 || (word >> 5 & 31) == 31)
		return 0;
	*ret_offset = (int64_t)(word >> 10 & 0xfff) * 8;
	return 4;
}

uint32_t load_offset(uint16_t machine, const uint8_t *code, size_t len)
{
	size_t at = 0, step = machine == EM_AARCH64 ? 4 : 1, used;
	int64_t found = 0, offset;

	while (at < len) {
		used = machine == EM_AARCH64 ? arm64_load(code + at, len - at, &offset)
					     : x86_load(code + at, len - at, &offset);
		if (used && (offset <= 0 || (found && offset != found)))
			return 0;
		if (used)
			found = offset;
		at += used ? used : step;
	}
	return (uint32_t)found;
}
