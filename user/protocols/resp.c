/* SPDX-License-Identifier: Apache-2.0 */
#include "resp.h"

#include <string.h>

/* What the numbers may say. */
#define COUNT_MAX  INT32_MAX
#define LENGTH_MAX (1LL << 40)
#define CODE_MAX   32

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* -1 is the null of RESP2. */
static bool read_number(struct slice s, int64_t max, int64_t *ret_number)
{
	int64_t number = 0;

	if (slice_eq(s, SLICE("-1"))) {
		*ret_number = -1;
		return true;
	}
	if (s.len == 0 || s.len > 19)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]) || number > (max - (s.p[i] - '0')) / 10)
			return false;
		number = number * 10 + (s.p[i] - '0');
	}
	*ret_number = number;
	return true;
}

bool resp_is_aggregate(char type)
{
	return type && strchr("*~>%|", type);
}

bool resp_is_string(char type)
{
	return type && strchr("$=!", type);
}

bool resp_is_error(char type)
{
	return type == '-' || type == '!';
}

/* The types whose value is their line: any text without a line end in it. */
static bool is_plain(char type)
{
	return type && strchr("+-:,#_(", type);
}

/* Reads the line that an element starts with. GUESS_MORE: right as far as it goes. */
enum guess resp_read(struct slice s, struct resp_header *ret_header)
{
	bool string = resp_is_string(s.p[0]), number = string || resp_is_aggregate(s.p[0]);
	size_t max = number ? RESP_NUMBER_LINE_MAX : RESP_LINE_MAX;
	struct slice part = { s.p, s.len < max ? s.len : max };
	const char *lf = memchr(part.p, '\n', part.len), *cr = memchr(part.p, '\r', part.len);

	if (!number && !is_plain(s.p[0]))
		return GUESS_NO;
	ret_header->type = s.p[0];
	ret_header->number = 0;
	if (!lf)
		return part.len < max && (!cr || cr == part.p + part.len - 1) ? GUESS_MORE : GUESS_NO;
	if (cr != lf - 1)
		return GUESS_NO;
	ret_header->line = (struct slice){ s.p + 1, (size_t)(cr - s.p) - 1 };
	ret_header->len = ret_header->line.len + 3;
	if (number && !read_number(ret_header->line, string ? LENGTH_MAX : COUNT_MAX, &ret_header->number))
		return GUESS_NO;
	return GUESS_YES;
}

uint64_t resp_elements(const struct resp_header *h)
{
	uint64_t n = h->number > 0 && resp_is_aggregate(h->type) ? (uint64_t)h->number : 0;

	return h->type == '%' || h->type == '|' ? 2 * n : n;
}

uint64_t resp_string_len(const struct resp_header *h)
{
	return h->number < 0 || !resp_is_string(h->type) ? 0 : (uint64_t)h->number + 2;
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
