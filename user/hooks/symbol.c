/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_MIN 4 /* bytes of a function; a shorter one has no body to speak of */

#define INT3  0xcc /* x86: a breakpoint in the file itself */
#define REX_B 0x41
#define PUSH  0x50 /* and the seven after it: each of a register */

static bool has_section(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *is;

		if (!gelf_getshdr(section, &header))
			continue;
		is = elf_strptr(elf, names, header.sh_name);
		if (is && strcmp(is, name) == 0)
			return true;
	}
	return false;
}

/* The run-time libraries of languages with exceptions, by the start of their names. */
static const char *const libraries[] = { "libstdc++.so", "libc++.so", "libc++abi.so", "libgcc_s.so" };

/* What finds the handlers in their functions, where it is linked in. */
static const char *const personalities[] = { "__gxx_personality_v0", "rust_eh_personality" };

static bool names_library(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
		const char *name =
			entry.d_tag == DT_NEEDED ? elf_strptr(elf, header->sh_link, entry.d_un.d_val) : NULL;

		for (size_t n = 0; name && n < sizeof(libraries) / sizeof(libraries[0]); n++)
			if (strncmp(name, libraries[n], strlen(libraries[n])) == 0)
				return true;
	}
	return false;
}

static bool needs_library(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNAMIC &&
		    names_library(elf, section, &header))
			return true;
	return false;
}

static bool has_personality(const struct object *o)
{
	int len = dwfl_module_getsymtab(o->module);

	for (int i = 1; i < len; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(o->module, i, &sym, &address, NULL, NULL, NULL);

		for (size_t n = 0; name && n < sizeof(personalities) / sizeof(personalities[0]); n++)
			if (strcmp(name, personalities[n]) == 0)
				return true;
	}
	return false;
}

static int describe(struct object *o)
{
	const char *debug_file = NULL;
	GElf_Ehdr header;

	o->elf = dwfl_module_getelf(o->module, &o->bias);
	if (!o->elf || !gelf_getehdr(o->elf, &header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    (header.e_type != ET_EXEC && header.e_type != ET_DYN))
		return -ENOEXEC;
	o->convention = convention_of(header.e_machine);
	if (!o->convention)
		return -ENOEXEC;
	o->is_go = has_section(o->elf, ".gopclntab") || has_section(o->elf, ".note.go.buildid");
	/* Finds the debug file, if there is one. */
	dwfl_module_getsymtab(o->module);
	o->throws = needs_library(o->elf) || has_personality(o);
	dwfl_module_info(o->module, NULL, NULL, NULL, NULL, NULL, NULL, &debug_file);
	o->stripped = !debug_file && !has_section(o->elf, ".symtab");
	return 0;
}

static int report(struct object *o, const char *path, const char *root)
{
	if (asprintf(&o->debug_path, ":.debug:%s/usr/lib/debug:/usr/lib/debug", root) < 0) {
		o->debug_path = NULL;
		return -ENOMEM;
	}
	o->callbacks = (Dwfl_Callbacks){
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &o->debug_path,
	};
	o->dwfl = dwfl_begin(&o->callbacks);
	if (!o->dwfl)
		return -ENOMEM;
	o->module = dwfl_report_offline(o->dwfl, path, path, -1);
	dwfl_report_end(o->dwfl, NULL, NULL);
	return o->module ? describe(o) : -ENOEXEC;
}

int object_open(const char *path, const char *root, struct object **ret_object)
{
	struct object *o;
	int err;

	elf_version(EV_CURRENT);
	if (access(path, R_OK))
		return -errno;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	err = report(o, path, root);
	if (err)
		object_close(o);
	else
		*ret_object = o;
	return err;
}

void object_close(struct object *o)
{
	if (!o)
		return;
	dwfl_end(o->dwfl);
	free(o->debug_path);
	free(o);
}

int object_code(const struct object *o, uint64_t address, uint64_t *ret_offset, uint64_t *ret_len)
{
	size_t n;

	if (elf_getphdrnum(o->elf, &n))
		return -ENOENT;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(o->elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X) ||
		    address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz)
			continue;
		*ret_offset = address - p.p_vaddr + p.p_offset;
		*ret_len = p.p_filesz - (address - p.p_vaddr);
		return 0;
	}
	return -ENOENT;
}

