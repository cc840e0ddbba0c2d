/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>

#include "base/pool.h"
#include "exchange.h"
#include "stats.h"

static struct pool buffers;

int streams_init(uint32_t n)
{
	return pool_init(&buffers, STREAM_BUFFER_LEN, n);
}

void streams_fini(void)
{
	pool_free(&buffers);
}

void streams_trim(void)
{
	pool_trim(&buffers);
}

static void buffer_release(struct stream *s)
{
	if (s->buffer)
		pool_put(&buffers, s->buffer);
	s->buffer = NULL;
	s->buffer_len = 0;
}

void stream_release(struct stream *s)
{
	buffer_release(s);
	work_unref(s->work);
	s->work = NULL;
	s->open = false;
}

/* Appends what fits; returns how much. */
static size_t buffer_append(struct stream *s, struct slice bytes)
{
	size_t n;

	if (!s->buffer && !(s->buffer = pool_get_raw(&buffers))) {
		loss_add(DROP_buffers_full, 1);
		return 0;
	}
	n = STREAM_BUFFER_LEN - s->buffer_len;
	if (n > bytes.len)
		n = bytes.len;
	memcpy(s->buffer + s->buffer_len, bytes.p, n);
	s->buffer_len += (uint32_t)n;
	return n;
}

struct slice stream_keep(struct stream *s, struct slice bytes)
{
	buffer_append(s, bytes);
	return (struct slice){ s->buffer, s->buffer_len };
}

static void message_end(struct conn *c, unsigned dir, uint64_t end_ns)
{
	struct stream *s = &c->streams[dir];

	s->open = s->ends = false;
	exchange_end(c, dir, end_ns);
}

void stream_finish_lost(struct conn *c, unsigned dir)
{
	struct stream *s = &c->streams[dir];

	if (s->lost && s->open)
		message_end(c, dir, s->last_ns);
}

/* The boundaries of messages are not known from here on, until one plausibly starts. */
static void lose(struct stream *s)
{
	s->lost = true;
	s->skip = 0;
	s->ends = false;
	buffer_release(s);
	if (s->open && s->work)
		s->work->span.truncated = true;
}

/* Uses up body bytes that need not be seen (NULL: that were not); returns how many of n. */
static uint64_t skip(struct conn *c, unsigned dir, const char *bytes, uint64_t n, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	if (n > s->skip)
		n = s->skip;
	if (n == 0)
		return 0;
	exchange_body(s, conn_flow(c, dir), bytes, n);
	if (s->skip != SKIP_TO_CLOSE)
		s->skip -= n;
	if (s->skip == 0 && s->ends)
		message_end(c, dir, now_ns);
	return n;
}

static void step(struct conn *c, unsigned dir, const struct message *m, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	if (m->flags & MESSAGE_BEGIN) {
		s->open = true;
		exchange_begin(c, dir, m);
	}
	if (c->parser->db_system)
		exchange_result(c, dir, m);
	if (m->flags & MESSAGE_OPAQUE) {
		message_end(c, dir, now_ns);
		c->opaque = true;
		stat_add(STAT_connections_opaque, 1);
		return;
	}
	s->skip = m->skip;
	s->ends = m->flags & MESSAGE_END;
	if (m->flags & MESSAGE_UNBOUNDED)
		s->lost = true;
	else if (s->ends && s->skip == 0)
		message_end(c, dir, now_ns);
}

/*
 * Parses bytes, of which the first `old` came earlier. `cut`: the bytes that follow were not captured.
 * Returns how many were consumed; the rest is the start of a step that is not complete.
 */
static size_t parse(struct conn *c, unsigned dir, struct slice bytes, size_t old, uint32_t pos, bool cut,
		    uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];
	enum flow flow = conn_flow(c, dir);
	size_t at = 0;

	while (at < bytes.len && !s->lost && !c->opaque) {
		struct parser_input in = { .bytes = slice_from(bytes, at), .cut = cut };
		struct message m;
		ssize_t n;

		if (s->skip) {
			at += skip(c, dir, in.bytes.p, in.bytes.len, now_ns);
			continue;
		}
		if (!s->open && !(old && at == 0)) {
			s->start_ns = now_ns;
			s->start_pos = pos + (uint32_t)at;
		}
		if (flow == FLOW_RESPONSE)
			in.hint = exchange_hint(c);
		n = c->parser->parse(&c->state, flow, &in, &m);
		if (n == 0)
			break;
		if (n < 0) {
			loss_add(DROP_out_of_step, bytes.len - at);
			exchange_lost(c, dir, false);
			lose(s);
			return bytes.len;
		}
		at += (size_t)n;
		step(c, dir, &m, now_ns);
	}
	return s->lost || c->opaque ? bytes.len : at;
}

