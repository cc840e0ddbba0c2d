/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#define SEGMENTS_MAX 10 /* of a route; deeper paths end in "..." */

/* ASCII only, whatever the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	c = ascii_lower(c);
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_alnum(char c)
{
	return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static bool is_uuid(struct slice s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s.p[i] != '-' : hex_value(s.p[i]) < 0)
			return false;
	return true;
}

/* Numbers, long hexadecimal strings, and long tokens with several digits. */
static bool is_id(struct slice s)
{
	size_t digits = 0, hex = 0;

	for (size_t i = 0; i < s.len; i++)
		digits += is_digit(s.p[i]);
	if (digits == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		hex += hex_value(s.p[i]) >= 0 || s.p[i] == '-';
	return digits == s.len || (hex == s.len && s.len >= 8) || (s.len >= 20 && digits >= 4) ||
	       memchr(s.p, '@', s.len);
}

static size_t append(char *buf, size_t size, size_t at, struct slice s)
{
	if (at + s.len > size)
		return at;
	memcpy(buf + at, s.p, s.len);
	return at + s.len;
}

size_t route_of(struct slice path, char *buf, size_t size)
{
	size_t at = 0, from = 0, segments = 0;

	if (!path.len)
		return append(buf, size, 0, SLICE("/"));
	while (from < path.len) {
		const char *slash = memchr(path.p + from, '/', path.len - from);
		size_t end = slash ? (size_t)(slash - path.p) : path.len;
		struct slice segment = { path.p + from, end - from };

		if (segments++ == SEGMENTS_MAX)
			return append(buf, size, at, SLICE("..."));
		if (is_uuid(segment))
			segment = SLICE("{uuid}");
		else if (is_id(segment))
			segment = SLICE("{id}");
		if (at + segment.len + 1 > size)
			return at;
		at = append(buf, size, at, segment);
		if (slash)
			at = append(buf, size, at, SLICE("/"));
		from = end + 1;
	}
	return at;
}

/* The name without percent-encoding and with only its letters and digits, lower-case. */
static size_t plain_name(struct slice name, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && n < size; i++) {
		char c = name.p[i];

		if (c == '%' && i + 2 < name.len) {
			int high = hex_value(name.p[i + 1]), low = hex_value(name.p[i + 2]);

			if (high >= 0 && low >= 0) {
				c = (char)(high * 16 + low);
				i += 2;
			}
		}
		if (is_alnum(c))
			buf[n++] = ascii_lower(c);
	}
	return n;
}

static bool is_secret(struct slice name)
{
	static const char *const words[] = { "token",      "passw",  "passwd",    "secret",
					     "signature",  "apikey", "accesskey", "privatekey",
					     "credential", "auth",   "session",   "jwt" };
	static const char *const whole[] = { "key", "sig", "pwd", "pass", "pin", "code", "sid" };
	char plain[64];
	size_t n = plain_name(name, plain, sizeof(plain));

	if (n == sizeof(plain)) /* what is longer was not looked at */
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(plain, n, words[i], strlen(words[i])))
			return true;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (n == strlen(whole[i]) && memcmp(plain, whole[i], n) == 0)
			return true;
	return false;
}

/*
 * Where the value of the first secret in this part of a query starts, 0: there is none. Some servers take ';'
 * for a separator too.
 */
static size_t secret_value(struct slice part)
{
	for (size_t from = 0, end; from < part.len; from = end + 1) {
		const char *semicolon = memchr(part.p + from, ';', part.len - from), *eq;

		end = semicolon ? (size_t)(semicolon - part.p) : part.len;
		eq = memchr(part.p + from, '=', end - from);
		if (eq && is_secret((struct slice){ part.p + from, (size_t)(eq - part.p) - from }))
			return (size_t)(eq + 1 - part.p);
	}
	return 0;
}

size_t redact_query(struct slice query, char *buf, size_t size)
{
	size_t at = 0, from = 0;

	while (from < query.len) {
		const char *amp = memchr(query.p + from, '&', query.len - from);
		size_t end = amp ? (size_t)(amp - query.p) : query.len;
		struct slice part = { query.p + from, end - from };
		size_t secret = secret_value(part);

		if (secret) {
			if (at + secret + 8 > size)
				return at;
			at = append(buf, size, at, (struct slice){ part.p, secret });
			at = append(buf, size, at, SLICE("REDACTED"));
		} else if (at + part.len > size) {
			return append(buf, size, at, (struct slice){ part.p, size - at });
		} else {
			at = append(buf, size, at, part);
		}
		if (amp)
			at = append(buf, size, at, SLICE("&"));
		from = end + 1;
	}
	return at;
}
