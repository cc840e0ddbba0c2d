/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/pool.h"
#include "base/table.h"
#include "conn.h"
#include "hold.h"
#include "settle.h"

#define HELD_MAX 256 /* calls of a context that wait */

struct context {
	uint32_t id;
	uint64_t created_ns;                        /* 0: not known */
	struct context *from, *copies, *next, **at; /* in the list of its copies */
	struct context *newer, *older;              /* by when they were used last */
	struct held held;
	uint64_t answered_sock; /* the connection on which requests are answered in it; 0: none yet */
	uint64_t answered_ns;   /* when that began last */
	bool many;              /* it answers requests that others have opened meanwhile */
};

static struct pool pool;
static struct table by_id;
static struct context *newest, *oldest;

int contexts_init(void)
{
	int err = pool_init(&pool, sizeof(struct context), CONTEXTS_MAX);

	newest = oldest = NULL;
	return err ? err : table_init(&by_id, CONTEXTS_MAX);
}

void contexts_fini(void)
{
	table_free(&by_id);
	pool_free(&pool);
}

static void unlink_use(struct context *c)
{
	*(c->newer ? &c->newer->older : &newest) = c->older;
	*(c->older ? &c->older->newer : &oldest) = c->newer;
}

static void link_use(struct context *c)
{
	c->newer = NULL;
	c->older = newest;
	*(newest ? &newest->newer : &oldest) = c;
	newest = c;
}

static void unlink_from(struct context *c)
{
	if (!c->from)
		return;
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->from = NULL;
}

static void link_from(struct context *c, struct context *from)
{
	c->from = from;
	c->next = from->copies;
	if (c->next)
		c->next->at = &c->next;
	c->at = &from->copies;
	from->copies = c;
}

/* What waits in it was made for r, NULL: nobody knows for whom. */
static void decide_held(struct context *c, struct work *r)
{
	struct work *next;

	for (struct work *call = hold_take_all(&c->held); call; call = next) {
		next = call->held_next;
		call->context = NULL;
		hold_decide(call, r, EVIDENCE_CONTEXT);
	}
}

static void forget(struct context *c)
{
	decide_held(c, NULL);
	while (c->copies)
		unlink_from(c->copies);
	unlink_from(c);
	unlink_use(c);
	table_remove(&by_id, c->id, c);
	pool_put(&pool, c);
}

static struct context *context_get(uint32_t id)
{
	struct context *c = table_get(&by_id, id);

	if (c) {
		unlink_use(c);
		link_use(c);
		return c;
	}
	if (!(c = pool_get(&pool))) {
		forget(oldest);
		c = pool_get(&pool);
	}
	c->id = id;
	table_put(&by_id, id, c);
	link_use(c);
	return c;
}

void context_event(const struct event_context *e)
{
	struct context *c, *from;

	if (!e->id)
		return;
	c = context_get(e->id);
	c->created_ns = e->created_ns;
	for (int i = 0; i < CONTEXT_DEPTH && e->from[i] && !c->from; i++, c = from) {
		from = context_get(e->from[i]);
		link_from(c, from);
	}
}

bool context_is_known(const struct conn *conn)
{
	return conn->context && table_get(&by_id, conn->context);
}

bool context_hold(struct work *call)
{
	struct context *c = call->conn->context ? table_get(&by_id, call->conn->context) : NULL;

	if (!c || call->conn->sampled || c->held.len == HELD_MAX)
		return false;
	hold_push(&c->held, call);
	call->context = c;
	settle_wait(call, WAIT_ANSWER);
	return true;
}

/*
 * Is it for r, and for nobody else, that this context works since r came in? It is when it was created after
 * that and answers r first, or when it answers one request of a connection after the other.
 */
static bool works_for(const struct context *c, const struct work *r)
{
	if (c->many || r->conn->pending_len > 1 || r->conn->sampled)
		return false;
	if (c->answered_sock)
		return c->answered_sock == r->conn->sock && c->answered_ns <= r->span.start_ns;
	return c->created_ns >= r->span.start_ns;
}

/*
 * Decides what waits in a context and in its copies, which are none from then on: what they go on to do is
 * not for who is answered next.
 */
static void decide_all(struct context *c, struct work *r)
{
	struct context *copy;

	decide_held(c, r);
	while ((copy = c->copies)) {
		unlink_from(copy);
		decide_held(copy, r);
		while (copy->copies) {
			struct context *of_copy = copy->copies;

			unlink_from(of_copy);
			link_from(of_copy, c);
		}
	}
}

void context_answer(struct work *r, uint64_t now_ns)
{
	struct context *c = r->conn && r->conn->context ? table_get(&by_id, r->conn->context) : NULL;

	if (!c)
		return;
	decide_all(c, works_for(c, r) ? r : NULL);
	c->many |=
		c->answered_sock && (c->answered_sock != r->conn->sock || c->answered_ns > r->span.start_ns);
	c->answered_sock = r->conn->sock;
	c->answered_ns = now_ns;
}

void context_expire(struct work *call)
{
	if (hold_take(&call->context->held, call)) {
		call->context = NULL;
		hold_decide(call, NULL, EVIDENCE_UNKNOWN);
	}
}
