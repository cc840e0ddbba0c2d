/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

static uint32_t home(const struct table *table, uint64_t key)
{
	return (uint32_t)(hash_mix(0, key) >> 32) & table->mask;
}

int table_init(struct table *table, uint32_t limit)
{
	uint32_t slots = 16;
	void *memory;

	while (slots < limit * 2)
		slots *= 2;
	memory = mmap(NULL, slots * sizeof(struct table_slot), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, slots * sizeof(struct table_slot), MADV_NOHUGEPAGE);
	*table = (struct table){ .slots = memory, .mask = slots - 1, .limit = limit };
	return 0;
}

void table_free(struct table *table)
{
	if (table->slots)
		munmap(table->slots, ((size_t)table->mask + 1) * sizeof(struct table_slot));
	*table = (struct table){ 0 };
}

static int any(const void *value, const void *arg)
{
	(void)value, (void)arg;
	return 1;
}

void *table_find(const struct table *table, uint64_t key, int (*is)(const void *value, const void *arg),
		 const void *arg)
{
	for (uint32_t i = home(table, key); table->slots[i].value; i = (i + 1) & table->mask)
		if (table->slots[i].key == key && is(table->slots[i].value, arg))
			return table->slots[i].value;
	return NULL;
}

void *table_get(const struct table *table, uint64_t key)
{
	return table_find(table, key, any, NULL);
}

int table_put(struct table *table, uint64_t key, void *value)
{
	uint32_t i = home(table, key);

	if (table->used >= table->limit)
		return -ENOSPC;
	while (table->slots[i].value)
		i = (i + 1) & table->mask;
	table->slots[i] = (struct table_slot){ key, value };
	table->used++;
	return 0;
}

void table_remove(struct table *table, uint64_t key, const void *value)
{
	uint32_t hole = home(table, key), i;

	while (table->slots[hole].value &&
	       !(table->slots[hole].key == key && table->slots[hole].value == value))
		hole = (hole + 1) & table->mask;
	if (!table->slots[hole].value)
		return;
	/* Close the gap, so that no entry becomes unreachable from its home. */
	for (i = (hole + 1) & table->mask; table->slots[i].value; i = (i + 1) & table->mask) {
		uint32_t from_home = (i - home(table, table->slots[i].key)) & table->mask;

		if (from_home >= ((i - hole) & table->mask)) {
			table->slots[hole] = table->slots[i];
			hole = i;
		}
	}
	table->slots[hole].value = NULL;
	table->used--;
}
