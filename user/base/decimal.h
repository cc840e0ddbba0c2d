/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, without stdio and without a terminator; each returns the end of what it wrote. */
#pragma once

#include <stdint.h>

#define DECIMAL_MAX 20 /* bytes that any uint64_t takes */

char *put_decimal(char *p, uint64_t n);

/* The last `digits` digits, zeros in front. */
char *put_digits(char *p, uint64_t n, unsigned digits);

#define MS_MAX (DECIMAL_MAX + 1)

/* Milliseconds with six decimals: at most MS_MAX bytes. */
char *put_ms(char *p, uint64_t ns);
