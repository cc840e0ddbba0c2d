/* SPDX-License-Identifier: Apache-2.0 */
#include "python_code.h"

#include <errno.h>
#include <string.h>
#include <Zydis/Zydis.h>

#define DECODED     64 /* instructions that are looked at */
#define CALLS       3  /* functions that are looked into for what one does */
#define METHODS_MAX 16

/* Of Include/cpython/object.h and Include/methodobject.h: where a type has its methods, and what one is. */
#define TYPE         "PyContext_Type"
#define TYPE_METHODS 232
#define METHOD_NAME  0
#define METHOD_CODE  8
#define METHOD_LEN   32

/* What the next section of a type holds, after *section; NULL: there is none. */
static Elf_Data *next_data(const struct object *o, GElf_Word type, Elf_Scn **section, GElf_Shdr *ret_header)
{
	while ((*section = elf_nextscn(o->elf, *section))) {
		Elf_Data *data;

		if (gelf_getshdr(*section, ret_header) && ret_header->sh_type == type &&
		    (data = elf_getdata(*section, NULL)))
			return data;
	}
	return NULL;
}

/* The relocation of what is at an address of the file. */
static bool find_relocation(const struct object *o, uint64_t address, GElf_Rela *ret_relocation)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;

	while ((data = next_data(o, SHT_RELA, &section, &header)))
		for (int i = 0; gelf_getrela(data, i, ret_relocation); i++)
			if (ret_relocation->r_offset == address)
				return true;
	return false;
}

/* The bytes at an address, as the file has them; NULL: it has not that many. */
static const char *bytes_at(const struct object *o, uint64_t address, size_t len)
{
	size_t size, segments = 0;
	const char *file = elf_rawfile(o->elf, &size);
	GElf_Phdr p;

	elf_getphdrnum(o->elf, &segments);
	for (size_t i = 0; file && i < segments; i++) {
		if (!gelf_getphdr(o->elf, (int)i, &p) || p.p_type != PT_LOAD || address < p.p_vaddr ||
		    address - p.p_vaddr >= p.p_filesz || p.p_filesz - (address - p.p_vaddr) < len)
			continue;
		address = address - p.p_vaddr + p.p_offset;
		return address <= size && size - address >= len ? file + address : NULL;
	}
	return NULL;
}

/* The pointer at an address, as it is once the file is loaded; 0: to nothing that is known. */
static uint64_t pointer_at(const struct object *o, uint64_t address)
{
	const char *bytes;
	uint64_t pointer = 0;
	GElf_Rela r;

	if (find_relocation(o, address, &r))
		return GELF_R_TYPE(r.r_info) == R_X86_64_RELATIVE ? (uint64_t)r.r_addend : 0;
	if ((bytes = bytes_at(o, address, sizeof(pointer))))
		memcpy(&pointer, bytes, sizeof(pointer));
	return pointer;
}

/* The address of a variable that the file shares with others; 0: it does not. */
static uint64_t find_variable(const struct object *o, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Sym symbol;
	Elf_Data *data;

	while ((data = next_data(o, SHT_DYNSYM, &section, &header)))
		for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
			const char *is = elf_strptr(o->elf, header.sh_link, symbol.st_name);

			if (is && strcmp(is, name) == 0 && symbol.st_shndx != SHN_UNDEF)
				return symbol.st_value;
		}
	return 0;
}

/* The code of a type's method; 0: there is none of that name. */
static uint64_t find_method(const struct object *o, uint64_t type, const char *name)
{
	uint64_t method = type ? pointer_at(o, type + TYPE_METHODS) : 0, text;
	size_t len = strlen(name) + 1;

	for (int i = 0; method && i < METHODS_MAX; i++, method += METHOD_LEN) {
		const char *bytes;

		if (!(text = pointer_at(o, method + METHOD_NAME)))
			return 0;
		if ((bytes = bytes_at(o, text, len)) && memcmp(bytes, name, len) == 0)
			return pointer_at(o, method + METHOD_CODE);
	}
	return 0;
}

/*
 * What a function does first: it loads the pointer to the thread's state from wherever that is kept, and
 * another one from behind it; or calls a function that does.
 */
struct walk {
	const struct object *object;
	struct python python;
	ZydisRegister state; /* holds the first pointer; NONE: it was not loaded yet */
	uint64_t index;      /* address of the tls_index that RDI points to; 0: of none */
	bool in_block;       /* RAX points into the thread's block for that */
	uint64_t called;     /* 0: nothing was */
	bool found;
};

/* A pointer is loaded into a register, from nothing that an index tells. */
static bool is_load(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	return i->mnemonic == ZYDIS_MNEMONIC_MOV && i->operand_width == 64 &&
	       o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       o[1].mem.index == ZYDIS_REGISTER_NONE;
}

/* Does the dynamic linker put the number of the module there? That is how a tls_index starts. */
static bool is_tls_index(const struct object *o, uint64_t address)
{
	GElf_Rela r;

	return find_relocation(o, address, &r) && GELF_R_TYPE(r.r_info) == R_X86_64_DTPMOD64;
}

