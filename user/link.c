/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include "base/random.h"
#include "base/table.h"
#include "cause.h"
#include "conn.h"
#include "context.h"
#include "end.h"
#include "function.h"
#include "hold.h"
#include "settle.h"
#include "stats.h"
#include "traceparent.h"

static struct table by_request_id; /* open requests with an id of their own, by process and id */
static struct table by_position; /* requests on TCP connections, by the stream positions of both directions */
static uint32_t first_netns;
static bool many_netns; /* addresses may be translated between the ends of a connection */

int links_init(uint32_t max)
{
	int err;

	first_netns = 0;
	many_netns = false;
	if ((err = causes_init(max)) || (err = contexts_init()) || (err = table_init(&by_request_id, max)))
		return err;
	return table_init(&by_position, max);
}

void links_fini(void)
{
	table_free(&by_position);
	table_free(&by_request_id);
	contexts_fini();
	causes_fini();
}

/*
 * The same at both ends: of TCP by the sequence numbers of both directions, of a unix socket, whose positions
 * many have, by the server's end. 0: there is none.
 */
static uint64_t position_key(const struct work *w)
{
	const struct conn *c = w->conn, *server = w->span.kind == SPAN_SERVER ? c : end_other(c);
	const struct stream *back = &c->streams[!c->request_dir];

	if (c->pending_len > 1)
		return 0;
	if (c->local.family == AF_UNIX)
		return server ? hash_mix(hash_mix(2, w->request_pos), server->sock) : 0;
	return back->positioned ? hash_mix(hash_mix(1, w->request_pos), back->next_pos) : 0;
}

static void forget_position(struct work *w)
{
	if (w->position_key)
		table_remove(&by_position, w->position_key, w);
	w->position_key = 0;
}

static int is_other_kind(const void *value, const void *arg)
{
	const struct work *a = value, *b = arg;

	return a->span.kind != b->span.kind && !a->joined && a->conn != b->conn;
}

/* The request at the other end of the connection, which starts at the same stream position there. */
static struct work *find_other_end(const struct work *w)
{
	const struct conn *peer = end_other(w->conn);
	struct work *other = peer ? peer->pending : NULL;

	while (other && (other->request_pos != w->request_pos || other->span.kind == w->span.kind))
		other = other->pending;
	/* Addresses may be translated on the way; the sequence numbers of both directions stay. */
	if (!other && w->position_key)
		other = table_find(&by_position, w->position_key, is_other_kind, w);
	return other;
}

static void join(struct work *server, struct work *client)
{
	if (server->joined || server->settled)
		return;
	server->joined = client->joined = true;
	server->peer_process = client->span.process;
	if (server->peer_process)
		process_ref(server->peer_process);
	if (!client->peer_process && server->span.process) {
		client->peer_process = server->span.process;
		process_ref(client->peer_process);
	}
	/* A header names the caller's own span; one that was only passed on names somebody further up. */
	if (!server->has_header || client->forwarded)
		settle_parent(server, client, EVIDENCE_SOCKET);
	settle(server);
	if (server->finished)
		forget_position(server);
}

static uint64_t request_id_key(const struct work *w)
{
	struct slice id = span_text(&w->span, TEXT_REQUEST_ID);
	uint64_t h = hash_mix(w->span.pid, id.len);

	for (size_t i = 0; i < id.len; i++)
		h = hash_mix(h, (unsigned char)id.p[i]);
	return id.len ? h | 1 : 0;
}

static int has_same_request_id(const void *value, const void *arg)
{
	const struct work *a = value, *b = arg;

	return a->span.pid == b->span.pid &&
	       slice_eq(span_text(&a->span, TEXT_REQUEST_ID), span_text(&b->span, TEXT_REQUEST_ID));
}

static void request_served(struct work *w)
{
	struct work *client = find_other_end(w);

	cause_opened(w);
	w->request_id_key = request_id_key(w);
	if (w->request_id_key && table_put(&by_request_id, w->request_id_key, w))
		w->request_id_key = 0;
	if (w->has_header)
		w->span.evidence = EVIDENCE_TRACEPARENT;
	if (client)
		join(w, client);
	else if (end_other(w->conn) || many_netns)
		settle_wait(w, WAIT_JOIN);
	else
		settle(w);
}

