/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with what it needs to be included before it, and what several tests share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void check_slice(struct slice got, const char *expected)
{
	if (!slice_eq(got, slice_of(expected)))
		fail_msg("expected \"%s\", got \"%.*s\"", expected, (int)got.len, got.p);
}

/* The end of len readable bytes: what lies behind them is not mapped. */
static inline char *guarded_end(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (len + page - 1) / page * page;
	char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + size, page, PROT_NONE), 0);
	return map + size;
}

/* A generator of its own, so that a seed gives the same run everywhere (Marsaglia's xorshift64*). */
static inline uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dULL;
}

static inline uint32_t draw_below(uint64_t *seed, uint32_t n)
{
	return (uint32_t)((draw(seed) >> 32) * n >> 32);
}
