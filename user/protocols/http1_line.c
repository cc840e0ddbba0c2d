/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_line.h"

#include <errno.h>
#include <string.h>

enum {
	TARGET = 1 << 0, /* what servers take in a target: all but white space and controls */
	TOKEN = 1 << 1,  /* RFC 9110 section 5.6.2 */
	TOKEN_TARGET = TOKEN | TARGET,
};

static const unsigned char char_class[256] = {
	['!'] = TOKEN_TARGET,          ['"'] = TARGET,
	['#' ... '\''] = TOKEN_TARGET, ['(' ... ')'] = TARGET,
	['*' ... '+'] = TOKEN_TARGET,  [','] = TARGET,
	['-' ... '.'] = TOKEN_TARGET,  ['/'] = TARGET,
	['0' ... '9'] = TOKEN_TARGET,  [':' ... '@'] = TARGET,
	['A' ... 'Z'] = TOKEN_TARGET,  ['[' ... ']'] = TARGET,
	['^' ... 'z'] = TOKEN_TARGET,  ['{'] = TARGET,
	['|'] = TOKEN_TARGET,          ['}'] = TARGET,
	['~'] = TOKEN_TARGET,          [0x80 ... 0xff] = TARGET,
};

int http1_read_number(struct slice s, unsigned base, uint64_t *ret_number)
{
	int64_t number = 0;

	if (s.len == 0)
		return -EPROTO;
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.p[i]);
		unsigned digit = (unsigned char)c - (http1_is_digit(c) ? '0' : 'a' - 10);

		if (!http1_is_hex(c) || digit >= base || __builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return -EPROTO;
	}
	*ret_number = (uint64_t)number;
	return 0;
}

enum guess http1_empty_lines(struct slice s, size_t *ret_len)
{
	enum guess guess;

	*ret_len = 0;
	do
		guess = http1_line_end(s, *ret_len, ret_len);
	while (guess == GUESS_YES);
	return guess;
}

size_t http1_head_end(struct slice s, size_t from)
{
	const char *lf;

	while ((lf = memchr(s.p + from, '\n', s.len - from))) {
		from = (size_t)(lf - s.p) + 1;
		if (http1_line_end(s, from, &from) == GUESS_YES)
			return from;
	}
	return 0;
}

static size_t skip_class(struct slice s, size_t at, unsigned char class)
{
	while (at < s.len && char_class[(unsigned char)s.p[at]] & class)
		at++;
	return at;
}

/* "HTTP/1." and a digit at *at, which is moved behind them. */
static enum guess read_version(struct slice s, size_t *at, struct http1_line *line)
{
	struct slice rest = slice_from(s, *at);
	struct slice prefix = SLICE("HTTP/1.");

	if (!slice_starts(rest, prefix))
		return slice_starts(prefix, rest) ? GUESS_MORE : GUESS_NO;
	if (rest.len == prefix.len)
		return GUESS_MORE;
	if (!http1_is_digit(rest.p[prefix.len]))
		return GUESS_NO;
	line->minor = rest.p[prefix.len] - '0';
	*at += prefix.len + 1;
	return GUESS_YES;
}

/* RFC 9112 section 3. */
static enum guess read_request_line(struct slice s, struct http1_line *line)
{
	size_t start, at = skip_class(s, 0, TOKEN);
	enum guess guess;

	if (at == s.len)
		return GUESS_MORE;
	if (at == 0 || s.p[at] != ' ')
		return GUESS_NO;
	line->method = (struct slice){ s.p, at };

	start = at + 1;
	at = skip_class(s, start, TARGET);
	line->target = (struct slice){ s.p + start, at - start };
	if (at == s.len)
		return GUESS_MORE;
	if (at == start || s.p[at] != ' ')
		return GUESS_NO;

	at++;
	guess = read_version(s, &at, line);
	return guess == GUESS_YES ? http1_line_end(s, at, &line->len) : guess;
}

/* RFC 9112 section 4; the reason may be missing, and the space before it too. */
static enum guess read_status_line(struct slice s, struct http1_line *line)
{
	size_t at = 0, digits;
	enum guess guess = read_version(s, &at, line);

	if (guess != GUESS_YES)
		return guess;
	if (at == s.len)
		return GUESS_MORE;
	if (s.p[at++] != ' ')
		return GUESS_NO;

	digits = at;
	while (at < s.len && at < digits + 3 && http1_is_digit(s.p[at]))
		at++;
	if (at > digits && s.p[digits] == '0')
		return GUESS_NO;
	if (at < digits + 3)
		return at == s.len ? GUESS_MORE : GUESS_NO;
	line->status = (s.p[digits] - '0') * 100 + (s.p[digits + 1] - '0') * 10 + (s.p[digits + 2] - '0');

	if (at < s.len && s.p[at] == ' ')
		while (at < s.len && ((unsigned char)s.p[at] >= ' ' || s.p[at] == '\t') && s.p[at] != 0x7f)
			at++;
	return http1_line_end(s, at, &line->len);
}

enum guess http1_read_line(enum flow flow, struct slice s, struct http1_line *ret_line)
{
	*ret_line = (struct http1_line){ 0 };
	return flow == FLOW_REQUEST ? read_request_line(s, ret_line) : read_status_line(s, ret_line);
}
