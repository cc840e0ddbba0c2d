/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal numbers in billionths: money and nanoseconds without the rounding of floating point. Magnitudes are
 * below 2^63; digits beyond the ninth behind the point are rounded, halves away from zero.
 */
#pragma once

#include <stdint.h>

#include "slice.h"

typedef __int128 fixed;

#define FIXED_DECIMALS 9
#define FIXED_ONE      ((fixed)1000000000)

/* A number as JSON writes it (RFC 8259 section 6). Returns 0, -EINVAL (it is none) or -ERANGE (too large). */
int fixed_parse(struct slice text, fixed *ret_number);

/* Returns 0 or -ERANGE: too large, infinite or not a number. */
int fixed_from_double(double number, fixed *ret_number);

/* In units of the last of `decimals` (0 to FIXED_DECIMALS) digits behind the point. Returns 0 or -ERANGE. */
int fixed_round(fixed number, unsigned decimals, int64_t *ret_units);

/* The remainder of a division that rounds down: 0 to divisor - 1. Returns 0 or -EDOM: not a whole number. */
int fixed_modulo(fixed number, uint32_t divisor, uint32_t *ret_remainder);

/* Bytes that fixed_put() writes at most. */
#define FIXED_TEXT_MAX 31

/* As text, without zeros at the end and without a terminator; returns the end of what it wrote. */
char *fixed_put(char *p, fixed number);
