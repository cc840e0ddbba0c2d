/* SPDX-License-Identifier: Apache-2.0 */
#include "traceparent.h"

#include <errno.h>
#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex only, not all zeros (section 3.2.2.3). */
static int parse_id(const char *hex, uint8_t *id, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		id[i] = (uint8_t)(high << 4 | low);
		any |= id[i];
	}
	return any ? 0 : -EINVAL;
}

int traceparent_parse(struct slice value, uint8_t ret_trace_id[16], uint8_t ret_span_id[8])
{
	uint8_t trace_id[16], span_id[8];
	const char *p = value.p;

	/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may append "-..." */
	if (value.len < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return -EINVAL;
	for (int i = 0; i < 2; i++)
		if (hex_value(p[i]) < 0 || hex_value(p[53 + i]) < 0)
			return -EINVAL;
	if (p[0] == 'f' && p[1] == 'f')
		return -EINVAL;
	if (p[0] == '0' && p[1] == '0' ? value.len != 55 : value.len > 55 && p[55] != '-')
		return -EINVAL;
	if (parse_id(p + 3, trace_id, 16) || parse_id(p + 36, span_id, 8))
		return -EINVAL;
	memcpy(ret_trace_id, trace_id, 16);
	memcpy(ret_span_id, span_id, 8);
	return 0;
}
