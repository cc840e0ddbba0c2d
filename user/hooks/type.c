/* SPDX-License-Identifier: Apache-2.0 */
#include "type.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

/* What comes from outside may be a circle, or deeper than any program. */
#define WRAPS_MAX 32
#define DEPTH_MAX 8
#define NAMES_MAX 4096 /* of an enum */

Dwarf_Die type_unit(Dwarf_Die *cu)
{
	Dwarf_Die split = { 0 };
	uint8_t type = 0;

	dwarf_cu_info(cu->cu, NULL, &type, NULL, &split, NULL, NULL, NULL);
	return type == DW_UT_skeleton && split.addr ? split : *cu;
}

static bool entry_type(Dwarf_Die *die, Dwarf_Die *ret_type)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, ret_type);
}

static bool is_wrap(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

bool type_of(Dwarf_Die *die, Dwarf_Die *ret_type)
{
	Dwarf_Die type, inner;

	if (!entry_type(die, &type))
		return false;
	for (int i = 0; is_wrap(dwarf_tag(&type)); i++) {
		if (i == WRAPS_MAX || !entry_type(&type, &inner))
			return false;
		type = inner;
	}
	*ret_type = type;
	return true;
}

bool type_is_pointer(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
	       tag == DW_TAG_rvalue_reference_type;
}

bool type_is_array(Dwarf_Die *type)
{
	return dwarf_tag(type) == DW_TAG_array_type;
}

bool type_is_compound(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type;
}

static Dwarf_Word encoding_of(Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	Dwarf_Word encoding = 0;

	if (dwarf_tag(type) == DW_TAG_base_type && dwarf_attr(type, DW_AT_encoding, &attr))
		dwarf_formudata(&attr, &encoding);
	return encoding;
}

bool type_is_floating(Dwarf_Die *type)
{
	Dwarf_Word encoding = encoding_of(type);

	return encoding == DW_ATE_float || encoding == DW_ATE_complex_float ||
	       encoding == DW_ATE_decimal_float;
}

/* int8_t and uint8_t are characters to the compiler, too; only their name tells. */
bool type_is_char(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return dwarf_tag(type) == DW_TAG_base_type && name &&
	       (strcmp(name, "char") == 0 || strcmp(name, "char8_t") == 0);
}

uint64_t type_size(Dwarf_Die *type)
{
	Dwarf_Word size;

	return dwarf_aggregate_size(type, &size) ? 0 : size;
}

/* The definition of a type that its unit only declares, in another unit of the file. */
static bool find_definition(const struct object *o, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type), *is;
	Dwarf_Die *cu = NULL, unit, die;
	Dwarf_Addr bias;

	while (name && (cu = dwfl_module_nextcu(o->module, cu, &bias))) {
		unit = type_unit(cu);
		if (dwarf_child(&unit, &die))
			continue;
		do {
			if (dwarf_tag(&die) != dwarf_tag(type) || dwarf_hasattr(&die, DW_AT_declaration))
				continue;
			is = dwarf_diename(&die);
			if (is && strcmp(is, name) == 0) {
				*type = die;
				return true;
			}
		} while (dwarf_siblingof(&die, &die) == 0);
	}
	return false;
}

static bool is_bit_field(Dwarf_Die *member)
{
	return dwarf_hasattr(member, DW_AT_bit_size) || dwarf_hasattr(member, DW_AT_data_bit_offset);
}

/* Absent in a union. */
static int64_t member_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Word offset = 0;

	if (dwarf_attr(member, DW_AT_data_member_location, &attr))
		dwarf_formudata(&attr, &offset);
	return (int64_t)offset;
}

