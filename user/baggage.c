/* SPDX-License-Identifier: Apache-2.0 */
#include "baggage.h"

#include <errno.h>
#include <string.h>

#define MEMBERS_MAX 8
#define MEMBER_MAX  64
#define VALUE_MAX   128

static char members[MEMBERS_MAX][MEMBER_MAX];
static size_t members_len;

/* Of a name, which is a token (RFC 9110 section 5.6.2). */
static const char token[] = "!#$%&'*+-.^_`|~0123456789"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

int baggage_select(const char *names)
{
	members_len = 0;
	for (size_t n = 0;; n++) {
		size_t len = strspn(names, token);

		if (!len || (names[len] && names[len] != ',') || len >= MEMBER_MAX || n == MEMBERS_MAX)
			return -EINVAL;
		memcpy(members[n], names, len);
		members[n][len] = '\0';
		if (!names[len]) {
			members_len = n + 1;
			return 0;
		}
		names += len + 1;
	}
}

static struct slice trim(struct slice s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cuts off and returns what comes before the separator. */
static struct slice cut(struct slice *s, char separator)
{
	const char *at = memchr(s->p, separator, s->len);
	struct slice before = { s->p, at ? (size_t)(at - s->p) : s->len };

	*s = slice_from(*s, before.len + (at != NULL));
	return before;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is no percent-encoding stays as it is. */
static size_t decode(struct slice s, char buf[VALUE_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && n < VALUE_MAX; i++) {
		int high = s.p[i] == '%' && i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;

		buf[n++] = low >= 0 ? (char)(high << 4 | low) : s.p[i];
		i += low >= 0 ? 2 : 0;
	}
	return n;
}

void baggage_read(struct span *span, struct slice header)
{
	char value[VALUE_MAX];

	while (members_len && header.len) {
		struct slice member = cut(&header, ','), text = cut(&member, ';'),
			     name = trim(cut(&text, '='));

		text = trim(text);
		for (size_t i = 0; i < members_len; i++)
			if (slice_eq(name, slice_of(members[i])))
				span_add_text_attribute(span, members[i],
							(struct slice){ value, decode(text, value) },
							VALUE_MAX);
	}
}
