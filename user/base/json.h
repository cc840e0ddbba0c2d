/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes one JSON object into a caller's buffer; what does not fit is left out, field by field. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct json {
	char *buf;
	size_t size;
	size_t len;
	size_t outer_len; /* before the object within */
};

/* Starts an object; size must be at least 16. */
void json_begin(struct json *j, char *buf, size_t size);

/* Strings become valid UTF-8 whatever their bytes: what is not is U+FFFD. Names are written as they are. */
void json_string(struct json *j, const char *name, struct slice value);
void json_number(struct json *j, const char *name, uint64_t value);
void json_ms(struct json *j, const char *name, uint64_t value_ns);
void json_signed(struct json *j, const char *name, int64_t value);

/* The shortest digits that give the same value; what is not finite is a string, "NaN", "Infinity". */
void json_double(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);

/* At most 32 bytes, as lower-case hexadecimal digits. */
void json_hex(struct json *j, const char *name, const uint8_t *bytes, size_t len);

/*
 * An object in the object, one level: the fields until json_close() are its own. Left out when it is empty.
 * False when there is no room for it; it is not to be closed then.
 */
bool json_open(struct json *j, const char *name);
void json_close(struct json *j);

/* Ends the object with "}\n". Returns its length. */
size_t json_end(struct json *j);
