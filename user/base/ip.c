/* SPDX-License-Identifier: Apache-2.0 */
#include "ip.h"

#include <sys/socket.h>

#include "decimal.h"
#include "slice.h"

#define GROUPS 8

static char *put_ipv4(char *p, const uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_decimal(p, ip[i]);
	}
	return p;
}

static char *put_group(char *p, unsigned group)
{
	static const char digits[] = "0123456789abcdef";

	for (int shift = 12; shift >= 0; shift -= 4)
		if (group >> shift || !shift)
			*p++ = digits[group >> shift & 15];
	return p;
}

/* The longest run of two or more zero groups, the first of equals: where it starts; *ret_len is 0 when none.
 */
static int longest_zeros(const unsigned *groups, int *ret_len)
{
	int best = 0, best_len = 0;

	for (int i = 0, len; i < GROUPS; i += len + 1) {
		for (len = 0; i + len < GROUPS && !groups[i + len];)
			len++;
		if (len > 1 && len > best_len) {
			best = i;
			best_len = len;
		}
	}
	*ret_len = best_len;
	return best;
}

static char *put_ipv6(char *p, const uint8_t *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned groups[GROUPS];
	int zeros, zeros_len;

	if (memcmp(ip, mapped, sizeof(mapped)) == 0)
		return put_ipv4(slice_put(p, SLICE("::ffff:")), ip + 12);
	for (int i = 0; i < GROUPS; i++)
		groups[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	zeros = longest_zeros(groups, &zeros_len);
	for (int i = 0; i < GROUPS; i++) {
		if (zeros_len && i == zeros) {
			*p++ = ':';
			i += zeros_len - 1;
			if (i == GROUPS - 1)
				*p++ = ':';
			continue;
		}
		if (i)
			*p++ = ':';
		p = put_group(p, groups[i]);
	}
	return p;
}

char *put_ip(char *p, int family, const uint8_t *ip)
{
	return family == AF_INET ? put_ipv4(p, ip) : put_ipv6(p, ip);
}
