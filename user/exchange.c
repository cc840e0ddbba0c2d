/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "cause.h"
#include "link.h"
#include "route.h"
#include "stats.h"

/* Unanswered requests of one connection that are remembered; a deeper pipeline is counted, not paired. */
#define PENDING_MAX 4096

static void pending_push(struct conn *c, struct work *w)
{
	*c->pending_end = w;
	c->pending_end = &w->pending;
	c->pending_len++;
}

static void pending_remove(struct conn *c, struct work *w)
{
	for (struct work **at = &c->pending; *at; at = &(*at)->pending) {
		if (*at != w)
			continue;
		*at = w->pending;
		if (!*at)
			c->pending_end = at;
		c->pending_len--;
		return;
	}
}

static void finish(struct conn *c, struct work *w, uint64_t end_ns)
{
	const struct stream *request = &c->streams[c->request_dir];
	struct span *span = &w->span;

	pending_remove(c, w);
	/* Answered before its body was read: the sender has said how long it is, and sends it unless it
	 * waits. */
	if (request->work == w && !w->held && request->open && request->ends &&
	    request->skip != SKIP_TO_CLOSE && !span->error_type)
		span->request_len += request->skip;
	w->finished = true;
	if (span->kind == SPAN_CLIENT && !c->pending)
		cause_conn_idle(c);
	w->conn = NULL;
	span->end_ns = end_ns > span->start_ns ? end_ns : span->start_ns;
	link_finish(w);
}

/* The path and query of a request target in any of its forms (RFC 9112 section 3.2). */
static void set_target(struct span *span, struct slice target)
{
	char text[512];
	const char *scheme_end = memmem(target.p, target.len, "://", 3), *slash, *question;
	struct slice path = target;

	if (target.len && target.p[0] != '/' && scheme_end) {
		struct slice rest = slice_from(target, (size_t)(scheme_end + 3 - target.p));

		slash = memchr(rest.p, '/', rest.len);
		path = slash ? slice_from(rest, (size_t)(slash - rest.p)) : SLICE("/");
	}
	question = memchr(path.p, '?', path.len);
	if (question) {
		struct slice query = slice_from(path, (size_t)(question + 1 - path.p));

		path.len = (size_t)(question - path.p);
		span_set_text(span, TEXT_QUERY,
			      (struct slice){ text, redact_query(query, text, sizeof(text)) });
	}
	span_set_text(span, TEXT_PATH, path);
	span_set_text(span, TEXT_ROUTE, (struct slice){ text, route_of(path, text, sizeof(text)) });
}

static void describe(struct span *span, const struct conn *c)
{
	span->protocol = c->parser ? c->parser->name : "tcp";
	span->process = c->process;
	if (span->process)
		process_ref(span->process);
	span->pid = c->pid;
	span->tid = c->tid;
	span->local = c->local;
	span->peer = c->peer;
	if (c->path_len)
		span_set_text(span, TEXT_SOCKET_PATH, (struct slice){ c->path, c->path_len });
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

static void begin_request(struct conn *c, unsigned dir, const struct message *m)
{
	struct stream *s = &c->streams[dir];
	bool turned = c->turned;
	struct work *w;

	c->turned = false;
	c->requested = true;
	c->begun++;
	c->orphans = 0;
	if (turned)
		all_answered(c, dir);
	c->overlaps |= turned && c->pending && !c->lossy;
	if (c->pending_len >= PENDING_MAX) {
		drop_add(DROP_pending_full, 1);
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
	w->request_pos = s->start_pos;
	w->oneway = m->flags & MESSAGE_ONEWAY;
	w->held = m->flags & MESSAGE_HELD;
	w->span.kind = dir == RX ? SPAN_SERVER : SPAN_CLIENT;
	w->span.start_ns = s->start_ns;
	w->span.truncated = m->flags & MESSAGE_TRUNCATED;
	describe(&w->span, c);
	span_set_text(&w->span, TEXT_METHOD, m->method);
	set_target(&w->span, m->target);
	span_set_text(&w->span, TEXT_HOST, m->host);
	span_set_text(&w->span, TEXT_USER_AGENT, m->user_agent);
	span_set_text(&w->span, TEXT_REQUEST_ID, m->request_id);
	span_set_text(&w->span, TEXT_TRACESTATE, m->tracestate);
	pending_push(c, w);
	link_request(w, m->traceparent);
	work_ref(w);
	s->work = w;
	if (c->desynced) {
		w->span.incomplete = true;
		finish(c, w, s->start_ns);
	}
}

static struct work *find_request(const struct conn *c, uint64_t key)
{
	struct work *w = c->pending;

	while (key && w && w->key != key)
		w = w->pending;
	return w;
}

static void give_up(struct conn *c, struct work *w, uint64_t now_ns)
{
	w->span.incomplete = true;
	finish(c, w, now_ns);
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

static void begin_response(struct conn *c, unsigned dir, const struct message *m)
{
	struct stream *s = &c->streams[dir];
	struct work *w;

	c->turned = false;
	if (m->flags & MESSAGE_INTERIM)
		return;
	c->owed = false;
	if (c->doubtful)
		dispel_doubt(c, s->start_ns);
	w = find_request(c, m->key);
	if (!w) {
		c->orphans++;
		/* Before the first request that was seen there may have been others. */
		if (c->requested || c->fresh)
			drop_add(DROP_response_unpaired, 1);
		return;
	}
	if (dir == TX)
		link_answer(w, c->tid, s->start_ns);
	else
		link_answered(w);
	c->pipelined |= w->pending && !c->lossy;
	w->span.first_byte_ns = s->start_ns;
	w->span.status = m->status;
	w->span.truncated |= !!(m->flags & MESSAGE_TRUNCATED);
	work_ref(w);
	s->work = w;
}

void exchange_begin(struct conn *c, unsigned dir, const struct message *m, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	(void)now_ns;
	work_unref(s->work);
	s->work = NULL;
	if (conn_flow(c, dir) == FLOW_REQUEST)
		begin_request(c, dir, m);
	else
		begin_response(c, dir, m);
}

void exchange_body(struct stream *s, enum flow flow, uint64_t n)
{
	struct work *w = s->work;

	if (!w || w->finished)
		return;
	if (flow == FLOW_REQUEST)
		w->span.request_len += n;
	else
		w->span.response_len += n;
}

void exchange_end(struct conn *c, unsigned dir, uint64_t end_ns)
{
	struct stream *s = &c->streams[dir];
	struct work *w = s->work;

	s->work = NULL;
	if (w && !w->finished && (conn_flow(c, dir) == FLOW_RESPONSE || w->oneway)) {
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
		give_up(c, c->pending, s->last_ns);
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

	if (!w)
		return;
	w->span.kind = SPAN_CLIENT;
	w->span.start_ns = c->connect_ns ? c->connect_ns : now_ns;
	w->span.error_type = error_type;
	describe(&w->span, c);
	w->conn = c;
	pending_push(c, w);
	link_request(w, (struct slice){ 0 });
	finish(c, w, now_ns);
}

uint8_t exchange_hint(const struct conn *c, unsigned dir)
{
	(void)dir;
	return c->pending ? c->pending->hint : 0;
}
