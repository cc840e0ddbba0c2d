/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int queue_init(struct queue *q, size_t len)
{
	q->cells = calloc(len, sizeof(*q->cells));
	if (!q->cells)
		return -ENOMEM;
	q->mask = len - 1;
	for (size_t i = 0; i < len; i++)
		atomic_init(&q->cells[i].turn, i);
	atomic_init(&q->head, 0);
	atomic_init(&q->tail, 0);
	return 0;
}

void queue_free(struct queue *q)
{
	free(q->cells);
	q->cells = NULL;
}

/* Claims the cell whose turn is `ahead` past *at; NULL when it is another's turn still. */
static struct queue_cell *claim(struct queue *q, _Atomic size_t *at, size_t ahead, size_t *ret_at)
{
	size_t pos = atomic_load_explicit(at, memory_order_relaxed);

	for (;;) {
		struct queue_cell *cell = &q->cells[pos & q->mask];
		intptr_t diff =
			(intptr_t)(atomic_load_explicit(&cell->turn, memory_order_acquire) - (pos + ahead));

		if (diff < 0)
			return NULL;
		if (diff == 0 && atomic_compare_exchange_weak_explicit(
					 at, &pos, pos + 1, memory_order_relaxed, memory_order_relaxed)) {
			*ret_at = pos;
			return cell;
		}
		if (diff > 0)
			pos = atomic_load_explicit(at, memory_order_relaxed);
	}
}

bool queue_put(struct queue *q, void *value)
{
	size_t pos;
	struct queue_cell *cell = claim(q, &q->tail, 0, &pos);

	if (!cell)
		return false;
	cell->value = value;
	atomic_store_explicit(&cell->turn, pos + 1, memory_order_release);
	return true;
}

bool queue_take(struct queue *q, void **ret_value)
{
	size_t pos;
	struct queue_cell *cell = claim(q, &q->head, 1, &pos);

	if (!cell)
		return false;
	*ret_value = cell->value;
	atomic_store_explicit(&cell->turn, pos + q->mask + 1, memory_order_release);
	return true;
}
