/* SPDX-License-Identifier: Apache-2.0 */
#include "trouble.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

/* From 0 to below 1: the N-th number of the SplitMix64 sequence of SEED, so threads share a counter and no
 * state. */
static double draw(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

bool trouble(const struct backend *backend)
{
	static atomic_uint_fast64_t requests;
	uint64_t n = 2 * atomic_fetch_add(&requests, 1);
	double delay_ms = backend->latency_ms + backend->jitter_ms * draw(backend->seed, n);
	struct timespec delay = { .tv_sec = (time_t)(delay_ms / 1000) };

	delay.tv_nsec = (long)((delay_ms - (double)delay.tv_sec * 1000) * 1000000);
	if (delay_ms > 0)
		while (nanosleep(&delay, &delay) && errno == EINTR)
			;
	return draw(backend->seed, n + 1) < backend->failure_rate;
}
