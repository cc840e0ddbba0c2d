/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/block.h"

#include <stdlib.h>

#define BLOCK_LEN (1 << 20)

struct block {
	struct block *next;
	size_t used, len;
	_Alignas(max_align_t) char bytes[];
};

void *block_take(struct block **blocks, size_t len)
{
	struct block *b = *blocks;
	size_t room = len > BLOCK_LEN ? len : BLOCK_LEN;
	void *p;

	len = (len + 7) & ~(size_t)7;
	if (!b || b->len - b->used < len) {
		b = calloc(1, sizeof(*b) + room + 8);
		if (!b)
			return NULL;
		b->len = room + 8;
		b->next = *blocks;
		*blocks = b;
	}
	p = b->bytes + b->used;
	b->used += len;
	return p;
}

void block_free(struct block *blocks)
{
	while (blocks) {
		struct block *next = blocks->next;

		free(blocks);
		blocks = next;
	}
}
