/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "slice.h"

/* Drawn at random, so that nobody who chooses the bytes can make two hashes equal. */
struct hash_key {
	uint64_t seed, factor; /* odd */
};

static inline uint64_t hash_word(const struct hash_key *key, uint64_t hash, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)(hash ^ word) * key->factor;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Length and bytes. */
static inline uint64_t hash_slice(const struct hash_key *key, uint64_t hash, struct slice s)
{
	uint64_t word;

	hash = hash_word(key, hash, s.len);
	for (; s.len >= sizeof(word); s = slice_from(s, sizeof(word))) {
		memcpy(&word, s.p, sizeof(word));
		hash = hash_word(key, hash, word);
	}
	for (word = 0; s.len; s.len--)
		word = word << 8 | (unsigned char)s.p[s.len - 1];
	return hash_word(key, hash, word);
}
