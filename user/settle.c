/* SPDX-License-Identifier: Apache-2.0 */
#include "settle.h"

#include "base/random.h"
#include "cause.h"
#include "stats.h"
#include "target.h"

#define DEPTH_MAX 128 /* spans above one another that are looked through for the top one */

static const uint64_t wait_ns[WAITS] = { 100000000, 150000000, 5000000000 };

static struct {
	struct work *first, *last; /* in the order of settle_by_ns */
} unsettled[WAITS];

static struct work *done, **done_end = &done;

_Atomic uint64_t link_checked[EVIDENCES][LINK_CHECKS];

/* Is this work among those above w, or too much above it to tell? */
static bool is_above(const struct work *above, const struct work *w)
{
	for (int depth = 0; depth < DEPTH_MAX; depth++, w = w->parent) {
		if (w == above)
			return true;
		if (!w->parent)
			return false;
	}
	return true;
}

void settle_parent(struct work *w, struct work *parent, enum evidence evidence)
{
	/* A call is below the function that made it, if that is called for the same request. */
	if (w->within && w->within->request == parent)
		parent = w->within;
	/* What a request has caused cannot have caused it. */
	if (is_above(w, parent))
		return;
	work_ref(parent);
	w->parent = parent;
	w->span.evidence = evidence;
}

void settle_wait(struct work *w, enum wait wait)
{
	if (w->unsettled_listed)
		return;
	w->settle_by_ns = w->span.start_ns + wait_ns[wait];
	w->unsettled_list = wait;
	w->unsettled_prev = unsettled[wait].last;
	*(w->unsettled_prev ? &w->unsettled_prev->unsettled_next : &unsettled[wait].first) = w;
	unsettled[wait].last = w;
	w->unsettled_listed = true;
	work_ref(w);
}

static void unsettled_remove(struct work *w)
{
	if (!w->unsettled_listed)
		return;
	*(w->unsettled_prev ? &w->unsettled_prev->unsettled_next : &unsettled[w->unsettled_list].first) =
		w->unsettled_next;
	*(w->unsettled_next ? &w->unsettled_next->unsettled_prev : &unsettled[w->unsettled_list].last) =
		w->unsettled_prev;
	w->unsettled_listed = false;
	w->unsettled_next = w->unsettled_prev = NULL;
	work_unref(w);
}

/* Settles w if what is above it is settled. Returns the work that it hangs on, NULL when settled. */
static struct work *top_unsettled(struct work *w)
{
	struct work *top = w;

	while (!top->settled && top->parent)
		top = top->parent;
	if (!top->settled)
		return top;
	for (; !w->settled; w = w->parent) {
		memcpy(w->span.trace_id, top->span.trace_id, 16);
		w->settled = true;
	}
	return NULL;
}

static void finish_settled(struct work *w)
{
	*done_end = w;
	w->next = NULL;
	done_end = &w->next;
}

void settle_finished(struct work *w)
{
	struct work *top = top_unsettled(w);

	if (!top) {
		finish_settled(w);
		return;
	}
	if (!top->waiters)
		top->waiters_end = &top->waiters;
	w->next = NULL;
	*top->waiters_end = w;
	top->waiters_end = &w->next;
}

void settle(struct work *w)
{
	struct work *waiters = w->waiters;

	w->waiters = NULL;
	if (!w->parent && !w->settled) {
		if (!w->has_header)
			random_bytes(w->span.trace_id, 16);
		if (w->span.kind == SPAN_CLIENT) {
			stat_add(STAT_parents_unknown, 1);
			atomic_fetch_add_explicit(&cause_undecided[w->undecided], 1, memory_order_relaxed);
		}
		w->settled = true;
	}
	unsettled_remove(w);
	while (waiters) {
		struct work *next = waiters->next;

		settle_finished(waiters);
		waiters = next;
	}
}

void settle_check(const struct work *call, const struct work *above)
{
	const struct work *parent = work_request((struct work *)above);
	enum link_check result = LINK_UNKNOWN;

	if (!call->has_header || (parent && !parent->has_header))
		return;
	if (parent)
		result = memcmp(call->header_trace_id, parent->header_trace_id, 16) ? LINK_WRONG : LINK_RIGHT;
	atomic_fetch_add_explicit(&link_checked[call->span.evidence][result], 1, memory_order_relaxed);
}

bool settle_tick(uint64_t now_ns, void (*expire)(struct work *w))
{
	bool waits = false;

	for (int i = 0; i < WAITS; i++) {
		while (unsettled[i].first && unsettled[i].first->settle_by_ns <= now_ns)
			expire(unsettled[i].first);
		waits |= unsettled[i].first != NULL;
	}
	return waits;
}

/* The id that the request came with, else one that all spans of its trace on this host share. */
static void set_request_id(struct work *w)
{
	static const char hex[] = "0123456789abcdef";
	const struct work *top = w;
	struct slice id = { 0 };
	char text[16];

	for (int depth = 0; depth < DEPTH_MAX && !id.len; depth++) {
		id = span_text(&top->span, TEXT_REQUEST_ID);
		if (!top->parent)
			break;
		top = top->parent;
	}
	for (int i = 0; i < 8 && !id.len; i++) {
		text[2 * i] = hex[top->span.span_id[i] >> 4];
		text[2 * i + 1] = hex[top->span.span_id[i] & 15];
	}
	span_set_text(&w->span, TEXT_REQUEST_ID, id.len ? id : (struct slice){ text, sizeof(text) });
}

static void complete(struct work *w)
{
	struct span *span = &w->span;

	if (w->parent) {
		span->has_parent = span->parent_local = true;
		memcpy(span->parent_id, w->parent->span.span_id, 8);
	} else if (w->has_header && span->kind == SPAN_SERVER) {
		span->has_parent = true;
		memcpy(span->parent_id, w->header_span_id, 8);
	}
	if (span_text(span, TEXT_REQUEST_ID).len == 0)
		set_request_id(w);
	if (w->peer_process)
		span_set_text(span, TEXT_PEER_SERVICE, slice_of(w->peer_process->service));
}

void settle_flush(void (*sink)(struct span *span))
{
	while (done) {
		struct work *w = done;

		done = w->next;
		if (!w->hidden) {
			complete(w);
			stat_add(STAT_spans, 1);
			stat_add(STAT_spans_incomplete, w->span.incomplete);
			sink(&w->span);
		} else {
			stat_add(STAT_spans_hidden, 1);
		}
		work_unref(w->parent);
		work_unref(w->supposed);
		work_unref(w->within);
		w->supposed = w->within = NULL;
		w->parent = NULL;
		work_unref(w);
	}
	done_end = &done;
}
