/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

static uint64_t state[4];

int random_init(void)
{
	if (getrandom(state, sizeof(state), 0) != (ssize_t)sizeof(state))
		return -errno;
	state[0] |= 1; /* all zeros would stay so */
	return 0;
}

void random_seed(const uint64_t seed[4])
{
	memcpy(state, seed, sizeof(state));
}

const uint64_t *random_state(void)
{
	return state;
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* xoshiro256++, Blackman and Vigna, 2019. */
static uint64_t next(void)
{
	uint64_t result = rotl(state[0] + state[3], 23) + state[0], t = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= t;
	state[3] = rotl(state[3], 45);
	return result;
}

void random_bytes(void *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t r = next();

		memcpy((char *)bytes + at, &r, len - at < sizeof(r) ? len - at : sizeof(r));
	}
}
