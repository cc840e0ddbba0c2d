/* SPDX-License-Identifier: Apache-2.0 */
/* Types of C as DWARF describes them. why has room for TYPE_TEXT_MAX bytes. */
#pragma once

#include "../function.h"
#include "symbol.h"

#define TYPE_TEXT_MAX 256

/* What describes a unit: its own file when its debug information was split off. */
Dwarf_Die type_unit(Dwarf_Die *cu);

/* The type of an entry, without typedefs and qualifiers. False: void, or it is not described. */
bool type_of(Dwarf_Die *die, Dwarf_Die *ret_type);

/* What the type is, DW_TAG_base_type and the like. */
bool type_is_pointer(Dwarf_Die *type); /* or a reference */
bool type_is_array(Dwarf_Die *type);
bool type_is_compound(Dwarf_Die *type); /* struct, union or class */
bool type_is_floating(Dwarf_Die *type);
bool type_is_char(Dwarf_Die *type);

/* Bytes; 0: not described. */
uint64_t type_size(Dwarf_Die *type);

/*
 * A member, looked for in unnamed members and base classes too. Sets *ret_member to its type and *ret_offset.
 * Returns 0; -ENOENT: there is none of this name; -ENOTSUP: it is a bit field.
 */
int type_member(const struct object *object, Dwarf_Die *type, const char *name, Dwarf_Die *ret_member,
		int64_t *ret_offset, char *why);

/* What a number, enum or pointer of this type is. Returns 0 or -ENOTSUP. The value's names are the caller's.
 */
int type_scalar(Dwarf_Die *type, struct value *ret_value, char *why);

/* "const struct order *" */
void type_text(Dwarf_Die *die, char *text, size_t size);
