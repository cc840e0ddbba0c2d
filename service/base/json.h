/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* The largest integer that a JSON number (a double) holds exactly: 2^53. */
#define JSON_INTEGER_MAX 9007199254740992

/* Parses one JSON text (RFC 8259) of LEN bytes, text[len] == 0. NULL if it is not JSON or not UTF-8. */
cJSON *json_parse(const char *text, size_t len);

/* The string member NAME of an object, owned by it; NULL if there is none. */
const char *json_text(const cJSON *object, const char *name);

/* Reads a whole number from MIN to MAX, both within +-JSON_INTEGER_MAX. -EINVAL if VALUE (or NULL) is not
 * one. */
int json_integer(const cJSON *value, int64_t min, int64_t max, int64_t *ret);

/* {"error": TEXT}; the caller's. */
cJSON *json_error(const char *text);

static inline void json_cleanup(cJSON **json)
{
	cJSON_Delete(*json);
}
#define JSON_CLEANUP __attribute__((cleanup(json_cleanup)))
