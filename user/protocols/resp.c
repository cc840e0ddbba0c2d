/* SPDX-License-Identifier: Apache-2.0 */
#include "resp.h"

#include <string.h>

/* What the numbers may say. */
#define COUNT_MAX  INT32_MAX
#define LENGTH_MAX (1LL << 40)
#define CODE_MAX   32

enum {
	AGGREGATE = 1 << 0,
	STRING = 1 << 1,
	ERROR = 1 << 2,
	PLAIN = 1 << 3, /* the value is the line: any text without a line end in it */
};

static const unsigned char types[256] = {
	['*'] = AGGREGATE,     ['~'] = AGGREGATE, ['>'] = AGGREGATE, ['%'] = AGGREGATE,
	['|'] = AGGREGATE,     ['$'] = STRING,    ['='] = STRING,    ['!'] = STRING | ERROR,
	['-'] = PLAIN | ERROR, ['+'] = PLAIN,     [':'] = PLAIN,     [','] = PLAIN,
	['#'] = PLAIN,         ['_'] = PLAIN,     ['('] = PLAIN,
};

static bool is(char type, unsigned char what)
{
	return types[(unsigned char)type] & what;
}

bool resp_is_error(char type)
{
	return is(type, ERROR);
}

/* A line of digits, or the "-1" that is the null of RESP2. */
static enum guess read_number_line(struct slice s, int64_t max, struct resp_header *ret_header)
{
	bool null = s.len > 1 && s.p[1] == '-';
	size_t at = null ? 2 : 1, from = at;
	int64_t number = 0;

	for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
		if (number > (max - (s.p[at] - '0')) / 10 || at == RESP_NUMBER_LINE_MAX - 2)
			return GUESS_NO;
		number = number * 10 + (s.p[at] - '0');
	}
	if (at == s.len)
		return GUESS_MORE;
	if (at == from || s.p[at] != '\r' || (null && (number != 1 || at != from + 1)))
		return GUESS_NO;
	if (at + 1 == s.len)
		return GUESS_MORE;
	if (s.p[at + 1] != '\n')
		return GUESS_NO;
	ret_header->line = (struct slice){ s.p + 1, at - 1 };
	ret_header->len = at + 2;
	ret_header->number = null ? -1 : number;
	return GUESS_YES;
}

static enum guess read_text_line(struct slice s, struct resp_header *ret_header)
{
	struct slice part = { s.p, s.len < RESP_LINE_MAX ? s.len : RESP_LINE_MAX };
	const char *lf = memchr(part.p, '\n', part.len);
	const char *cr = memchr(part.p, '\r', lf ? (size_t)(lf - part.p) : part.len);

	if (!lf)
		return part.len < RESP_LINE_MAX && (!cr || cr == part.p + part.len - 1) ? GUESS_MORE
											: GUESS_NO;
	if (!cr || cr != lf - 1)
		return GUESS_NO;
	ret_header->line = (struct slice){ s.p + 1, (size_t)(cr - s.p) - 1 };
	ret_header->len = ret_header->line.len + 3;
	ret_header->number = 0;
	return GUESS_YES;
}

enum guess resp_read(struct slice s, struct resp_header *ret_header)
{
	ret_header->type = s.p[0];
	if (is(s.p[0], PLAIN))
		return read_text_line(s, ret_header);
	if (is(s.p[0], STRING | AGGREGATE))
		return read_number_line(s, is(s.p[0], STRING) ? LENGTH_MAX : COUNT_MAX, ret_header);
	return GUESS_NO;
}

uint64_t resp_elements(const struct resp_header *h)
{
	uint64_t n = h->number > 0 && is(h->type, AGGREGATE) ? (uint64_t)h->number : 0;

	return h->type == '%' || h->type == '|' ? 2 * n : n;
}

uint64_t resp_string_len(const struct resp_header *h)
{
	return h->number < 0 || !is(h->type, STRING) ? 0 : (uint64_t)h->number + 2;
}

struct slice resp_error_code(struct slice s)
{
	size_t len = 0;

	while (len < s.len && len < CODE_MAX && ((s.p[len] >= 'A' && s.p[len] <= 'Z') || s.p[len] == '_'))
		len++;
	if (len < s.len && s.p[len] != ' ' && s.p[len] != '\r')
		len = 0;
	return (struct slice){ s.p, len };
}