/* Looks for a message at the start of an event after framing was lost. */
static bool resync(struct conn *c, unsigned dir, struct slice bytes)
{
	struct stream *s = &c->streams[dir];
	enum flow flow = conn_flow(c, dir);

	if (c->parser->resync(&c->state, flow, bytes) != 0)
		return false;
	stream_finish_lost(c, dir);
	s->lost = false;
	return true;
}

static void feed(struct conn *c, unsigned dir, struct slice bytes, uint32_t pos, bool cut, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];
	size_t n;

	while (s->buffer && bytes.len) {
		size_t old = s->buffer_len, room = buffer_append(s, bytes);
		bool full = room < bytes.len;

		n = parse(c, dir, (struct slice){ s->buffer, s->buffer_len }, old, pos - (uint32_t)old,
			  full || cut, now_ns);
		if (s->lost || c->opaque) {
			buffer_release(s);
			return;
		}
		bytes = slice_from(bytes, room);
		pos += (uint32_t)room;
		if (n == s->buffer_len) {
			buffer_release(s);
		} else if (n) {
			memmove(s->buffer, s->buffer + n, s->buffer_len - n);
			s->buffer_len -= (uint32_t)n;
		}
	}
	if (!bytes.len || s->lost)
		return;
	n = parse(c, dir, bytes, 0, pos, cut, now_ns);
	if (n < bytes.len && buffer_append(s, slice_from(bytes, n)) < bytes.len - n) {
		exchange_lost(c, dir, false);
		lose(s);
	}
}

/* n bytes of which nothing is known but their number. unseen: not even in how many events they moved. */
static void hole(struct conn *c, unsigned dir, uint64_t n, bool unseen, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	n -= skip(c, dir, NULL, n, now_ns);
	if (n == 0)
		return;
	exchange_lost(c, dir, unseen);
	lose(s);
	if (s->open)
		exchange_body(s, conn_flow(c, dir), NULL, n);
}

/* Only likely: a body may hold such bytes too. What comes next, or that nothing does, confirms it. */
static void look_for_end(struct conn *c, unsigned dir, struct slice last)
{
	struct stream *s = &c->streams[dir];
	struct message m;

	s->maybe_ended = false;
	if (!s->lost || !s->open || !c->parser->ends)
		return;
	m = (struct message){ 0 };
	s->maybe_ended = c->parser->ends(&c->state, conn_flow(c, dir), last, &m);
	if (s->maybe_ended && c->parser->db_system)
		exchange_result(c, dir, &m);
}

void stream_gap(struct conn *c, unsigned dir, uint32_t n, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	if (s->open && s->work)
		s->work->span.incomplete = true;
	hole(c, dir, n, true, now_ns);
}

void stream_data(struct conn *c, unsigned dir, uint32_t pos, uint32_t len, struct slice head,
		 struct slice tail, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];
	size_t hidden = len - head.len - tail.len;
	bool was_lost = s->lost, in_step = !was_lost || (head.len && resync(c, dir, head));

	s->last_ns = now_ns;
	if (!in_step) {
		exchange_lost(c, dir, false);
		if (s->open)
			exchange_body(s, conn_flow(c, dir), NULL, len);
	} else {
		feed(c, dir, head, pos, hidden > 0, now_ns);
		if (hidden && !c->opaque)
			hole(c, dir, hidden, false, now_ns);
		if (tail.len && !s->lost && !c->opaque)
			feed(c, dir, tail, pos + len - (uint32_t)tail.len, false, now_ns);
		else if (s->lost && s->open && !was_lost)
			exchange_body(s, conn_flow(c, dir), NULL, tail.len);
	}
	look_for_end(c, dir, tail.len ? tail : head);
}

void stream_end(struct conn *c, unsigned dir, uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];

	if (s->ended)
		return;
	s->ended = true;
	if (s->open && s->skip == SKIP_TO_CLOSE)
		message_end(c, dir, now_ns);
	else
		stream_finish_lost(c, dir);
}