static int find_member(Dwarf_Die *type, const char *name, Dwarf_Die *ret_member, int64_t *offset,
		       unsigned depth)
{
	Dwarf_Die die, inner;

	if (depth == DEPTH_MAX || dwarf_child(type, &die))
		return -ENOENT;
	do {
		const char *is = dwarf_diename(&die);
		int tag = dwarf_tag(&die), err;
		int64_t at;

		if (tag != DW_TAG_member && tag != DW_TAG_inheritance)
			continue;
		at = *offset + member_offset(&die);
		if (is && strcmp(is, name) == 0) {
			*offset = at;
			*ret_member = die;
			return is_bit_field(&die) ? -ENOTSUP : 0;
		}
		if (is || !type_of(&die, &inner) || !type_is_compound(&inner))
			continue;
		err = find_member(&inner, name, ret_member, &at, depth + 1);
		if (err != -ENOENT) {
			*offset = at;
			return err;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return -ENOENT;
}

int type_member(const struct object *o, Dwarf_Die *type, const char *name, Dwarf_Die *ret_member,
		int64_t *ret_offset, char *why)
{
	const char *type_name = dwarf_diename(type);
	Dwarf_Die member, member_type, whole = *type;
	int64_t offset = 0;
	int err;

	if (!type_is_compound(type)) {
		snprintf(why, TYPE_TEXT_MAX, "what is before '%.64s' has no members", name);
		return -ENOENT;
	}
	if (dwarf_hasattr(type, DW_AT_declaration) && !find_definition(o, &whole)) {
		snprintf(why, TYPE_TEXT_MAX, "the debug information does not say what 'struct %.64s' is",
			 type_name ? type_name : "");
		return -ENOTSUP;
	}
	err = find_member(&whole, name, &member, &offset, 0);
	if (err == -ENOENT)
		snprintf(why, TYPE_TEXT_MAX, "'%.64s' has no member '%.64s'", type_name ? type_name : "it",
			 name);
	else if (err || !type_of(&member, &member_type))
		snprintf(why, TYPE_TEXT_MAX, "'%.64s' is a bit field", name);
	if (err)
		return err;
	if (!type_of(&member, &member_type))
		return -ENOTSUP;
	*ret_member = member_type;
	*ret_offset = offset;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const struct enumerator *one = a, *other = b;

	return (one->value > other->value) - (one->value < other->value);
}

/* Extended by the sign of its size, as the values are that it is compared with. */
static int64_t enumerator_value(Dwarf_Die *die, unsigned size)
{
	unsigned unused = 64 - 8 * size;
	Dwarf_Attribute attr;
	Dwarf_Word value = 0;

	if (dwarf_attr(die, DW_AT_const_value, &attr))
		dwarf_formudata(&attr, &value);
	return (int64_t)(value << unused) >> unused;
}

static int read_names(Dwarf_Die *type, struct value *v)
{
	Dwarf_Die die;

	v->type = VALUE_ENUM;
	if (dwarf_child(type, &die))
		return 0;
	do {
		const char *name = dwarf_diename(&die);
		struct enumerator *names;

		if (dwarf_tag(&die) != DW_TAG_enumerator || !name || v->names_len == NAMES_MAX)
			continue;
		names = realloc(v->names, (v->names_len + 1) * sizeof(*names));
		if (!names)
			return -ENOMEM;
		v->names = names;
		names[v->names_len++] = (struct enumerator){ enumerator_value(&die, v->size), strdup(name) };
	} while (dwarf_siblingof(&die, &die) == 0);
	if (v->names_len)
		qsort(v->names, v->names_len, sizeof(*v->names), by_value);
	return 0;
}

int type_scalar(Dwarf_Die *type, struct value *v, char *why)
{
	uint64_t size = type_size(type);
	Dwarf_Word encoding = encoding_of(type);
	char text[96];

	v->size = (uint8_t)size;
	if (type_is_pointer(type)) {
		v->type = VALUE_POINTER;
		v->size = 8;
		return 0;
	}
	if (size == 1 || size == 2 || size == 4 || size == 8) {
		if (dwarf_tag(type) == DW_TAG_enumeration_type)
			return read_names(type, v);
		v->type = encoding == DW_ATE_boolean                                    ? VALUE_BOOL
			  : encoding == DW_ATE_float                                    ? VALUE_DOUBLE
			  : type_is_char(type)                                          ? VALUE_CHAR
			  : encoding == DW_ATE_signed || encoding == DW_ATE_signed_char ? VALUE_SIGNED
											: VALUE_UNSIGNED;
		if (encoding == DW_ATE_boolean || encoding == DW_ATE_float || encoding == DW_ATE_signed ||
		    encoding == DW_ATE_unsigned || encoding == DW_ATE_signed_char ||
		    encoding == DW_ATE_unsigned_char || encoding == DW_ATE_UTF)
			return 0;
	}
	type_text(type, text, sizeof(text));
	snprintf(why, TYPE_TEXT_MAX, "a value of type '%s' cannot be shown%s", text,
		 type_is_compound(type) ? "; name one of its members" : "");
	return -ENOTSUP;
}

static void put(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

static const char *keyword_of(int tag)
{
	static const struct {
		int tag;
		const char *word;
	} words[] = {
		{ DW_TAG_const_type, "const" },      { DW_TAG_volatile_type, "volatile" },
		{ DW_TAG_structure_type, "struct" }, { DW_TAG_union_type, "union" },
		{ DW_TAG_enumeration_type, "enum" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].tag == tag)
			return words[i].word;
	return NULL;
}

static void put_type(Dwarf_Die *type, char *text, size_t size, unsigned depth)
{
	int tag = dwarf_tag(type);
	const char *name = dwarf_diename(type), *word = keyword_of(tag);
	bool has_inner, qualifies_pointer;
	Dwarf_Die inner;

	if (depth == WRAPS_MAX || strlen(text) + 1 >= size) {
		put(text, size, "...");
		return;
	}
	has_inner = entry_type(type, &inner);
	/* What is said of a pointer comes after it. */
	qualifies_pointer = has_inner && is_wrap(tag) && word && type_is_pointer(&inner);
	if (word && !qualifies_pointer) {
		put(text, size, word);
		put(text, size, " ");
	}
	if (name)
		put(text, size, name);
	else if (tag == DW_TAG_subroutine_type)
		put(text, size, "function");
	else if (has_inner && tag != DW_TAG_enumeration_type)
		put_type(&inner, text, size, depth + 1);
	else
		put(text, size, type_is_compound(type) || tag == DW_TAG_enumeration_type ? "{...}" : "void");
	if (qualifies_pointer)
		put(text, size, word);
	else if (!name && type_is_pointer(type))
		put(text, size, slice_ends(slice_of(text), SLICE("*")) ? "*" : " *");
	else if (!name && type_is_array(type))
		put(text, size, "[]");
}

void type_text(Dwarf_Die *type, char *text, size_t size)
{
	text[0] = '\0';
	put_type(type, text, size, 0);
}
