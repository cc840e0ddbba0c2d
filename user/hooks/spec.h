/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --function asks for:
 *
 *	[OBJECT:]NAME[([ATTRIBUTE=]EXPRESSION [at return], ...)] [error if return COMPARISON VALUE [as errno]]
 */
#pragma once

#include "../function.h"

#define SPEC_ATTRIBUTES_MAX (READS_MAX - 1) /* one read is left for the result that the rule looks at */
#define SPEC_TEXT_MAX       128

struct spec_attribute {
	char name[64];
	char expression[SPEC_TEXT_MAX];
	bool at_return;
};

struct spec {
	char object[SPEC_TEXT_MAX]; /* a library or a source file; empty: the executable */
	char name[SPEC_TEXT_MAX];   /* of the function, or a glob; empty: it is given by its address */
	uint64_t address;           /* as the file's symbols count */
	struct spec_attribute attributes[SPEC_ATTRIBUTES_MAX];
	size_t attributes_len;
	struct error_rule rule; /* its read is not set */
};

/* Returns 0, or -EINVAL and in *ret_why (static) what is wrong. */
int spec_parse(const char *text, struct spec *ret_spec, const char **ret_why);
