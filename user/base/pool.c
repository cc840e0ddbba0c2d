/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

int pool_init(struct pool *pool, size_t object_size, uint32_t capacity)
{
	size_t size = (object_size + 63) & ~(size_t)63;
	void *memory = mmap(NULL, size * capacity, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	/* A huge page would make the first object cost 2 MiB. */
	madvise(memory, size * capacity, MADV_NOHUGEPAGE);
	*pool = (struct pool){ .memory = memory, .object_size = size, .capacity = capacity };
	return 0;
}

void pool_free(struct pool *pool)
{
	if (pool->memory) {
		ASAN_UNPOISON_MEMORY_REGION(pool->memory, pool->object_size * pool->touched);
		munmap(pool->memory, pool->object_size * pool->capacity);
	}
	*pool = (struct pool){ 0 };
}

void pool_trim(struct pool *pool)
{
	size_t size = pool->object_size * pool->touched;

	if (pool->used || !size)
		return;
	ASAN_UNPOISON_MEMORY_REGION(pool->memory, size);
	madvise(pool->memory, size, MADV_DONTNEED);
	pool->touched = 0;
	pool->free = NULL;
}

void *pool_get_raw(struct pool *pool)
{
	void *object = pool->free;

	if (object) {
		memcpy(&pool->free, object, sizeof(pool->free));
		ASAN_UNPOISON_MEMORY_REGION(object, pool->object_size);
	} else if (pool->touched < pool->capacity) {
		object = pool->memory + pool->object_size * pool->touched++;
	} else {
		return NULL;
	}
	pool->used++;
	return object;
}

void *pool_get(struct pool *pool)
{
	bool fresh = !pool->free; /* the kernel has zeroed it */
	void *object = pool_get_raw(pool);

	return fresh ? object : memset(object, 0, pool->object_size);
}

void pool_put(struct pool *pool, void *object)
{
	memcpy(object, &pool->free, sizeof(pool->free));
	ASAN_POISON_MEMORY_REGION((char *)object + sizeof(pool->free),
				  pool->object_size - sizeof(pool->free));
	pool->free = object;
	pool->used--;
}
