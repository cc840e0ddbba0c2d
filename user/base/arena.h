/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given back all at once. */
#pragma once

#include "slice.h"

struct arena {
	struct arena_block *blocks;
};

/* size zeroed bytes; NULL: no memory. */
void *arena_get(struct arena *arena, size_t size);

/* A terminated copy; NULL: no memory. */
char *arena_copy(struct arena *arena, struct slice text);

void arena_free(struct arena *arena);
