/* SPDX-License-Identifier: Apache-2.0 */
#include "python_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <Zydis/Zydis.h>

#include "../../bpf/event.h"
#include "../base/log.h"
#include "mapping.h"
#include "refusal.h"
#include "symbol.h"

#define FILES_MAX 1024 /* that were looked into; more are not */
#define COPY      "PyContext_CopyCurrent"
#define NEW       "PyContext_New"
#define DECODED   64 /* instructions that are looked at */
#define JUMPS     2  /* ... and jumps that are followed on the way to the one that returns */

/* A file that was looked into. Addresses are as it counts them. */
struct file {
	dev_t device;
	ino_t inode;
	struct bpf_link *copying; /* NULL: it has no interpreter, or one that cannot be followed */
	struct bpf_link *copied, *made;
	uint64_t copy_offset;
	uint64_t code; /* how much larger addresses are than offsets */
	struct python python;
};

static struct python_programs programs;
static struct file files[FILES_MAX];
static size_t files_len;
static bool opened, full;

void python_probes_open(const struct python_programs *p)
{
	programs = *p;
	files_len = 0;
	opened = true;
	full = false;
}

void python_probes_close(void)
{
	struct context_key key;

	while (files_len) {
		bpf_link__destroy(files[--files_len].copying);
		bpf_link__destroy(files[files_len].copied);
		bpf_link__destroy(files[files_len].made);
	}
	while (opened && bpf_map_get_next_key(programs.contexts_fd, NULL, &key) == 0)
		if (bpf_map_delete_elem(programs.contexts_fd, &key))
			break;
	opened = false;
}

struct functions {
	struct symbol copy, make; /* size 0: not seen */
};

static int see_symbol(const struct symbol *s, void *arg)
{
	struct functions *f = arg;

	if (strcmp(s->name, COPY) == 0)
		f->copy = *s;
	else if (strcmp(s->name, NEW) == 0)
		f->make = *s;
	return f->copy.size && f->make.size;
}

/* What a function does first: it loads a pointer from a fixed place, and another from behind that; or calls
 * one that does. */
struct first_loads {
	uint64_t place; /* 0: not seen */
	uint32_t offset;
	uint64_t called; /* 0: nothing was */
};

static bool is_load(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	return i->mnemonic == ZYDIS_MNEMONIC_MOV && i->operand_width == 64 &&
	       o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       o[1].mem.segment == ZYDIS_REGISTER_DS && o[1].mem.index == ZYDIS_REGISTER_NONE;
}

static struct first_loads read_loads(const char *code, size_t len, uint64_t address)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisRegister state = ZYDIS_REGISTER_NONE;
	struct first_loads loads = { 0 };
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int n = 0; n < DECODED && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, &i, o));
	     n++) {
		if (is_load(&i, o) && state != ZYDIS_REGISTER_NONE && o[1].mem.base == state) {
			loads.offset = (uint32_t)o[1].mem.disp.value;
			return loads;
		}
		if (is_load(&i, o) &&
		    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i, &o[1], address, &loads.place)))
			state = o[0].reg.value;
		if (i.mnemonic == ZYDIS_MNEMONIC_CALL && state == ZYDIS_REGISTER_NONE) {
			if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&i, &o[0], address, &loads.called)))
				loads.called = 0;
			break;
		}
		code += i.length;
		len -= i.length;
		address += i.length;
	}
	loads.place = 0;
	return loads;
}

/*
 * Where the interpreter keeps the state of the thread that it runs, and in there the current context:
 * context_get(), Python/context.c, loads both (3.7 to 3.11; later ones keep the first in thread-local
 * storage).
 */
static bool find_context(const struct object *o, const struct symbol *copy, struct python *ret_python)
{
	struct first_loads loads = { .called = copy->address };
	struct symbol s;
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);

	for (int depth = 0; depth < 3 && loads.called && !loads.place; depth++) {
		if (symbol_at(o, loads.called, &s) || !file || s.offset >= size)
			return false;
		loads = read_loads(file + s.offset, size - s.offset, s.address);
	}
	*ret_python = (struct python){ .thread_state = loads.place, .context = loads.offset };
	return loads.place != 0;
}

