/* SPDX-License-Identifier: Apache-2.0 */
#include "go_code.h"

#include <errno.h>
#include <string.h>
#include <Zydis/Zydis.h>

#include "../base/slice.h"
#include "go_table.h"

/* Of src/debug/buildinfo: from Go 1.18 on the version's length and text follow the header. */
#define BUILD_SECTION     ".go.buildinfo"
#define BUILD_MAGIC       "\xff Go buildinf:"
#define BUILD_FLAGS       15
#define BUILD_INLINE      2 /* the flag that says so */
#define BUILD_HEADER      32
#define BUILD_VERSION_MAX 127 /* its length is a single byte */

#define ON_OWN_STACK "runtime.systemstack"

/* Which function's call of which other one is which point. */
static const struct {
	const char *caller, *called;
} calls[] = {
	[GO_SENDING] = { GO_SEND, "runtime.goready" },
	[GO_STARTING] = { "runtime.newproc", ON_OWN_STACK },
	[GO_STARTED] = { "runtime.newproc.func1", "runtime.runqput" },
	/* In place of GO_SENDING, if what is called was inlined. */
	[GO_POINTS] = { GO_SEND, ON_OWN_STACK },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static bool is_named(const struct go_table *t, uint64_t address, const char *name)
{
	struct go_function f;

	for (uint64_t i = 0; i < t->len; i++)
		if (go_table_read(t, i, &f) == 0 && f.address == address && strcmp(f.name, name) == 0)
			return true;
	return false;
}

/* Where a function calls another; 0: it does not, or more than once. */
static uint64_t find_call(const struct object *o, const struct go_table *t, const struct go_function *f,
			  const char *name)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;
	uint64_t found = 0, called, offset, len;
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);

	if (!file || object_code(o, f->address, &offset, &len) || f->size > len || offset > size ||
	    f->size > size - offset)
		return 0;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (uint64_t at = 0; at < f->size; at += i.length) {
		if (ZYAN_FAILED(
			    ZydisDecoderDecodeFull(&decoder, file + offset + at, f->size - at, &i, operands)))
			return 0;
		if (i.mnemonic != ZYDIS_MNEMONIC_CALL ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&i, operands, f->address + at, &called)) ||
		    !is_named(t, called, name))
			continue;
		if (found)
			return 0;
		found = offset + at;
	}
	return found;
}

/* The number after "go1."; 0: there is none. */
static unsigned minor_version(const struct object *o)
{
	size_t size = 0;
	const unsigned char *at = go_section(o, BUILD_SECTION, &size);
	struct slice version;
	unsigned minor = 0;

	if (!at || size < BUILD_HEADER + 1 || memcmp(at, BUILD_MAGIC, sizeof(BUILD_MAGIC) - 1) != 0 ||
	    !(at[BUILD_FLAGS] & BUILD_INLINE) || at[BUILD_HEADER] > BUILD_VERSION_MAX ||
	    size - BUILD_HEADER - 1 < at[BUILD_HEADER])
		return 0;
	version = (struct slice){ (const char *)at + BUILD_HEADER + 1, at[BUILD_HEADER] };
	if (!slice_starts(version, slice_of("go1.")))
		return 0;
	for (size_t i = 4; i < version.len && version.p[i] >= '0' && version.p[i] <= '9' && minor < 1000; i++)
		minor = minor * 10 + (unsigned)(version.p[i] - '0');
	return minor;
}

int go_code_read(const struct object *o, struct go_code *ret_code)
{
	uint64_t points[CALLS] = { 0 };
	struct go_function f;
	struct go_table t;
	unsigned minor;

	if (!o->is_go || go_table_open(o, &t))
		return -ENOENT;
	minor = minor_version(o);
	for (uint64_t i = 0; i < t.len; i++)
		for (size_t n = 0; n < CALLS && go_table_read(&t, i, &f) == 0; n++)
			/* One that is called both ways is there twice. */
			if (!points[n] && strcmp(f.name, calls[n].caller) == 0)
				points[n] = find_call(o, &t, &f, calls[n].called);
	/* Go 1.23, commit 2b82a4f48817, put a field before it. */
	*ret_code = (struct go_code){ .goid_offset = minor < 23 ? 152 : 160, .inlined = !points[GO_SENDING] };
	if (ret_code->inlined)
		points[GO_SENDING] = points[GO_POINTS];
	memcpy(ret_code->points, points, sizeof(ret_code->points));
	return minor >= 18 && points[GO_SENDING] && points[GO_STARTING] && points[GO_STARTED] ? 0 : -ENOTSUP;
}
