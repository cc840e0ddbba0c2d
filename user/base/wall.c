/* SPDX-License-Identifier: Apache-2.0 */
#include "wall.h"

#include <stdbool.h>
#include <time.h>

#include "decimal.h"

#define SECOND_NS    1000000000ULL
#define FRACTION_LEN 10 /* 123456789Z */

static uint64_t read_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint64_t fixed_ns;
static bool fixed;

void wall_fix(uint64_t offset_ns)
{
	fixed_ns = offset_ns;
	fixed = true;
}

void wall_sample(struct wall *wall)
{
	wall->offset_ns = fixed ? fixed_ns : read_ns(CLOCK_REALTIME) - read_ns(CLOCK_MONOTONIC);
}

const char *wall_text(struct wall *wall, uint64_t monotonic_ns)
{
	uint64_t ns = wall_ns(wall, monotonic_ns);
	time_t second = (time_t)(ns / SECOND_NS);
	struct tm tm;

	if (!wall->text[0] || (uint64_t)second != wall->second) {
		gmtime_r(&second, &tm);
		strftime(wall->text, sizeof(wall->text), "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
		wall->second = (uint64_t)second;
	}
	put_digits(wall->text + WALL_TEXT_LEN - FRACTION_LEN, ns % SECOND_NS, 9);
	return wall->text;
}
