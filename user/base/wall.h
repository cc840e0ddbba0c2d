/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC times as wall-clock times. One thread each. */
#pragma once

#include <stdint.h>

#define WALL_TEXT_LEN 30 /* 2026-11-24T11:24:05.788123456Z */

struct wall {
	uint64_t offset_ns; /* from CLOCK_MONOTONIC to the Unix epoch */
	uint64_t second;    /* which the text is of */
	char text[WALL_TEXT_LEN + 1];
};

/* Compares the clocks: once for what is written together, since the wall clock may be set. */
void wall_sample(struct wall *wall);

/* Makes every later sample this one: for times that are to come out the same again. */
void wall_fix(uint64_t offset_ns);

static inline uint64_t wall_ns(const struct wall *wall, uint64_t monotonic_ns)
{
	return monotonic_ns + wall->offset_ns;
}

/* RFC 3339 in UTC with nanoseconds, terminated; valid until the next call. */
const char *wall_text(struct wall *wall, uint64_t monotonic_ns);
