/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "decimal.h"
#include "utf8.h"

#define END_LEN 3 /* always kept free for "}}\n" */

static const char hex_digits[] = "0123456789abcdef";

void json_begin(struct json *j, char *buf, size_t size)
{
	*j = (struct json){ .buf = buf, .size = size - END_LEN, .len = 1 };
	buf[0] = '{';
}

static bool put(struct json *j, const char *p, size_t len)
{
	if (j->len + len > j->size)
		return false;
	memcpy(j->buf + j->len, p, len);
	j->len += len;
	return true;
}

static bool put_name(struct json *j, const char *name)
{
	return (j->buf[j->len - 1] == '{' || put(j, ",", 1)) && put(j, "\"", 1) &&
	       put(j, name, strlen(name)) && put(j, "\":", 2);
}

static bool is_plain(char c)
{
	return (unsigned char)c - 0x20U < 0x5f && c != '"' && c != '\\';
}

static bool put_escaped(struct json *j, struct slice s)
{
	for (size_t i = 0; i < s.len;) {
		size_t plain = i, n;
		char c;

		while (plain < s.len && is_plain(s.p[plain]))
			plain++;
		if (!put(j, s.p + i, plain - i))
			return false;
		i = plain;
		if (i == s.len)
			break;
		c = s.p[i];
		n = utf8_len(s.p + i, s.len - i);
		if (n > 1 ? !put(j, s.p + i, n)
		    : !n  ? !put(j, UTF8_REPLACEMENT, 3)
		    : c == '"' || c == '\\'
			    ? !put(j, (char[]){ '\\', c }, 2)
			    : !put(j, (char[]){ '\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15] },
				   6))
			return false;
		i += n ? n : 1;
	}
	return true;
}

void json_string(struct json *j, const char *name, struct slice value)
{
	size_t before = j->len;

	if (!put_name(j, name) || !put(j, "\"", 1) || !put_escaped(j, value) || !put(j, "\"", 1))
		j->len = before;
}

static void put_value(struct json *j, const char *name, const char *text, size_t len)
{
	size_t before = j->len;

	if (!put_name(j, name) || !put(j, text, len))
		j->len = before;
}

void json_number(struct json *j, const char *name, uint64_t value)
{
	char text[DECIMAL_MAX];

	put_value(j, name, text, (size_t)(put_decimal(text, value) - text));
}

void json_signed(struct json *j, const char *name, int64_t value)
{
	char text[DECIMAL_MAX + 1] = "-";
	char *end = put_decimal(text + (value < 0), value < 0 ? -(uint64_t)value : (uint64_t)value);

	put_value(j, name, text, (size_t)(end - text));
}

void json_double(struct json *j, const char *name, double value)
{
	char text[32];

	if (!isfinite(value)) {
		json_string(j, name,
			    isnan(value) ? SLICE("NaN")
			    : value > 0  ? SLICE("Infinity")
					 : SLICE("-Infinity"));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put_value(j, name, text, strlen(text));
}

bool json_open(struct json *j, const char *name)
{
	j->outer_len = j->len;
	if (put_name(j, name) && put(j, "{", 1))
		return true;
	j->len = j->outer_len;
	return false;
}

void json_close(struct json *j)
{
	if (j->buf[j->len - 1] == '{')
		j->len = j->outer_len;
	else
		j->buf[j->len++] = '}';
}

void json_ms(struct json *j, const char *name, uint64_t value_ns)
{
	char text[MS_MAX];

	put_value(j, name, text, (size_t)(put_ms(text, value_ns) - text));
}

void json_bool(struct json *j, const char *name, bool value)
{
	put_value(j, name, value ? "true" : "false", value ? 4 : 5);
}

void json_hex(struct json *j, const char *name, const uint8_t *bytes, size_t len)
{
	char text[2 + 64] = "\"", *p = text + 1;

	for (size_t i = 0; i < len && i < 32; i++) {
		*p++ = hex_digits[bytes[i] >> 4];
		*p++ = hex_digits[bytes[i] & 15];
	}
	*p++ = '"';
	put_value(j, name, text, (size_t)(p - text));
}

size_t json_end(struct json *j)
{
	j->buf[j->len++] = '}';
	j->buf[j->len++] = '\n';
	return j->len;
}
