/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given out piece by piece and freed at once. */
#pragma once

#include <stddef.h>

struct block;

/* len bytes, zeroed, aligned for pointers and 64-bit numbers; NULL: out of memory. */
void *block_take(struct block **blocks, size_t len);
void block_free(struct block *blocks);
