/* SPDX-License-Identifier: Apache-2.0 */
/* What the debug information says of a function, and how the values of its calls are read. */
#pragma once

#include "type.h"

struct function_info {
	const struct object *object;
	Dwarf_Die die;
	Dwarf_Addr entry; /* as the debug information counts */
	bool exact;       /* called from elsewhere: its arguments are where the ABI says */
};

/* Returns 0, or -ENODATA when there is no debug information of the function. */
int function_info(const struct object *object, const struct symbol *symbol, struct function_info *ret_info);

/*
 * How to read "user_id", "order->items[0].price", "return->order_id" or "*count" of a call. Returns 0;
 * -ENOENT when there is no such argument or member, -ENOTSUP when its value cannot be read; why
 * (TYPE_TEXT_MAX bytes) says more. The value's names are the caller's, even if it fails.
 */
int function_read(const struct function_info *info, const char *expression, bool at_return,
		  struct read *ret_read, struct value *ret_value, char *why);

/* The same for the result itself, as a number: a string's is its address. */
int function_result(const struct function_info *info, struct read *ret_read, struct value *ret_value,
		    char *why);

/* Calls see() with the name of each argument that has one. */
void function_arguments(const struct function_info *info, void (*see)(const char *name, void *arg),
			void *arg);

/* "int validate_user(const struct order *order, struct service *service)" */
void function_prototype(const struct function_info *info, const char *name, char *text, size_t size);

/* Where it was written; NULL: not said. Sets *ret_line. */
const char *function_file(const struct function_info *info, int *ret_line);
