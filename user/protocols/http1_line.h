/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of HTTP/1: RFC 9112 sections 2 to 4. None of these reads beyond s. */
#pragma once

#include "parser.h"

/* The line that a message starts with. */
struct http1_line {
	struct slice method;
	struct slice target;
	int status;
	int minor;  /* of HTTP/1.minor */
	size_t len; /* line end included; 0: incomplete */
};

/* RFC 9112 sections 3 and 4. GUESS_MORE: right as far as it goes; *ret_line holds the parts that were seen.
 */
enum guess http1_read_line(enum flow flow, struct slice s, struct http1_line *ret_line);

/* Steps over the empty lines that s starts with. GUESS_MORE: and all that follows may be one too. */
enum guess http1_empty_lines(struct slice s, size_t *ret_len);

/* Offset behind the first empty line that follows a line end at or after `from`; 0: there is none. */
size_t http1_head_end(struct slice s, size_t from);

/* All of s as a number, for lengths: -EPROTO when it is none or has more than 63 bits. */
int http1_read_number(struct slice s, unsigned base, uint64_t *ret_number);

static inline bool http1_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool http1_is_hex(char c)
{
	c = ascii_lower(c);
	return http1_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Is there a line end at `at`? Sets *ret_next to the offset behind it. LF alone: RFC 9112 section 2.2. */
static inline enum guess http1_line_end(struct slice s, size_t at, size_t *ret_next)
{
	if (at < s.len && s.p[at] == '\r')
		at++;
	if (at >= s.len)
		return GUESS_MORE;
	if (s.p[at] != '\n')
		return GUESS_NO;
	*ret_next = at + 1;
	return GUESS_YES;
}
