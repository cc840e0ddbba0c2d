/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/table.h"
#include "stats.h"

#define LEAVES_MAX (TRACE_SPANS_MAX / 4 * 3) /* the rest is for what is above them */
#define TOP_MAX    64                        /* spans above a waiting one that are looked for */

/* The waiting spans of one trace id. */
struct group {
	uint8_t trace_id[16];
	uint32_t held;
	uint32_t missing;
};

/* A span whose parent has not come yet. */
struct held {
	struct trace_node node; /* first */
	uint64_t since_ns;
	struct group *group;
	struct held *older, *newer; /* all, as they came */
	struct held *sibling,
		*sibling_last; /* those with the same parent, as they came; last: of the first */
};

struct traces {
	trace_sink sink;
	void *ctx;
	uint32_t spans_max;
	uint64_t lost_ns; /* the end of the last span that is known to have been dropped; 0: none was */

	struct pool held;
	struct held *oldest, *newest;
	struct table by_parent; /* id → the first that waits for it */
	struct pool groups;
	struct table by_trace;
	struct held **order; /* children that are being sorted */

	uint64_t *passed; /* the spans that were handed over last */
	size_t passed_len;
	struct table by_passed;
};

int traces_new(uint32_t spans_max, trace_sink sink, void *ctx, struct traces **ret)
{
	struct traces *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct traces){ .sink = sink, .ctx = ctx, .spans_max = spans_max };
	t->order = calloc(spans_max, sizeof(struct held *));
	t->passed = calloc(spans_max, sizeof(*t->passed));
	if (!t->order || !t->passed || pool_init(&t->held, sizeof(struct held), spans_max) ||
	    pool_init(&t->groups, sizeof(struct group), spans_max) || table_init(&t->by_parent, spans_max) ||
	    table_init(&t->by_trace, spans_max) || table_init(&t->by_passed, spans_max)) {
		traces_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

static uint64_t id_of(const uint8_t *id)
{
	uint64_t key;

	memcpy(&key, id, sizeof(key));
	return key;
}

static int is_group(const void *value, const void *arg)
{
	const struct group *g = value;

	return memcmp(g->trace_id, arg, sizeof(g->trace_id)) == 0;
}

static struct group *group_find(const struct traces *t, const struct span *span)
{
	return table_find(&t->by_trace, id_of(span->trace_id), is_group, span->trace_id);
}

/* There is one for each waiting span at most, for which there is room. */
static struct group *group_get(struct traces *t, const struct span *span)
{
	struct group *g = group_find(t, span);

	if (g)
		return g;
	g = pool_get(&t->groups);
	memcpy(g->trace_id, span->trace_id, sizeof(g->trace_id));
	table_put(&t->by_trace, id_of(g->trace_id), g);
	return g;
}

static void hold(struct traces *t, struct span *span, uint64_t now_ns)
{
	uint64_t parent = id_of(span->parent_id);
	struct held *h = pool_get(&t->held), *first = table_get(&t->by_parent, parent);

	h->node.span = span;
	h->since_ns = now_ns;
	h->group = group_get(t, span);
	h->group->held++;
	span_ref(span);
	h->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = h;
	t->newest = h;
	if (first)
		first->sibling_last = first->sibling_last->sibling = h;
	else if (table_put(&t->by_parent, parent, h) == 0)
		h->sibling_last = h;
}

/* Waits no more, but is still among its siblings. Returns how many spans of its trace are newly missing. */
static uint32_t let_go(struct traces *t, struct held *h)
{
	struct group *g = h->group;
	uint32_t missing = g->missing;

	*(h->older ? &h->older->newer : &t->oldest) = h->newer;
	*(h->newer ? &h->newer->older : &t->newest) = h->older;
	g->missing = 0;
	if (--g->held == 0) {
		table_remove(&t->by_trace, id_of(g->trace_id), g);
		pool_put(&t->groups, g);
	}
	return missing;
}

static void leave_siblings(struct traces *t, struct held *h)
{
	uint64_t parent = id_of(h->node.span->parent_id);
	struct held *first = table_get(&t->by_parent, parent), *before = first;

	if (first == h) {
		table_remove(&t->by_parent, parent, h);
		if (!h->sibling)
			return;
		h->sibling->sibling_last = h->sibling_last;
		table_put(&t->by_parent, parent, h->sibling);
		return;
	}
	while (before->sibling != h)
		before = before->sibling;
	before->sibling = h->sibling;
	if (first->sibling_last == h)
		first->sibling_last = before;
}

/* The topmost waiting span above the oldest one: what ended first is the deepest of its tree. */
static struct held *top_of_oldest(const struct traces *t)
{
	struct held *top = t->oldest;

	for (int depth = 0; depth < TOP_MAX; depth++) {
		struct held *h = t->oldest;

		while (h && memcmp(h->node.span->span_id, top->node.span->parent_id,
				   sizeof(h->node.span->span_id)))
			h = h->newer;
		if (!h)
			break;
		top = h;
	}
	return top;
}

static bool was_passed(const struct traces *t, const uint8_t id[8])
{
	return table_get(&t->by_passed, id_of(id));
}

static void remember_passed(struct traces *t, const struct span *span)
{
	uint64_t *slot = &t->passed[t->passed_len++ % t->spans_max];

	if (t->passed_len > t->spans_max)
		table_remove(&t->by_passed, *slot, slot);
	*slot = id_of(span->span_id);
	table_put(&t->by_passed, *slot, slot);
}

static int by_start(const void *a, const void *b)
{
	const struct span *one = (*(struct held *const *)a)->node.span,
			  *other = (*(struct held *const *)b)->node.span;

	return (one->start_ns > other->start_ns) - (one->start_ns < other->start_ns);
}

/* Hangs what waits for a span below it, and so on. Adds to the trace what that says. */
static void grow(struct traces *t, struct trace_node *node, struct trace *trace)
{
	uint64_t id = id_of(node->span->span_id);
	struct held *h = table_get(&t->by_parent, id);
	struct trace_node **end = &node->child;
	size_t n = 0;

	remember_passed(t, node->span);
	stat_add(STAT_trace_spans_passed, 1);
	trace->losses |= node->span->losses;
	if (h)
		table_remove(&t->by_parent, id, h);
	for (; h; h = h->sibling) {
		trace->missing += let_go(t, h);
		t->order[n++] = h;
	}
	qsort(t->order, n, sizeof(struct held *), by_start);
	for (size_t i = 0; i < n; i++, end = &(*end)->next)
		*end = &t->order[i]->node;
	for (struct trace_node *child = node->child; child; child = child->next)
		grow(t, child, trace);
}

static void give_back(struct traces *t, struct trace_node *node)
{
	while (node) {
		struct trace_node *next = node->next;

		give_back(t, node->child);
		span_unref(node->span);
		pool_put(&t->held, node);
		node = next;
	}
}

static void pass(struct traces *t, struct trace_node *top, enum trace_top above, uint32_t missing)
{
	struct trace trace = {
		.top = top, .above = above, .missing = missing, .losses = top->span->start_ns <= t->lost_ns
	};

	grow(t, top, &trace);
	t->sink(t->ctx, &trace);
	give_back(t, top->child);
}

/* Gives up waiting for what is above the oldest. */
static void pass_oldest(struct traces *t)
{
	struct held *h = top_of_oldest(t);

	leave_siblings(t, h);
	pass(t, &h->node, TRACE_ORPHAN, let_go(t, h));
	h->node.child = NULL;
	give_back(t, &h->node);
}

/* What is above others is worth more than one more of them. */
static bool is_room(const struct traces *t, const struct span *span)
{
	const struct group *g = group_find(t, span);
	bool above = table_get(&t->by_parent, id_of(span->span_id));

	return !g || g->held < (above ? TRACE_SPANS_MAX : LEAVES_MAX);
}

void traces_add(struct traces *t, struct span *span, uint64_t now_ns)
{
	struct trace_node top = { .span = span };

	stat_add(STAT_trace_spans, 1);
	if (!span->parent_local) {
		pass(t, &top, TRACE_ROOT, 0);
	} else if (was_passed(t, span->parent_id)) {
		pass(t, &top, TRACE_LATE, 0);
	} else if (is_room(t, span)) {
		if (t->held.used == t->spans_max)
			pass_oldest(t);
		hold(t, span, now_ns);
	} else {
		group_find(t, span)->missing++;
		drop_add(DROP_trace_full, 1);
	}
}

void traces_tick(struct traces *t, uint64_t now_ns)
{
	uint64_t before_ns = now_ns > TRACE_WAIT_NS ? now_ns - TRACE_WAIT_NS : 0;

	while (t->oldest && t->oldest->since_ns <= before_ns)
		pass_oldest(t);
}

size_t traces_waiting(const struct traces *t)
{
	return t->held.used;
}

void traces_lost(struct traces *t, uint64_t end_ns)
{
	if (end_ns > t->lost_ns)
		t->lost_ns = end_ns;
}

void traces_free(struct traces *t)
{
	for (struct held *h = t->oldest; h; h = h->newer)
		span_unref(h->node.span);
	pool_free(&t->held);
	pool_free(&t->groups);
	table_free(&t->by_parent);
	table_free(&t->by_trace);
	table_free(&t->by_passed);
	free(t->order);
	free(t->passed);
	free(t);
}
