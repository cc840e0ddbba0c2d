/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of an ELF file, from its symbols or those of its separate debug file. */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "convention.h"

struct object {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *elf;
	GElf_Addr bias; /* between libdwfl's addresses and the file's */
	const struct convention *convention;
	bool is_go;    /* the Go runtime finds its own return addresses in stacks */
	bool throws;   /* exceptions, as C++ and Rust do: unwinding ends at the address of a return probe */
	bool stripped; /* it has but the symbols that it shares with others, and no debug file */
	char *debug_path;
	Dwfl_Callbacks callbacks;
};

struct symbol {
	const char *name; /* the object's */
	const char *file; /* source file of a local symbol; NULL: not said */
	uint64_t address; /* as the file counts */
	uint64_t offset;  /* in the file */
	uint64_t entry;   /* ... where a probe on its entry is put */
	bool steps;       /* ... on an instruction that the kernel executes step by step */
	uint64_t size;    /* 0: not said */
	bool global;
	const char *refusal; /* why it cannot be traced; NULL: it can be */
};

/*
 * Opens a file. Debug files are looked for by build id and debug link beside it, below root and ours. Returns
 * 0, or -errno: -ENOEXEC when it is no ELF file that can be used.
 */
int object_open(const char *path, const char *root, struct object **ret_object);
void object_close(struct object *object);

/* Where in the file the code at an address is, and how much follows. Returns 0 or -ENOENT: none is there. */
int object_code(const struct object *object, uint64_t address, uint64_t *ret_offset, uint64_t *ret_len);

/* Calls see() for each function until it returns other than 0, and returns that. */
int symbols_each(const struct object *object, int (*see)(const struct symbol *symbol, void *arg), void *arg);

/*
 * Is it no function, but the part of one that is seldom run, which compilers put elsewhere ("name.cold",
 * "name.cold.1")? *ret_name_len is the length of the function's own name then.
 */
bool symbol_is_part(const char *name, size_t *ret_name_len);

/* The function that starts at this address of the file, or at no symbol. Returns 0, or -ENOENT: no code is
 * there. */
int symbol_at(const struct object *object, uint64_t address, struct symbol *ret_symbol);
