/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/pool.h"
#include "body.h"
#include "stats.h"
#include "target.h"

static struct pool pool;

/* Export threads push what they drop last; the spine takes the whole stack, so there is no ABA. */
static _Atomic(struct work *) returned;

int work_init(uint32_t max)
{
	return pool_init(&pool, sizeof(struct work), max);
}

void work_fini(void)
{
	pool_free(&pool);
	atomic_store(&returned, NULL);
}

static void recycle(void)
{
	struct work *w = atomic_exchange_explicit(&returned, NULL, memory_order_acquire);

	while (w) {
		struct work *next = w->next;

		assert(!w->position_key && !w->request_id_key); /* no table knows it any more */
		process_unref(w->span.process);
		process_unref(w->peer_process);
		work_unref(w->request);
		bodies_release(w);
		pool_put(&pool, w);
		w = next;
	}
}

struct work *work_new(void)
{
	struct work *w;

	recycle();
	w = pool_get_raw(&pool);
	if (!w) {
		loss_add(DROP_spans_full, 1);
		return NULL;
	}
	/* Texts and attributes are most of it. */
	memset(w, 0, offsetof(struct span, attributes));
	memset((char *)w + sizeof(w->span), 0, sizeof(*w) - sizeof(w->span));
	atomic_init(&w->span.refs, 1);
	w->losses = losses;
	return w;
}

void span_ref(struct span *span)
{
	atomic_fetch_add_explicit(&span->refs, 1, memory_order_relaxed);
}

void span_unref(struct span *span)
{
	struct work *w = (struct work *)span;
	uint32_t before = atomic_fetch_sub_explicit(&span->refs, 1, memory_order_acq_rel);

	assert(before > 0);
	if (before > 1)
		return;
	w->next = atomic_load_explicit(&returned, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&returned, &w->next, w, memory_order_release,
						      memory_order_relaxed))
		;
}
