/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf.h"

#include <ctype.h>
#include <dwarf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looks for the function whose first instruction is at pc. */
struct search {
	Dwarf_Addr pc;
	Dwarf_Die *die;
	bool found;
};

/* The first instruction. Of a function in several parts, it is that of the first range (DWARF 5, 2.18). */
static bool entry_of(Dwarf_Die *die, Dwarf_Addr *ret_pc)
{
	Dwarf_Addr base, end;

	return !dwarf_entrypc(die, ret_pc) || dwarf_ranges(die, 0, &base, ret_pc, &end) > 0;
}

static int is_at(Dwarf_Die *die, void *arg)
{
	struct search *s = arg;
	Dwarf_Addr pc;

	if (!entry_of(die, &pc) || pc != s->pc)
		return DWARF_CB_OK;
	*s->die = *die;
	s->found = true;
	return DWARF_CB_ABORT;
}

static void search_unit(Dwarf_Die *cu, struct search *s)
{
	Dwarf_Die unit = type_unit(cu);

	dwarf_getfuncs(&unit, is_at, s, 0);
}

int function_info(const struct object *o, const struct symbol *symbol, struct function_info *ret_info)
{
	struct function_info info = { .object = o };
	struct search s = { .die = &info.die };
	Dwarf_Addr bias = 0;
	Dwarf_Die *cu = dwfl_module_addrdie(o->module, symbol->address + o->bias, &bias);

	s.pc = symbol->address + o->bias - bias;
	if (cu)
		search_unit(cu, &s);
	/* Not every compiler writes an index of addresses. */
	for (cu = NULL; !s.found && (cu = dwfl_module_nextcu(o->module, cu, &bias));) {
		s.pc = symbol->address + o->bias - bias;
		if (dwarf_haspc(cu, s.pc) != 0)
			search_unit(cu, &s);
	}
	if (!s.found)
		return -ENODATA;
	info.entry = s.pc;
	/* Of a function that nobody else calls, or a variant that it made, the compiler may leave out
	 * arguments. */
	info.exact = symbol->global && !strchr(symbol->name, '.');
	*ret_info = info;
	return 0;
}

/* A value on the way to the one that is asked for: in the base, or in memory where the steps lead. */
struct place {
	const struct function_info *info;
	struct read read;
	Dwarf_Die type;
	bool in_memory;
	char *why;
};

static __attribute__((format(printf, 3, 4))) int fail(struct place *p, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->why, TYPE_TEXT_MAX, format, args);
	va_end(args);
	return err;
}

static int move(struct place *p, int64_t by)
{
	event_s32 *step = &p->read.steps[p->read.steps_len - 1];

	if (by != (event_s32)by || __builtin_add_overflow(*step, (event_s32)by, step))
		return fail(p, -ENOTSUP, "it is too far from its pointer");
	return 0;
}

/* Follows the pointer that the place holds. */
static int follow(struct place *p)
{
	if (p->read.steps_len == READ_STEPS_MAX)
		return fail(p, -ENOTSUP, "more than %d pointers to follow", READ_STEPS_MAX);
	p->read.steps[p->read.steps_len++] = 0;
	p->in_memory = true;
	return 0;
}

static int dereference(struct place *p)
{
	Dwarf_Die target;

	if (!type_is_pointer(&p->type))
		return fail(p, -ENOENT, "it is no pointer");
	if (!type_of(&p->type, &target))
		return fail(p, -ENOTSUP, "a pointer to void: what it points to is not known");
	p->type = target;
	return follow(p);
}

static int go_to_member(struct place *p, const char *name, bool arrow)
{
	int64_t offset;
	int err;

	if (arrow != type_is_pointer(&p->type))
		return fail(p, -ENOENT, "write '%s%s', for what is before it is %s pointer",
			    arrow ? "." : "->", name, arrow ? "no" : "a");
	if (arrow && (err = dereference(p)))
		return err;
	err = type_member(p->info->object, &p->type, name, &p->type, &offset, p->why);
	if (err)
		return err;
	return p->in_memory ? move(p, offset) : fail(p, -ENOTSUP, "a struct that is passed in registers");
}

static int go_to_element(struct place *p, int64_t index)
{
	Dwarf_Die element;
	uint64_t size;
	int err;

	if (!type_is_array(&p->type) && !type_is_pointer(&p->type))
		return fail(p, -ENOENT, "what is before '[' is no array");
	if (!type_of(&p->type, &element) || !(size = type_size(&element)) || size > INT32_MAX)
		return fail(p, -ENOTSUP, "the size of the elements is not known");
	if (type_is_pointer(&p->type) && (err = dereference(p)))
		return err;
	p->type = element;
	return p->in_memory ? move(p, index * (int64_t)size) : -ENOTSUP;
}

