/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "body.h"
#include "cause.h"
#include "link.h"
#include "request.h"
#include "stats.h"

/* Unanswered requests of one connection that are remembered; a deeper pipeline is counted, not paired. */
#define PENDING_MAX 4096

static bool is_quiet(const struct work *w)
{
	return w->flags & MESSAGE_QUIET;
}

static bool is_barrier(const struct work *w)
{
	return w->flags & MESSAGE_BARRIER;
}

/* Neither quiet nor a barrier. */
static bool is_operation(const struct work *w)
{
	return !(w->flags & (MESSAGE_QUIET | MESSAGE_BARRIER));
}

static void pending_push(struct conn *c, struct work *w)
{
	*c->pending_end = w;
	c->pending_end = &w->pending;
	(*(is_operation(w) ? &c->pending_len : &c->others_len))++;
}

static void pending_remove(struct conn *c, struct work *w)
{
	for (struct work **at = &c->pending; *at; at = &(*at)->pending) {
		if (*at != w)
			continue;
		*at = w->pending;
		if (!*at)
			c->pending_end = at;
		(*(is_operation(w) ? &c->pending_len : &c->others_len))--;
		return;
	}
}

static void finish(struct conn *c, struct work *w, uint64_t end_ns)
{
	const struct stream *request = &c->streams[c->request_dir];
	struct span *span = &w->span;

	pending_remove(c, w);
	if (c->latest == w)
		c->latest = NULL;
	/* Answered before its body was read: the sender has said how long it is, and sends it unless it
	 * waits. */
	if (request->work == w && !(w->flags & MESSAGE_HELD) && request->open && request->ends &&
	    request->skip != SKIP_TO_CLOSE && !span->error_type)
		span->request_len += request->skip;
	w->finished = true;
	if (span->kind == SPAN_CLIENT && !c->pending)
		cause_conn_idle(c);
	w->conn = NULL;
	span->end_ns = end_ns > span->start_ns ? end_ns : span->start_ns;
	if (w->linked) {
		link_finish(w);
		return;
	}
	stat_add(STAT_spans_hidden, 1);
	work_unref(w->parent);
	work_unref(w->supposed);
	w->parent = w->supposed = NULL;
	work_unref(w);
}

/*
 * A request came after a response: whoever sends on only when all is answered has nothing unanswered now, and
 * responses that did not come were lost.
 */
static void all_answered(struct conn *c, unsigned dir)
{
	if (c->overlapped || c->owed || c->streams[!dir].open)
		return;
	if (c->lossy)
		exchange_fail(c, NULL, c->streams[!dir].last_ns);
	if (!c->pending)
		c->lossy = c->doubtful = c->desynced = false;
}

/* What the thread that ends a group does is done for whom it made the group's last request. */
static void inherit_parent(struct work *w, const struct work *last)
{
	if (!last)
		return;
	if ((w->parent = last->parent))
		work_ref(w->parent);
	if ((w->supposed = last->supposed))
		work_ref(w->supposed);
}

static void set_namespace(struct conn *c, struct slice namespace)
{
	c->namespace_len =
		(uint8_t)(namespace.len < sizeof(c->namespace) ? namespace.len : sizeof(c->namespace));
	memcpy(c->namespace, namespace.p, c->namespace_len);
}

static void begin_request(struct conn *c, unsigned dir, const struct message *m)
{
	struct stream *s = &c->streams[dir];
	bool turned = c->turned;
	struct work *w;

	stat_add(STAT_requests, 1);
	c->turned = false;
	c->requested = true;
	c->begun++;
	c->orphans = 0;
	if (turned)
		all_answered(c, dir);
	c->overlaps |= turned && c->pending && !c->lossy;
	if (c->pending_len >= PENDING_MAX || c->others_len >= PENDING_MAX) {
		loss_add(DROP_pending_full, 1);
		c->desynced = true;
		return;
	}
	w = work_new();
	if (!w) {
		c->desynced = true;
		return;
	}
	w->conn = c;
	w->key = m->key;
	w->hint = m->hint;
	w->flags = m->flags;
	w->request_pos = s->start_pos;
	w->span.kind = dir == RX ? SPAN_SERVER : SPAN_CLIENT;
	w->span.start_ns = s->start_ns;
	w->span.truncated = m->flags & MESSAGE_TRUNCATED;
	w->span.sampled = c->sampled;
	w->linked = !is_barrier(w) || is_quiet(w);
	w->hidden = is_barrier(w) || (is_quiet(w) && !(m->flags & MESSAGE_SHOWN));
	if (w->linked) {
		request_place(&w->span, c);
		request_describe(&w->span, c, m);
		body_begin(w, FLOW_REQUEST, m->flags);
		pending_push(c, w);
		c->latest = w;
		link_request(w, m->traceparent);
	} else {
		inherit_parent(w, c->latest);
		pending_push(c, w);
	}
	work_ref(w);
	s->work = w;
	if (c->desynced) {
		w->span.incomplete = true;
		finish(c, w, s->start_ns);
	}
}

