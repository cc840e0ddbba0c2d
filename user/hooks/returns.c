/* SPDX-License-Identifier: Apache-2.0 */
#include "returns.h"

#include <elf.h>
#include <string.h>
#include <Zydis/Zydis.h>

#define RANGES_MAX 4

/* The parts of a function: compilers put what is seldom run elsewhere. */
struct parts {
	const char *name;
	struct range {
		uint64_t address, offset, size;
	} ranges[RANGES_MAX];
	size_t len;
};

static int see_cold(const struct symbol *s, void *arg)
{
	struct parts *parts = arg;
	size_t len;

	if (!symbol_is_part(s->name, &len) || len != strlen(parts->name) || memcmp(s->name, parts->name, len))
		return 0;
	if (parts->len == RANGES_MAX)
		return 1;
	parts->ranges[parts->len++] = (struct range){ s->address, s->offset, s->size };
	return 0;
}

static bool is_within(const struct parts *parts, uint64_t address)
{
	for (size_t i = 0; i < parts->len; i++)
		if (address - parts->ranges[i].address < parts->ranges[i].size)
			return true;
	return false;
}

/* What an instruction at an address means for where the function is left. */
static const char *judge(const struct parts *parts, const ZydisDecodedInstruction *i, uint64_t address,
			 uint64_t offset, struct returns *r)
{
	uint64_t target = address + i->length + i->raw.imm[0].value.u;

	switch (i->meta.category) {
	case ZYDIS_CATEGORY_RET:
		if (r->len == RETURNS_MAX)
			return "it returns in more places than are traced";
		r->offsets[r->len++] = offset;
		return NULL;
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (i->raw.imm[0].is_relative)
			return is_within(parts, target) ? NULL : "it ends with a jump to another function";
		/* Compilers that mark the targets of jumps have these in switches alone. */
		return i->attributes & ZYDIS_ATTRIB_HAS_NOTRACK
			       ? NULL
			       : "it jumps to an address that its code does not tell";
	default:
		return NULL;
	}
}

static const char *walk(const struct object *o, const struct parts *parts, const struct range *range,
			struct returns *r)
{
	size_t size;
	const char *file = elf_rawfile(o->elf, &size), *why = NULL;
	ZydisDecoder decoder;
	ZydisDecodedInstruction i;

	if (!file || range->offset > size || range->size > size - range->offset)
		return "its code is not all in the file";
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (uint64_t at = 0; at < range->size && !why; at += i.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, file + range->offset + at,
							      range->size - at, &i)))
			return "its code cannot be decoded";
		why = judge(parts, &i, range->address + at, range->offset + at, r);
	}
	return why;
}

const char *returns_find(const struct object *o, const struct symbol *s, struct returns *ret_returns)
{
	struct parts parts = { s->name, { { s->address, s->offset, s->size } }, 1 };
	struct returns r = { 0 };
	const char *why = NULL;

	if (o->convention->machine != EM_X86_64)
		return "its code cannot be decoded";
	if (!s->size)
		return "its length is not known";
	if (s->name[0] && symbols_each(o, see_cold, &parts))
		return "it is in too many parts";
	for (size_t i = 0; i < parts.len && !why; i++)
		why = walk(o, &parts, &parts.ranges[i], &r);
	if (!why && !r.len)
		why = "it never returns";
	if (!why)
		*ret_returns = r;
	return why;
}