/* An argument's register, by its number in DWARF. */
static int in_register(struct place *p, Dwarf_Word number)
{
	const struct convention *c = p->info->object->convention;

	for (uint8_t i = 0; i < c->args_len; i++)
		if (c->args[i] == number) {
			p->read.base = i;
			return 0;
		}
	if (number >= c->vector_first && number <= c->vector_last)
		return fail(p, -ENOTSUP, "in a vector register, which cannot be read");
	return fail(p, -ENOTSUP, "in a register that is none of an argument's");
}

/* Where the compiler says that an argument is at the first instruction; -EAGAIN: it does not say. */
static int by_location(struct place *p, Dwarf_Die *argument)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t len;

	if (!dwarf_attr_integrate(argument, DW_AT_location, &attr) ||
	    dwarf_getlocation_addr(&attr, p->info->entry, &ops, &len, 1) != 1 || len != 1)
		return -EAGAIN;
	if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
		return in_register(p, ops[0].atom - DW_OP_reg0);
	if (ops[0].atom == DW_OP_regx)
		return in_register(p, ops[0].number);
	/* In its frame, where it comes to lie only later. */
	return -EAGAIN;
}

/* Where the ABI has the argument that comes after so many integers and values on the stack. */
static int by_abi(struct place *p, unsigned integers, unsigned stacked)
{
	const struct convention *c = p->info->object->convention;

	if (integers < c->args_len) {
		p->read.base = (event_u8)integers;
		return 0;
	}
	p->read.base = READ_STACK;
	p->in_memory = true;
	p->read.steps[p->read.steps_len++] = (event_s32)(c->stack_args + 8 * stacked);
	return 0;
}

/* Counts one argument as the ABI does. False when that takes more than its type's kind. */
static bool count_argument(const struct convention *c, Dwarf_Die *type, unsigned *integers, unsigned *vectors,
			   unsigned *stacked)
{
	uint64_t size = type_size(type);
	bool floating = type_is_floating(type);
	unsigned *registers = floating ? vectors : integers;

	if (type_is_compound(type) || type_is_array(type) || size > 8)
		return false;
	if ((*registers)++ >= (floating ? 8u : c->args_len))
		(*stacked)++;
	return true;
}

static int find_argument(struct place *p, const char *name)
{
	const struct convention *c = p->info->object->convention;
	Dwarf_Die function = p->info->die, die, result;
	unsigned integers = 0, vectors = 0, stacked = 0;
	bool countable = !type_of(&function, &result) || !type_is_compound(&result);
	int err;

	if (dwarf_child(&function, &die))
		return fail(p, -ENOENT, "the function has no argument '%.64s'", name);
	do {
		const char *is = dwarf_diename(&die);

		if (dwarf_tag(&die) != DW_TAG_formal_parameter)
			continue;
		if (!type_of(&die, &p->type))
			return fail(p, -ENOTSUP, "arguments whose types are not described");
		if (is && strcmp(is, name) == 0) {
			err = by_location(p, &die);
			if (err != -EAGAIN)
				return err;
			if (!p->info->exact)
				return fail(p, -ENOTSUP, "'%.64s' was optimised away", name);
			if (type_is_floating(&p->type) && vectors < 8)
				return fail(p, -ENOTSUP, "in a vector register, which cannot be read");
			if (!countable || type_is_compound(&p->type) || type_size(&p->type) > 8)
				return fail(p, -ENOTSUP,
					    "where '%.64s' is depends on structs passed by value", name);
			return by_abi(p, type_is_floating(&p->type) ? c->args_len : integers, stacked);
		}
		countable &= count_argument(c, &p->type, &integers, &vectors, &stacked);
	} while (dwarf_siblingof(&die, &die) == 0);
	return fail(p, -ENOENT, "the function has no argument '%.64s'", name);
}

static int find_result(struct place *p)
{
	Dwarf_Die function = p->info->die;

	if (!type_of(&function, &p->type))
		return fail(p, -ENOENT, "the function returns nothing");
	p->read.base = READ_RESULT;
	p->read.at_return = true;
	if (type_is_floating(&p->type))
		return fail(p, -ENOTSUP, "returned in a vector register, which cannot be read");
	if (!type_is_compound(&p->type))
		return 0;
	if (type_size(&p->type) <= 16 || !p->info->object->convention->result_address)
		return fail(p, -ENOTSUP, "a struct that is returned in registers");
	return follow(p);
}

/* Takes an identifier off the text. */
static bool take_name(const char **text, char name[64])
{
	size_t n = 0;

	while (isalnum((unsigned char)(*text)[n]) || (*text)[n] == '_')
		n++;
	if (!n || n >= 64)
		return false;
	memcpy(name, *text, n);
	name[n] = '\0';
	*text += n;
	return true;
}