/* The oldest request before the next barrier that is quiet, or is not; NULL: there is none. */
static struct work *find_in_group(const struct conn *c, bool quiet)
{
	struct work *w = c->pending;

	while (w && !is_barrier(w) && is_quiet(w) != quiet)
		w = w->pending;
	return w && is_quiet(w) == quiet && (!is_barrier(w) || quiet) ? w : NULL;
}

/* The request that a response answers. */
static struct work *find_request(const struct conn *c, const struct message *m)
{
	struct work *w = c->pending;

	if (!m->key) {
		w = find_in_group(c, m->flags & MESSAGE_QUIET);
		return !w && m->flags & MESSAGE_ERROR ? find_in_group(c, true) : w;
	}
	while (w && w->key != m->key)
		w = w->pending;
	return w;
}

static void give_up(struct conn *c, struct work *w, uint64_t now_ns)
{
	w->span.incomplete = true;
	finish(c, w, now_ns);
}

/* The groups before the oldest operation. */
static void give_up_groups(struct conn *c, uint64_t now_ns)
{
	struct work *last = NULL;

	for (struct work *w = c->pending; w && !is_operation(w); w = w->pending)
		if (is_barrier(w))
			last = w;
	while (last && c->pending != last)
		give_up(c, c->pending, now_ns);
	if (last)
		give_up(c, last, now_ns);
}

/* The oldest operation, and what came before it. */
static void give_up_oldest(struct conn *c, uint64_t now_ns)
{
	while (c->pending && !is_operation(c->pending))
		give_up(c, c->pending, now_ns);
	if (c->pending)
		give_up(c, c->pending, now_ns);
}

/*
 * A response starts after others were lost, and maybe their requests too. It answers the one request that is
 * left if its sender has received none since.
 */
static void dispel_doubt(struct conn *c, uint64_t now_ns)
{
	c->doubtful = false;
	if (c->pending_len == 1 && c->caught_up && !c->desynced && !c->overlapped)
		return;
	c->desynced |= c->pending_len > 0;
	while (c->pending)
		give_up(c, c->pending, now_ns);
}

/*
 * What comes before w in its group was answered before. Of a quiet request the answer may not have shown;
 * that to another one was lost.
 */
static void pass_before(struct conn *c, const struct work *w, bool quiet, uint64_t now_ns)
{
	while (quiet && c->pending != w)
		give_up(c, c->pending, now_ns);
	while (c->pending != w && is_quiet(c->pending) && !is_barrier(c->pending))
		finish(c, c->pending, now_ns);
}

/* A group is over: what of it was not answered was not executed, if one before it failed. */
static void end_group(struct conn *c, uint64_t now_ns)
{
	bool failed = c->group_failed, last = false;

	c->group_failed = false;
	if (!c->pending && (c->requested || c->fresh))
		loss_add(DROP_response_unpaired, 1);
	while (c->pending && !last) {
		struct work *w = c->pending;

		last = is_barrier(w);
		if (!last && !is_quiet(w) && failed)
			w->span.error_type = "not_executed";
		w->span.incomplete |= !last && !failed;
		finish(c, w, now_ns);
	}
}

static void begin_response(struct conn *c, unsigned dir, const struct message *m)
{
	struct stream *s = &c->streams[dir];
	struct work *w;

	c->turned = false;
	if (m->flags & MESSAGE_INTERIM)
		return;
	c->owed = false;
	if (c->doubtful) {
		dispel_doubt(c, s->start_ns);
		if (!(m->flags & MESSAGE_BARRIER))
			give_up_groups(c, s->start_ns);
	}
	if (m->flags & MESSAGE_BARRIER) {
		end_group(c, s->start_ns);
		return;
	}
	w = find_request(c, m);
	if (!w) {
		c->orphans++;
		/* Before the first request that was seen there may have been others. */
		if (c->requested || c->fresh)
			loss_add(DROP_response_unpaired, 1);
		return;
	}
	if (!m->key || !is_quiet(w))
		pass_before(c, w, m->flags & MESSAGE_QUIET, s->start_ns);
	if (dir == TX)
		link_answer(w, c->tid, s->start_ns);
	else
		link_answered(w);
	c->pipelined |= c->pending_len > 1 && !c->lossy;
	w->span.first_byte_ns = s->start_ns;
	w->span.status = m->status;
	w->span.truncated |= !!(m->flags & MESSAGE_TRUNCATED);
	body_begin(w, FLOW_RESPONSE, m->flags);
	work_ref(w);
	s->work = w;
}

