/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Bytes that somebody else owns: not terminated, may hold any value, NUL included. */
struct slice {
	const char *p;
	size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline struct slice slice_of(const char *s)
{
	return (struct slice){ s, s ? strlen(s) : 0 };
}

/* Copies s to p, where there is room, and returns the end of the copy. */
static inline char *slice_put(char *p, struct slice s)
{
	if (s.len)
		memcpy(p, s.p, s.len);
	return p + s.len;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ASCII only: header names and tokens are ASCII (RFC 9110 section 5.1). */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* For names, in which no NUL can be: what comes after one in both is not compared. The locale is C. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0;
}

/* The part of s from byte `from` on; empty when from is past the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
	if (from > s.len)
		from = s.len;
	return (struct slice){ s.p + from, s.len - from };
}
