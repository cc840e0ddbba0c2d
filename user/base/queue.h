/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of pointers for any number of threads at both ends, without locks (D. Vyukov's bounded MPMC
 * queue): so its producer can take the oldest out when it is full.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_cell {
	_Atomic size_t turn;
	void *value;
};

struct queue {
	struct queue_cell *cells;
	size_t mask;
	_Atomic size_t head __attribute__((aligned(64))); /* next to be taken */
	_Atomic size_t tail __attribute__((aligned(64))); /* next to be put */
};

/* len is a power of two. Returns 0 or -ENOMEM. */
int queue_init(struct queue *q, size_t len);
void queue_free(struct queue *q);

/* False when it is full, or empty. */
bool queue_put(struct queue *q, void *value);
bool queue_take(struct queue *q, void **ret_value);

/* Was everything taken that was put? A moment later it may be otherwise. */
static inline bool queue_is_empty(const struct queue *q)
{
	return atomic_load(&q->head) == atomic_load(&q->tail);
}