void exchange_begin(struct conn *c, unsigned dir, const struct message *m)
{
	struct stream *s = &c->streams[dir];

	work_unref(s->work);
	s->work = NULL;
	if (conn_flow(c, dir) == FLOW_REQUEST)
		begin_request(c, dir, m);
	else
		begin_response(c, dir, m);
}

void exchange_result(struct conn *c, unsigned dir, const struct message *m)
{
	struct work *w = c->streams[dir].work;

	if (m->namespace.len)
		set_namespace(c, m->namespace);
	if (m->db_system)
		c->db_system = m->db_system;
	if (conn_flow(c, dir) == FLOW_REQUEST || !w || w->finished)
		return;
	request_result(&w->span, c, m);
	if (m->flags & MESSAGE_ERROR) {
		w->hidden = false;
		c->group_failed = true;
	}
}

void exchange_body(struct stream *s, enum flow flow, const char *bytes, uint64_t n)
{
	struct work *w = s->work;

	if (!w || w->finished)
		return;
	if (flow == FLOW_REQUEST)
		w->span.request_len += n;
	else
		w->span.response_len += n;
	body_add(w, flow, bytes, n);
}

void exchange_end(struct conn *c, unsigned dir, uint64_t end_ns)
{
	struct stream *s = &c->streams[dir];
	struct work *w = s->work;

	s->work = NULL;
	if (w && !w->finished)
		body_end(w, conn_flow(c, dir), s->lost);
	if (w && !w->finished && (conn_flow(c, dir) == FLOW_RESPONSE || (w->flags & MESSAGE_ONEWAY))) {
		c->overlapped |= c->overlaps && !w->span.incomplete;
		c->overlaps = false;
		finish(c, w, end_ns);
	}
	work_unref(w);
}

/* Those that were lost come after all that are known, whose responses can still be told. */
static void requests_lost(struct conn *c, bool unseen)
{
	c->desynced = true;
	c->owed |= !unseen || c->pipelined || !c->orphans;
}

/*
 * What was lost holds the start of the response to the oldest request, or the end of the one in progress, and
 * maybe more. If just one other request waits, what starts next is for that one, or dispel_doubt() sees it.
 */
static void responses_lost(struct conn *c, const struct stream *s, bool unseen)
{
	bool in_progress = s->open && s->work && s->work == c->pending;
	struct work **others = in_progress ? &c->pending->pending : &c->pending;
	bool sure = !c->overlapped && !c->desynced && (in_progress || !s->open);

	c->doubtful = true;
	if (sure && c->pending_len + !in_progress <= 2)
		return;
	if (sure && unseen && !in_progress && !s->lost && !c->pipelined && c->pending_len == 2) {
		give_up_oldest(c, s->last_ns);
		return;
	}
	c->desynced |= *others != NULL;
	while (*others)
		give_up(c, *others, s->last_ns);
}

void exchange_lost(struct conn *c, unsigned dir, bool unseen)
{
	c->lossy = true;
	if (conn_flow(c, dir) == FLOW_REQUEST)
		requests_lost(c, unseen);
	else
		responses_lost(c, &c->streams[dir], unseen);
}

void exchange_fail(struct conn *c, const char *error_type, uint64_t now_ns)
{
	while (c->pending) {
		struct work *w = c->pending;

		w->span.error_type = error_type;
		w->span.incomplete |= !error_type || w->span.first_byte_ns;
		finish(c, w, now_ns);
	}
}

void exchange_connect_failed(struct conn *c, const char *error_type, uint64_t now_ns)
{
	struct work *w = work_new();

	stat_add(STAT_requests, 1);
	if (!w)
		return;
	w->span.kind = SPAN_CLIENT;
	w->span.start_ns = c->connect_ns ? c->connect_ns : now_ns;
	w->span.error_type = error_type;
	request_place(&w->span, c);
	w->conn = c;
	w->linked = true;
	pending_push(c, w);
	link_request(w, (struct slice){ 0 });
	finish(c, w, now_ns);
}

uint8_t exchange_hint(const struct conn *c)
{
	return c->pending ? c->pending->hint : 0;
}