static void see_load(struct walk *w, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o,
		     uint64_t address)
{
	const ZydisDecodedOperandMem *from = &o[1].mem;
	bool of_thread = from->segment == ZYDIS_REGISTER_FS;
	uint64_t place;

	if (!of_thread && w->state != ZYDIS_REGISTER_NONE && from->base == w->state) {
		w->python.context = (uint32_t)from->disp.value;
		w->found = true;
	} else if (of_thread && from->base == ZYDIS_REGISTER_NONE) {
		w->python.storage = PYTHON_THREAD;
		w->python.thread_state = (uint64_t)from->disp.value;
		w->state = o[0].reg.value;
	} else if (!of_thread && w->in_block && from->base == ZYDIS_REGISTER_RAX) {
		w->python.storage = PYTHON_MODULE;
		w->python.thread_state = w->index;
		w->python.in_block = (int32_t)from->disp.value;
		w->state = o[0].reg.value;
		w->in_block = false;
	} else if (!of_thread && ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(i, &o[1], address, &place))) {
		w->python.storage = PYTHON_GLOBAL;
		w->python.thread_state = place;
		w->state = o[0].reg.value;
	}
}

/* Returns whether there is no more to see. */
static bool see(struct walk *w, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o,
		uint64_t address)
{
	uint64_t place;

	if (is_load(i, o)) {
		see_load(w, i, o, address);
		return w->found;
	}
	if (i->mnemonic == ZYDIS_MNEMONIC_LEA && o[0].reg.value == ZYDIS_REGISTER_RDI)
		w->index = ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(i, &o[1], address, &place)) &&
					   is_tls_index(w->object, place)
				   ? place
				   : 0;
	if (i->mnemonic != ZYDIS_MNEMONIC_CALL || w->state != ZYDIS_REGISTER_NONE)
		return false;
	/* __tls_get_addr() */
	w->in_block = w->index;
	if (!w->in_block && ZYAN_FAILED(ZydisCalcAbsoluteAddress(i, &o[0], address, &w->called)))
		w->called = 0;
	return !w->in_block;
}

static void walk(struct walk *w, const char *code, size_t len, uint64_t address)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int n = 0; n < DECODED && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, &i, o));
	     n++) {
		if (see(w, &i, o, address))
			return;
		code += i.length;
		len -= i.length;
		address += i.length;
	}
}

/*
 * Where the interpreter keeps the state of the thread that it runs, and in there the current context:
 * context_get(), Python/context.c, loads both. The first is in a global variable up to Python 3.11, then in
 * thread-local storage.
 */
static bool find_context(const struct object *o, const struct symbol *copy, struct python *ret_python)
{
	struct walk w = { .called = copy->address };
	struct symbol s;
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);

	for (int depth = 0; depth < CALLS && w.called && !w.found; depth++) {
		if (symbol_at(o, w.called, &s) || !file || s.offset >= size)
			return false;
		w = (struct walk){ .object = o, .state = ZYDIS_REGISTER_NONE };
		walk(&w, file + s.offset, size - s.offset, s.address);
	}
	*ret_python = w.python;
	return w.found;
}

struct functions {
	struct symbol copy, copy_of, make; /* size 0: not seen */
};

static int see_symbol(const struct symbol *s, void *arg)
{
	struct functions *f = arg;

	if (strcmp(s->name, PYTHON_COPY) == 0)
		f->copy = *s;
	else if (strcmp(s->name, "PyContext_Copy") == 0)
		f->copy_of = *s;
	else if (strcmp(s->name, "PyContext_New") == 0)
		f->make = *s;
	return f->copy.size && f->copy_of.size && f->make.size;
}

/* Whatever makes a context may put it where another one was: none must be missed. */
static int add_made(const struct object *o, const struct symbol *s, struct python_code *code)
{
	struct result_point point;
	int err = result_find(o, s, &point);

	for (size_t i = 0; i < code->made_len && !err; i++)
		if (code->made[i].offset == point.offset)
			return 0;
	if (!err)
		code->made[code->made_len++] = point;
	return err;
}

int python_code_read(const struct object *o, struct python_code *ret_code)
{
	struct functions f = { 0 };
	struct symbol method;
	uint64_t address;

	if (!symbols_each(o, see_symbol, &f))
		return -ENOENT;
	*ret_code = (struct python_code){ .copy = f.copy };
	address = find_method(o, find_variable(o, TYPE), "copy");
	if (!address || symbol_at(o, address, &method) || !find_context(o, &f.copy, &ret_code->python))
		return -ENOTSUP;
	if (add_made(o, &f.copy, ret_code) || add_made(o, &f.copy_of, ret_code) ||
	    add_made(o, &f.make, ret_code) || add_made(o, &method, ret_code))
		return -ENOTSUP;
	return 0;
}
