/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of a program of Go, by the table that its runtime has of them, which no stripping removes:
 * pcHeader of src/runtime/symtab.go, as it is from Go 1.18 on.
 */
#pragma once

#include "symbol.h"

struct go_table {
	const unsigned char *bytes; /* the object's */
	size_t size;
	uint64_t text;             /* the address that functions are counted from */
	uint64_t len;              /* functions */
	uint64_t names, functions; /* where in the table */
};

struct go_function {
	const char *name; /* the object's */
	uint64_t address; /* as the file counts */
	uint64_t size;    /* bytes until the next one */
};

/* What a section of the file holds; NULL: there is none of that name. The object's. */
const unsigned char *go_section(const struct object *object, const char *name, size_t *ret_size);

/* Returns 0, or -ENOENT: the file has no such table. */
int go_table_open(const struct object *object, struct go_table *ret_table);

/* Function i of len. Returns 0, or -EINVAL: the table is broken there. */
int go_table_read(const struct go_table *table, uint64_t i, struct go_function *ret_function);
