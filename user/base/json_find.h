/* SPDX-License-Identifier: Apache-2.0 */
/* Finds one value in a JSON text (RFC 8259) without building a tree: no allocation, no recursion, any bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define JSON_DEPTH_MAX 64 /* arrays and objects in one another */
#define JSON_PATH_MAX  8
#define JSON_NAME_MAX  64 /* bytes of a name in a path */

/* From the outermost value on: members of objects by name, elements of arrays by number. */
struct json_path {
	struct slice names[JSON_PATH_MAX];
	size_t len; /* 0: the outermost value itself */
};

enum json_type {
	JSON_NULL,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_type type;
	struct slice text; /* of a number or, between its quotes, of a string */
	uint32_t len;      /* elements or members */
};

/*
 * Reads all of text. Returns 0, -ENOENT (there is no such value), -EINVAL (not JSON), -EOVERFLOW (deeper than
 * JSON_DEPTH_MAX), or -ENOTUNIQ (an object on the path has the name twice: which one counts is not defined).
 */
int json_find(struct slice text, const struct json_path *path, struct json_value *ret_value);

/*
 * Writes a string's characters to buf, escapes resolved; half a surrogate pair is U+FFFD. Returns how many
 * bytes they are; more than size: only the first ones were written, up to a whole character.
 */
size_t json_unescape(struct slice text, char *buf, size_t size);
