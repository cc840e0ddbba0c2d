/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdio.h>

#define END_LEN 2 /* always kept free for "}\n" */

void json_begin(struct json *j, char *buf, size_t size)
{
	*j = (struct json){ buf, size - END_LEN, 1 };
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
	return (j->len == 1 || put(j, ",", 1)) && put(j, "\"", 1) && put(j, name, strlen(name)) &&
	       put(j, "\":", 2);
}

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80                   ? 1
		   : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		   : (p[0] & 0xf0) == 0xe0       ? 3
		   : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool put_escaped(struct json *j, struct slice s)
{
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = utf8_len((const unsigned char *)s.p + i, s.len - i);
		char escape[8];

		if (c == '"' || c == '\\') {
			if (!put(j, (char[]){ '\\', (char)c }, 2))
				return false;
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			if (!put(j, escape, 6))
				return false;
		} else if (!put(j, n ? s.p + i : "\xef\xbf\xbd", n ? n : 3)) {
			return false;
		}
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

static void put_value(struct json *j, const char *name, const char *text)
{
	size_t before = j->len;

	if (!put_name(j, name) || !put(j, text, strlen(text)))
		j->len = before;
}

void json_number(struct json *j, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_value(j, name, text);
}

void json_ms(struct json *j, const char *name, uint64_t value_ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(value_ns / 1000000),
		 (unsigned long long)(value_ns % 1000000));
	put_value(j, name, text);
}

void json_bool(struct json *j, const char *name, bool value)
{
	put_value(j, name, value ? "true" : "false");
}

void json_hex(struct json *j, const char *name, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[64];

	for (size_t i = 0; i < len && i < 32; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	json_string(j, name, (struct slice){ text, 2 * len });
}

size_t json_end(struct json *j)
{
	j->buf[j->len++] = '}';
	j->buf[j->len++] = '\n';
	return j->len;
}
