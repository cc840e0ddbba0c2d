/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pointers by a 64-bit key: open addressing, room fixed at start-up. Several values may share a key
 * (their caller tells them apart). One thread only.
 */
#pragma once

#include <stdint.h>

struct table_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

struct table {
	struct table_slot *slots;
	uint32_t mask;
	uint32_t used;
	uint32_t limit;
};

/* Reserves room for limit entries. Returns 0 or -ENOMEM. */
int table_init(struct table *table, uint32_t limit);
void table_free(struct table *table);

/* The first value with this key, or NULL. */
void *table_get(const struct table *table, uint64_t key);

/* The value with this key for which is(value, arg) holds, or NULL. */
void *table_find(const struct table *table, uint64_t key, int (*is)(const void *value, const void *arg),
		 const void *arg);

/* Returns 0, or -ENOSPC when limit entries are in use. */
int table_put(struct table *table, uint64_t key, void *value);

/* Removes this very pair; nothing happens when it is not there. */
void table_remove(struct table *table, uint64_t key, const void *value);

/* Spreads the bits of a key; for keys that are made of several numbers. */
static inline uint64_t hash_mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}
