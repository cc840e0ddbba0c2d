/* SPDX-License-Identifier: Apache-2.0 */
#include "decimal.h"

char *put_digits(char *p, uint64_t n, unsigned digits)
{
	for (unsigned i = digits; i--; n /= 10)
		p[i] = (char)('0' + n % 10);
	return p + digits;
}

char *put_decimal(char *p, uint64_t n)
{
	unsigned digits = 1;

	for (uint64_t rest = n / 10; rest; rest /= 10)
		digits++;
	return put_digits(p, n, digits);
}

char *put_ms(char *p, uint64_t ns)
{
	p = put_decimal(p, ns / 1000000);
	*p++ = '.';
	return put_digits(p, ns % 1000000, 6);
}