/* Takes ".name", "->name" or "[number]" off the text and goes there. */
static int step(struct place *p, const char **text)
{
	bool arrow = strncmp(*text, "->", 2) == 0;
	char name[64], *end;
	int64_t index;

	if (**text == '[') {
		index = strtol(*text + 1, &end, 10);
		if (end == *text + 1 || *end != ']' || index < 0 || index > INT32_MAX)
			return fail(p, -ENOENT, "in '[]' is a number");
		*text = end + 1;
		return go_to_element(p, index);
	}
	if (!arrow && **text != '.')
		return fail(p, -ENOENT, "'%.32s' is not understood", *text);
	*text += arrow ? 2 : 1;
	if (!take_name(text, name))
		return fail(p, -ENOENT, "after '%s' is a member's name", arrow ? "->" : ".");
	return go_to_member(p, name, arrow);
}

static int walk(struct place *p, const char *text)
{
	bool star = *text == '*';
	char name[64];
	int err;

	text += star;
	if (!take_name(&text, name))
		return fail(p, -ENOENT, "it starts with an argument's name or 'return'");
	err = strcmp(name, "return") == 0 ? find_result(p) : find_argument(p, name);
	while (!err && *text)
		err = step(p, &text);
	return !err && star ? dereference(p) : err;
}

static void string_value(struct place *p, uint64_t size, struct value *v)
{
	v->type = VALUE_STRING;
	p->read.string = true;
	p->read.size = size < READ_STRING_MAX ? (event_u32)size : READ_STRING_MAX;
}

/* Reads what the place holds. */
static int value_of(struct place *p, struct value *v)
{
	bool indirect = type_is_pointer(&p->type) || type_is_array(&p->type);
	Dwarf_Die target;
	uint64_t size;
	int err;

	if (indirect && type_of(&p->type, &target) && type_is_char(&target)) {
		size = type_is_array(&p->type) ? type_size(&p->type) : 0;
		if (type_is_pointer(&p->type) && (err = follow(p)))
			return err;
		/* A terminator is put where the room ends, so an array that is full needs one more. */
		string_value(p, size ? size + 1 : READ_STRING_MAX, v);
		return 0;
	}
	if (!p->in_memory && type_is_floating(&p->type))
		return fail(p, -ENOTSUP, "in a vector register, which cannot be read");
	err = type_scalar(&p->type, v, p->why);
	p->read.size = v->size;
	return err;
}

int function_read(const struct function_info *info, const char *expression, bool at_return,
		  struct read *ret_read, struct value *ret_value, char *why)
{
	struct place p = { .info = info, .read = { .at_return = at_return }, .why = why };
	int err;

	why[0] = '\0';
	err = walk(&p, expression);
	if (!err)
		err = value_of(&p, ret_value);
	if (!err)
		*ret_read = p.read;
	return err;
}

int function_result(const struct function_info *info, struct read *ret_read, struct value *ret_value,
		    char *why)
{
	struct place p = { .info = info, .why = why };
	int err = find_result(&p);

	if (!err && p.in_memory)
		err = fail(&p, -ENOTSUP, "a struct is no number");
	if (!err)
		err = type_scalar(&p.type, ret_value, why);
	if (!err)
		*ret_read = p.read;
	return err;
}

void function_arguments(const struct function_info *info, void (*see)(const char *name, void *arg), void *arg)
{
	Dwarf_Die function = info->die, die;

	if (dwarf_child(&function, &die))
		return;
	do {
		const char *name = dwarf_diename(&die);

		if (dwarf_tag(&die) == DW_TAG_formal_parameter && name)
			see(name, arg);
	} while (dwarf_siblingof(&die, &die) == 0);
}

static void put(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

static void put_declaration(Dwarf_Die *die, const char *name, char *text, size_t size)
{
	char type[TYPE_TEXT_MAX] = "void";
	Dwarf_Attribute attr;
	Dwarf_Die of;

	if (dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &of))
		type_text(&of, type, sizeof(type));
	put(text, size, type);
	put(text, size, type[0] && type[strlen(type) - 1] == '*' ? "" : " ");
	put(text, size, name ? name : "");
}

void function_prototype(const struct function_info *info, const char *name, char *text, size_t size)
{
	Dwarf_Die function = info->die, die;
	const char *separator = "";

	text[0] = '\0';
	put_declaration(&function, name, text, size);
	put(text, size, "(");
	if (dwarf_child(&function, &die) == 0)
		do {
			if (dwarf_tag(&die) != DW_TAG_formal_parameter)
				continue;
			put(text, size, separator);
			put_declaration(&die, dwarf_diename(&die), text, size);
			separator = ", ";
		} while (dwarf_siblingof(&die, &die) == 0);
	put(text, size, separator[0] ? ")" : "void)");
}

const char *function_file(const struct function_info *info, int *ret_line)
{
	Dwarf_Die function = info->die;

	*ret_line = 0;
	dwarf_decl_line(&function, ret_line);
	return dwarf_decl_file(&function);
}