/* Takes over the call that the connection was opened for. */
static struct work *take_connect_for(struct conn *c)
{
	struct work *r = c->connect_for;

	if (!r)
		return NULL;
	c->connect_for = NULL;
	cause_call_ended(r);
	return r;
}

/* The request that a call is made for. */
static struct verdict find_parent(struct work *w)
{
	struct conn *c = w->conn;
	enum evidence opened_by = c->connect_evidence;
	struct work *opened_for = take_connect_for(c), *named;
	struct verdict v = cause_of(c);
	uint64_t key = request_id_key(w);

	named = key ? table_find(&by_request_id, key, has_same_request_id, w) : NULL;
	if (named) {
		w->span.contradicted = v.request && v.request != named;
		stat_add(STAT_link_contradictions, w->span.contradicted);
		v = (struct verdict){ .request = named, .evidence = EVIDENCE_REQUEST_ID };
	} else if (c->client && !c->called &&
		   (v.evidence == EVIDENCE_TURN || (v.evidence == EVIDENCE_WAKEUP && c->turn_over) ||
		    (!v.request && opened_for))) {
		/* The turn in which a connection is ready is not that of the request that it was opened for.
		 */
		v = (struct verdict){ .evidence = opened_by ? opened_by : EVIDENCE_TURN,
				      .reason = UNDECIDED_opening };
		if (opened_for && !opened_for->finished)
			*(opened_by ? &v.request : &v.maybe) = opened_for;
		if (v.maybe)
			v.reason = c->told ? UNDECIDED_others : UNDECIDED_order;
	}
	c->called = true;
	if (opened_for)
		work_unref(opened_for);
	return v;
}

/* A connection is ready in the turn of anybody: what counts is whose it was when it was opened. */
static struct work *take_supposed(struct conn *c)
{
	struct work *r = c->supposed;

	c->supposed = NULL;
	return r;
}

/* Keeps a call without a parent if one may be proven by what comes after. */
static bool hold(struct work *w, const struct verdict *v)
{
	w->undecided = v->reason;
	if (context_hold(w))
		return true;
	/* What its thread does next may be done for another request. */
	if (conn_hops(w->conn))
		return false;
	if ((w->parent_if_blocking = cause_if_blocking(w->conn))) {
		work_ref(w->parent_if_blocking);
		cause_call_begun(w->parent_if_blocking);
		settle_wait(w, WAIT_ANSWER);
		return true;
	}
	if (v->reason == UNDECIDED_order && v->maybe)
		return hold_until_ordered(w, v->maybe, v->evidence);
	return hold_unclaimed(w) || hold_until_answered(w, v->group);
}

static void request_sent(struct work *w)
{
	bool first = w->conn->client && !w->conn->called;
	struct verdict v = find_parent(w);
	struct work *parent, *server;

	/* The interpreter's own word comes with the answer. What its loop looks like does not show who waits
	 * for whom in there, as at a barrier. */
	if (v.evidence == EVIDENCE_TURN && context_is_known(w->conn))
		v = (struct verdict){ .evidence = EVIDENCE_UNKNOWN, .reason = UNDECIDED_others };
	parent = v.request;
	w->supposed = first ? take_supposed(w->conn) : cause_supposed(w->conn);
	if (w->supposed && !first)
		work_ref(w->supposed);
	cause_calling(w->conn);
	w->within = function_within(w->span.pid, w->span.tid);
	if (w->within)
		work_ref(w->within);
	/* What a function does, it does for the request that it was called for. */
	if (!parent && w->within && w->within->request && !w->within->request->finished) {
		parent = w->within->request;
		v.evidence = EVIDENCE_THREAD;
	}
	if (parent)
		settle_parent(w, parent, v.evidence);
	/* Either way the request does not wait for what cannot be seen. */
	w->call_of = parent ? parent : v.maybe;
	if (w->call_of) {
		work_ref(w->call_of);
		cause_call_begun(w->call_of);
	}
	w->forwarded = w->has_header && parent && parent->has_header &&
		       memcmp(w->header_span_id, parent->header_span_id, 8) == 0;
	if (parent || !hold(w, &v)) {
		settle_check(w, parent);
		settle(w);
	}
	server = find_other_end(w);
	if (server)
		join(server, w);
}

