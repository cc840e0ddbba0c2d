/* SPDX-License-Identifier: Apache-2.0 */
#include "fixed.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "decimal.h"

#define LIMIT        ((unsigned __int128)1 << 63) /* that no magnitude reaches */
#define EXPONENT_MAX 1000000                      /* beyond it, it does not matter how much */

/* What the grammar finds in a number. */
struct parts {
	bool negative;
	struct slice whole, fraction; /* digits */
	int64_t exponent;
};

static struct slice take_digits(struct slice *text)
{
	struct slice digits = { text->p, 0 };

	while (digits.len < text->len && text->p[digits.len] >= '0' && text->p[digits.len] <= '9')
		digits.len++;
	*text = slice_from(*text, digits.len);
	return digits;
}

static bool take(struct slice *text, char c)
{
	if (!text->len || text->p[0] != c)
		return false;
	*text = slice_from(*text, 1);
	return true;
}

static int take_exponent(struct slice *text, int64_t *ret_exponent)
{
	bool negative = take(text, '-');
	struct slice digits;
	int64_t exponent = 0;

	if (!negative)
		take(text, '+');
	digits = take_digits(text);
	if (!digits.len)
		return -EINVAL;
	for (size_t i = 0; i < digits.len && exponent < EXPONENT_MAX; i++)
		exponent = exponent * 10 + (digits.p[i] - '0');
	*ret_exponent = negative ? -exponent : exponent;
	return 0;
}

static int split(struct slice text, struct parts *ret_parts)
{
	struct parts parts = { .negative = take(&text, '-') };

	parts.whole = take_digits(&text);
	if (!parts.whole.len || (parts.whole.len > 1 && parts.whole.p[0] == '0'))
		return -EINVAL;
	if (take(&text, '.') && !(parts.fraction = take_digits(&text)).len)
		return -EINVAL;
	if ((take(&text, 'e') || take(&text, 'E')) && take_exponent(&text, &parts.exponent))
		return -EINVAL;
	*ret_parts = parts;
	return text.len ? -EINVAL : 0;
}

int fixed_parse(struct slice text, fixed *ret_number)
{
	unsigned __int128 n = 0, limit = LIMIT * FIXED_ONE;
	struct parts parts;
	int64_t digits, wanted;

	if (split(text, &parts))
		return -EINVAL;
	digits = (int64_t)(parts.whole.len + parts.fraction.len);
	wanted = (int64_t)parts.whole.len + parts.exponent + FIXED_DECIMALS;
	for (int64_t i = 0; i < digits && i <= wanted; i++) {
		size_t at = (size_t)i;
		unsigned digit = (unsigned)((at < parts.whole.len ? parts.whole.p[at]
								  : parts.fraction.p[at - parts.whole.len]) -
					    '0');

		n = i < wanted ? n * 10 + digit : n + (digit >= 5);
		if (n >= limit)
			return -ERANGE;
	}
	for (int64_t i = digits; i < wanted && n; i++)
		if ((n *= 10) >= limit)
			return -ERANGE;
	*ret_number = parts.negative ? -(fixed)n : (fixed)n;
	return 0;
}

int fixed_from_double(double number, fixed *ret_number)
{
	/* A long double holds the product to the last billionth as far as a double has billionths. */
	if (!(fabs(number) < 0x1p63))
		return -ERANGE;
	*ret_number = (fixed)roundl((long double)number * FIXED_ONE);
	return 0;
}

int fixed_round(fixed number, unsigned decimals, int64_t *ret_units)
{
	fixed unit = 1, half, units;

	for (unsigned i = decimals; i < FIXED_DECIMALS; i++)
		unit *= 10;
	half = number < 0 ? -(unit / 2) : unit / 2;
	units = (number + half) / unit;
	if (units > INT64_MAX || units < -INT64_MAX)
		return -ERANGE;
	*ret_units = (int64_t)units;
	return 0;
}

int fixed_modulo(fixed number, uint32_t divisor, uint32_t *ret_remainder)
{
	fixed remainder;

	if (number % FIXED_ONE)
		return -EDOM;
	remainder = number / FIXED_ONE % divisor;
	*ret_remainder = (uint32_t)(remainder < 0 ? remainder + divisor : remainder);
	return 0;
}

char *fixed_put(char *p, fixed number)
{
	unsigned __int128 n = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
	uint64_t fraction = (uint64_t)(n % FIXED_ONE);
	unsigned digits = FIXED_DECIMALS;

	if (number < 0)
		*p++ = '-';
	p = put_decimal(p, (uint64_t)(n / FIXED_ONE));
	if (!fraction)
		return p;
	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	*p++ = '.';
	return put_digits(p, fraction, digits);
}
