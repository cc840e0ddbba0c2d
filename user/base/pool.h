/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of one size out of memory that is reserved once and touched only as far as it is used:
 * the last object returned is the next one handed out, so an idle pool costs no RSS.
 * One thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pool {
	char *memory;
	size_t object_size;
	uint32_t capacity;
	uint32_t touched; /* objects that were ever handed out */
	uint32_t used;
	void *free; /* list through the first bytes of returned objects */
};

/* Reserves room for capacity objects of object_size bytes. Returns 0 or -ENOMEM. */
int pool_init(struct pool *pool, size_t object_size, uint32_t capacity);
void pool_free(struct pool *pool);

/* Gives the memory back when no object is in use; else does nothing. */
void pool_trim(struct pool *pool);

/* An object, zeroed; NULL when all are in use. */
void *pool_get(struct pool *pool);

/* The same, but with whatever it held before. */
void *pool_get_raw(struct pool *pool);
void pool_put(struct pool *pool, void *object);