void link_request(struct work *w, struct slice traceparent)
{
	random_bytes(w->span.span_id, 8);
	w->has_header = traceparent_parse(traceparent, w->header_trace_id, w->header_span_id) == 0;
	if (w->has_header)
		memcpy(w->span.trace_id, w->header_trace_id, 16);
	if (!first_netns)
		first_netns = w->conn->netns;
	many_netns |= w->conn->netns != first_netns;
	w->position_key = position_key(w);
	w->polled = w->conn->polled;
	if (w->span.kind == SPAN_SERVER)
		request_served(w);
	else
		request_sent(w);
	if (w->position_key && table_put(&by_position, w->position_key, w))
		w->position_key = 0;
}

void link_call(struct work *w, struct work *parent, enum evidence evidence)
{
	random_bytes(w->span.span_id, 8);
	if (parent)
		settle_parent(w, parent, evidence);
	settle(w);
}

void link_answer(struct work *r, uint32_t tid, uint64_t now_ns)
{
	struct thread *t = thread_get(tid, now_ns);

	context_answer(r, now_ns);
	cause_answered(r);
	if (!t)
		return;
	t->answers |= tid != r->span.tid && !t->loops;
	t->answered_ns = now_ns;
	hold_answer(t, r);
}

/* It turned out, or never will, how the thread waited for the answer to call w. */
static void decide_blocking(struct work *w, bool blocking, bool answered)
{
	struct work *r = w->parent_if_blocking;

	if (!r)
		return;
	w->parent_if_blocking = NULL;
	cause_call_ended(r);
	if (blocking && !r->finished && !w->settled)
		settle_parent(w, r, EVIDENCE_THREAD);
	work_unref(r);
	if (!w->parent && answered && hold_until_answered(w, NULL))
		return;
	settle_check(w, w->parent);
	settle(w);
}

void link_answered(struct work *w)
{
	struct conn *c = w->conn;

	/* Who makes calls, and takes the answers to those of others, does what is due, for whomever it is. */
	if (c->tid != w->span.tid && c->polled && c->process && cause_calls(c->tid))
		c->process->hops = true;
	decide_blocking(w, c->read_unpolled && c->tid == w->span.tid, true);
}

void link_connect(struct conn *c)
{
	struct verdict v = cause_of(c);
	struct work *r = v.request ? v.request : v.reason != UNDECIDED_queue ? v.maybe : NULL;

	c->supposed = cause_supposed(c);
	if (c->supposed)
		work_ref(c->supposed);
	cause_connecting(c);
	/* What is opened for one may be used by whoever needs it first, and may come to be polled. */
	if (!r || conn_hops(c) || (c->process && c->process->shares && c->nonblock))
		return;
	work_ref(r);
	c->connect_for = r;
	c->connect_evidence = v.request ? v.evidence : EVIDENCE_UNKNOWN;
	cause_call_begun(r);
}

void link_finish(struct work *w)
{
	w->span.losses = w->losses != losses;
	cause_closed(w);
	group_finished(w);
	decide_blocking(w, false, false);
	/* A server may have answered before the event of its client's end is read: then it still waits. */
	if (!w->unsettled_listed || w->span.kind != SPAN_SERVER)
		forget_position(w);
	if (w->request_id_key)
		table_remove(&by_request_id, w->request_id_key, w);
	w->request_id_key = 0;
	if (w->call_of)
		cause_call_ended(w->call_of);
	work_unref(w->call_of);
	w->call_of = NULL;
	settle_finished(w);
}

static void expire(struct work *w)
{
	work_ref(w);
	decide_blocking(w, false, false);
	if (w->span.kind == SPAN_CLIENT)
		hold_expire(w);
	settle(w);
	if (w->finished)
		forget_position(w);
	work_unref(w);
}

bool links_tick(uint64_t now_ns)
{
	causes_tick(now_ns);
	return settle_tick(now_ns, expire);
}