/*
 * The instruction by which a function returns, or the one that it ends with a jump to. If there are others,
 * what returns by them is not seen. 0: there is none nearby.
 */
static uint64_t find_return(const struct object *o, struct symbol s)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);
	uint64_t at = 0, target;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int n = 0, jumps = 0; n < DECODED && file && s.offset + at < size; n++, at += i.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, file + s.offset + at, size - s.offset - at,
						       &i, operands)))
			return 0;
		if (i.meta.category == ZYDIS_CATEGORY_RET)
			return s.offset + at;
		if (i.meta.category != ZYDIS_CATEGORY_UNCOND_BR)
			continue;
		if (++jumps > JUMPS ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&i, operands, s.address + at, &target)) ||
		    symbol_at(o, target, &s))
			return 0;
		at = (uint64_t)0 - i.length;
	}
	return 0;
}

/* Return probes are not for it: programs that switch stacks, as greenlets do, would not survive them. */
static const char *put(const struct object *o, const struct functions *functions, const struct mapping *m,
		       struct file *f)
{
	const struct symbol *copy = &functions->copy;
	const char *refusal = function_refusal(copy, m);
	uint64_t end, made;

	if (refusal)
		return refusal;
	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where it keeps them";
	if (!find_context(o, copy, &f->python) || !(end = find_return(o, *copy)) ||
	    !(made = find_return(o, functions->make)))
		return "its code does not show where it keeps them, as that of Python 3.7 to 3.11 does";
	f->copied = bpf_program__attach_uprobe_opts(programs.copied, -1, m->path, end, NULL);
	/* What is no copy takes the place of one that is gone, too. */
	f->made = bpf_program__attach_uprobe_opts(programs.copied, -1, m->path, made, NULL);
	if (f->copied && f->made)
		f->copying =
			bpf_program__attach_uprobe_opts(programs.copying, -1, m->path, copy->offset, NULL);
	return f->copying ? NULL : strerror(errno);
}

static void follow(const struct object *o, const struct mapping *m, struct file *f)
{
	struct functions functions = { 0 };
	const char *why;

	if (!symbols_each(o, see_symbol, &functions))
		return;
	f->copy_offset = functions.copy.offset;
	f->code = functions.copy.address - functions.copy.offset;
	why = put(o, &functions, m, f);
	if (why)
		log_warn("which task of Python in %s does what is not seen: %s", m->name, why);
}

/* Its own libraries have the name of the version in theirs: cpython-311. */
static bool may_be_python(const struct mapping *m)
{
	const char *slash = strrchr(m->name, '/'), *name = slash ? slash + 1 : m->name;

	return strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0;
}

/* What is known of the file that is mapped; NULL: there is no more room. */
static struct file *file_of(const struct mapping *m)
{
	struct object *object;
	struct file *f;
	char root[32];

	for (size_t i = 0; i < files_len; i++)
		if (files[i].device == m->device && files[i].inode == m->inode)
			return &files[i];
	if (files_len == FILES_MAX && !full)
		log_warn("which task of Python does what is seen in the first %d files with an interpreter "
			 "only",
			 FILES_MAX);
	full = files_len == FILES_MAX;
	if (full)
		return NULL;
	f = &files[files_len++];
	*f = (struct file){ .device = m->device, .inode = m->inode };
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	if (!file_mentions(m->path, COPY) || object_open(m->path, root, &object))
		return f;
	follow(object, m, f);
	object_close(object);
	return f;
}

static int see_mapping(const struct mapping *m, void *arg)
{
	struct file *f = may_be_python(m) ? file_of(m) : NULL;
	struct python python;

	(void)arg;
	if (!f || !f->copying || f->copy_offset < m->offset ||
	    f->copy_offset - m->offset >= m->end - m->start)
		return 0;
	python = f->python;
	python.thread_state += m->start - m->offset - f->code;
	if (bpf_map_update_elem(programs.pythons_fd, &m->pid, &python, BPF_ANY))
		log_warn("which task of Python in process %u does what is not seen: %s", m->pid,
			 strerror(errno));
	return 0;
}

void python_probes_look(uint32_t pid)
{
	if (opened)
		mappings_each(pid, see_mapping, NULL);
}
