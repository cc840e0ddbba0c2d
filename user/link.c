/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>

#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"
#include "conn.h"
#include "stats.h"

/* The other end's event may be read later than this end's, by as much as its thread was not running. */
#define SETTLE_NS 50000000ULL

#define DEPTH_MAX 64 /* spans above one another that are looked through for the top one */

/* A thread with open requests. */
struct thread {
	uint32_t tid;
	uint32_t open;
	struct work *works;
};

static struct pool threads;
static struct table threads_by_id;
static struct work *done, **done_end = &done;
static struct work *unsettled, *unsettled_last; /* in the order of settle_by_ns */

int links_init(uint32_t max)
{
	int err = pool_init(&threads, sizeof(struct thread), max);

	return err ? err : table_init(&threads_by_id, max);
}

void links_fini(void)
{
	table_free(&threads_by_id);
	pool_free(&threads);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex only, not all zeros (section 3.2.2.3). */
static int parse_id(const char *hex, uint8_t *id, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		id[i] = (uint8_t)(high << 4 | low);
		any |= id[i];
	}
	return any ? 0 : -EINVAL;
}

int traceparent_parse(struct slice value, uint8_t ret_trace_id[16], uint8_t ret_span_id[8])
{
	uint8_t trace_id[16], span_id[8];
	const char *p = value.p;

	/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may append "-..." */
	if (value.len < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return -EINVAL;
	for (int i = 0; i < 2; i++)
		if (hex_value(p[i]) < 0 || hex_value(p[53 + i]) < 0)
			return -EINVAL;
	if (p[0] == 'f' && p[1] == 'f')
		return -EINVAL;
	if (p[0] == '0' && p[1] == '0' ? value.len != 55 : value.len > 55 && p[55] != '-')
		return -EINVAL;
	if (parse_id(p + 3, trace_id, 16) || parse_id(p + 36, span_id, 8))
		return -EINVAL;
	memcpy(ret_trace_id, trace_id, 16);
	memcpy(ret_span_id, span_id, 8);
	return 0;
}

static void thread_add(struct work *w)
{
	struct thread *t = table_get(&threads_by_id, w->span.tid);

	if (!t) {
		t = pool_get(&threads);
		if (!t || table_put(&threads_by_id, w->span.tid, t)) {
			if (t)
				pool_put(&threads, t);
			return;
		}
		t->tid = w->span.tid;
	}
	w->thread = t;
	w->thread_next = t->works;
	if (t->works)
		t->works->thread_prev = w;
	t->works = w;
	t->open++;
}

static void thread_remove(struct work *w)
{
	struct thread *t = w->thread;

	if (!t)
		return;
	if (w->thread_prev)
		w->thread_prev->thread_next = w->thread_next;
	else
		t->works = w->thread_next;
	if (w->thread_next)
		w->thread_next->thread_prev = w->thread_prev;
	w->thread = NULL;
	if (--t->open == 0) {
		table_remove(&threads_by_id, t->tid, t);
		pool_put(&threads, t);
	}
}

/* The only request that the thread can be working on, or NULL. */
static struct work *thread_request(uint32_t tid)
{
	struct thread *t = table_get(&threads_by_id, tid);

	return t && t->open == 1 ? t->works : NULL;
}

/* The request at the other end of the connection that starts at the same stream position. */
static struct work *find_other_end(const struct work *w, const struct conn *peer)
{
	struct work *other = peer->pending;

	while (other && (other->request_pos != w->request_pos || other->span.kind == w->span.kind))
		other = other->pending;
	return other;
}

static void set_parent(struct work *w, struct work *parent, enum evidence evidence)
{
	work_ref(parent);
	w->parent = parent;
	w->span.evidence = evidence;
}

static void unsettled_add(struct work *w)
{
	w->unsettled_prev = unsettled_last;
	*(unsettled_last ? &unsettled_last->unsettled_next : &unsettled) = w;
	unsettled_last = w;
	w->unsettled_listed = true;
	work_ref(w);
}

static void unsettled_remove(struct work *w)
{
	if (!w->unsettled_listed)
		return;
	*(w->unsettled_prev ? &w->unsettled_prev->unsettled_next : &unsettled) = w->unsettled_next;
	*(w->unsettled_next ? &w->unsettled_next->unsettled_prev : &unsettled_last) = w->unsettled_prev;
	w->unsettled_listed = false;
	w->unsettled_next = w->unsettled_prev = NULL;
	work_unref(w);
}

/* Settles w if what is above it is settled. Returns the work that it hangs on, NULL when settled. */
static struct work *settle(struct work *w)
{
	struct work *chain[DEPTH_MAX], *top = w;
	int depth = 0;

	while (!top->settled && top->parent && depth < DEPTH_MAX) {
		chain[depth++] = top;
		top = top->parent;
	}
	if (!top->settled && depth < DEPTH_MAX)
		return top;
	while (depth--) {
		memcpy(chain[depth]->span.trace_id, top->span.trace_id, 16);
		chain[depth]->settled = true;
		top = chain[depth];
	}
	return NULL;
}

static void finish_settled(struct work *w)
{
	*done_end = w;
	w->next = NULL;
	done_end = &w->next;
}

/* Files a finished work: done, or waiting for the one that its trace hangs on. */
static void file(struct work *w)
{
	struct work *top = settle(w);

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

/* All that could be found out about what is above w was found out. */
static void settled(struct work *w)
{
	struct work *waiters = w->waiters;

	w->waiters = NULL;
	if (!w->parent && !w->settled) {
		if (!w->has_header)
			random_bytes(w->span.trace_id, 16);
		w->settled = true;
	}
	unsettled_remove(w);
	while (waiters) {
		struct work *next = waiters->next;

		file(waiters);
		waiters = next;
	}
}

static void join(struct work *server, struct work *client)
{
	if (server->joined)
		return;
	server->joined = true;
	server->peer_process = client->span.process;
	if (server->peer_process)
		process_ref(server->peer_process);
	if (!client->peer_process && server->span.process) {
		client->peer_process = server->span.process;
		process_ref(client->peer_process);
	}
	/* A header names the caller's own span; one that was only passed on names somebody further up. */
	if (!server->has_header || client->forwarded)
		set_parent(server, client, EVIDENCE_SOCKET);
	settled(server);
}

static void request_served(struct work *w)
{
	struct conn *peer = conn_peer(w->conn);
	struct work *client = peer ? find_other_end(w, peer) : NULL;

	thread_add(w);
	if (w->has_header)
		w->span.evidence = EVIDENCE_TRACEPARENT;
	if (client) {
		join(w, client);
	} else if (peer) {
		w->settle_by_ns = w->span.start_ns + SETTLE_NS;
		unsettled_add(w);
	} else {
		settled(w);
	}
}

static void request_sent(struct work *w)
{
	struct work *parent = thread_request(w->span.tid), *server;
	struct conn *peer = conn_peer(w->conn);

	if (parent)
		set_parent(w, parent, EVIDENCE_THREAD);
	else
		stat_add(STAT_parents_unknown, 1);
	w->forwarded = w->has_header && parent && parent->has_header &&
		       memcmp(w->header_span_id, parent->header_span_id, 8) == 0;
	settled(w);
	server = peer ? find_other_end(w, peer) : NULL;
	if (server)
		join(server, w);
}

void link_request(struct work *w, struct slice traceparent)
{
	random_bytes(w->span.span_id, 8);
	w->has_header = traceparent_parse(traceparent, w->header_trace_id, w->header_span_id) == 0;
	if (w->has_header)
		memcpy(w->span.trace_id, w->header_trace_id, 16);
	if (w->span.kind == SPAN_SERVER)
		request_served(w);
	else
		request_sent(w);
}

void link_finish(struct work *w)
{
	thread_remove(w);
	file(w);
}

bool links_tick(uint64_t now_ns)
{
	while (unsettled && unsettled->settle_by_ns <= now_ns)
		settled(unsettled);
	return unsettled;
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

void links_flush(void (*sink)(struct span *span))
{
	while (done) {
		struct work *w = done;

		done = w->next;
		complete(w);
		stat_add(STAT_spans, 1);
		stat_add(STAT_spans_incomplete, w->span.incomplete);
		sink(&w->span);
		work_unref(w->parent);
		w->parent = NULL;
		work_unref(w);
	}
	done_end = &done;
}