static bool is_breakpoint(const struct object *o, uint64_t offset)
{
	size_t size;
	const char *bytes = elf_rawfile(o->elf, &size);

	return o->convention->machine == EM_X86_64 && bytes && offset < size &&
	       (unsigned char)bytes[offset] == INT3;
}

/*
 * Where a probe on its entry is put: behind the mark of an indirect branch's target, if there is one. The
 * kernel emulates what most functions begin with, a push (arch/x86/kernel/uprobes.c, push_setup_xol_ops()),
 * but would execute the mark step by step, which takes up to ten times as long.
 */
static void find_entry(const struct object *o, struct symbol *s)
{
	static const unsigned char endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t size;
	const unsigned char *bytes = (const unsigned char *)elf_rawfile(o->elf, &size), *at;

	s->entry = s->offset;
	if (o->convention->machine != EM_X86_64 || !bytes || s->offset > size ||
	    size - s->offset < sizeof(endbr64) + 2)
		return;
	if (memcmp(bytes + s->offset, endbr64, sizeof(endbr64)) == 0)
		s->entry += sizeof(endbr64);
	at = bytes + s->entry;
	at += *at == REX_B;
	s->steps = *at < PUSH || *at >= PUSH + 8;
}

bool symbol_is_part(const char *name, size_t *ret_name_len)
{
	static const char ending[] = ".cold";
	const char *at = strstr(name, ending), *rest = at ? at + sizeof(ending) - 1 : NULL;

	*ret_name_len = at ? (size_t)(at - name) : 0;
	return at > name && (!*rest || *rest == '.');
}

static const char *refusal_of(const struct object *o, const struct symbol *s)
{
	size_t name_len;

	if (o->is_go)
		return "a Go program, which crashes when its return addresses are replaced";
	/* It is jumped to: no return address need be where a return probe would replace one. */
	if (symbol_is_part(s->name, &name_len))
		return "no function, but a part of one";
	if (s->size && s->size < SIZE_MIN)
		return "too short";
	if (is_breakpoint(o, s->entry))
		return "it starts with a breakpoint";
	return NULL;
}

/* One symbol of the module as a function; false when it is none. */
static bool read_symbol(const struct object *o, int i, struct symbol *ret_symbol, const char **file)
{
	GElf_Sym sym;
	GElf_Addr address;
	GElf_Word section;
	uint64_t len;
	const char *name = dwfl_module_getsym_info(o->module, i, &sym, &address, &section, NULL, NULL);
	int type = GELF_ST_TYPE(sym.st_info);

	if (!name)
		return false;
	if (type == STT_FILE)
		*file = name;
	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || section == SHN_UNDEF || !name[0])
		return false;
	*ret_symbol = (struct symbol){ .name = name,
				       .address = address - o->bias,
				       .size = sym.st_size,
				       .global = GELF_ST_BIND(sym.st_info) != STB_LOCAL };
	if (!ret_symbol->global)
		ret_symbol->file = *file;
	if (object_code(o, ret_symbol->address, &ret_symbol->offset, &len))
		return false;
	find_entry(o, ret_symbol);
	ret_symbol->refusal = type == STT_GNU_IFUNC ? "its code is chosen when the program starts"
						    : refusal_of(o, ret_symbol);
	return true;
}

int symbols_each(const struct object *o, int (*see)(const struct symbol *symbol, void *arg), void *arg)
{
	int n = dwfl_module_getsymtab(o->module), err = 0;
	const char *file = NULL;
	struct symbol s;

	for (int i = 1; i < n && !err; i++)
		if (read_symbol(o, i, &s, &file))
			err = see(&s, arg);
	return err;
}

int symbol_at(const struct object *o, uint64_t address, struct symbol *ret_symbol)
{
	int n = dwfl_module_getsymtab(o->module);
	const char *file = NULL;
	struct symbol s = { .name = "", .address = address };
	uint64_t len;

	if (object_code(o, address, &s.offset, &len))
		return -ENOENT;
	find_entry(o, &s);
	s.refusal = refusal_of(o, &s);
	*ret_symbol = s;
	for (int i = 1; i < n; i++)
		if (read_symbol(o, i, &s, &file) && s.address == address) {
			*ret_symbol = s;
			break;
		}
	return 0;
}
