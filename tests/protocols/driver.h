/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least connection that can drive a parser: hands it bytes, honours skips, cuts at holes, finds
 * the way back, and holds the parser to its contract (parser.h). Every input ends at an unmapped page.
 * The includer defines driver_fail(text), which does not return.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "detect.h"
#include "script.h"
#include "statement.h"
#include "text.h"

#define DRIVER_MESSAGES 256
#define DRIVER_ASKED    256
#define DRIVER_BUFFER   (16 << 10) /* what is kept of one direction; then it is cut */
#define DRIVER_KEYS     64
#define DRIVER_GUESSED  1024 /* first bytes that tell the protocol, or not at all */
#define DRIVER_TAIL     64   /* last bytes of an event that ends() is shown */

#define DRIVER_CHECK(condition)                                                                              \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			driver_fail(#condition);                                                             \
	} while (0)

struct seen {
	enum flow flow;
	unsigned flags; /* of all its steps */
	uint64_t body_len;
	bool closed; /* ended by the sender's close */
	bool lost;   /* its framing was lost */
	bool open;   /* did not end, or does not look like it */
	struct slice head;
	struct slice result; /* what its last step said */
};

struct driven {
	char *end;     /* of the buffer, where the unmapped page is */
	size_t len;    /* bytes that wait, the last of them at end - 1 */
	uint64_t skip; /* body bytes to come */
	bool ends;     /* and then the message is complete */
	bool lost;     /* looking for the next message */
	struct seen *current;
};

struct asked {
	uint64_t key;
	bool quiet;
	uint8_t hint;
};

struct driver {
	const struct parser *parser; /* NULL: not known yet */
	bool unknown;                /* surely not one of ours */
	bool opaque;
	bool lost; /* something was, in either direction */
	struct driven streams[2];
	size_t asked_len;
	struct asked asked[DRIVER_ASKED]; /* requests that wait for a response, the oldest first */
	size_t seen_len;
	struct seen seen[DRIVER_MESSAGES];
	struct text heads;
	size_t keys_len;
	uint64_t keys[DRIVER_KEYS]; /* of prepared statements, as they were met */
	uint64_t state[PARSER_STATE_MAX / sizeof(uint64_t)];
};

/* Keys of prepared statements are any numbers: the first is 1 here. */
static inline void text_key(struct driver *d, const char *name, uint64_t key)
{
	size_t i = 0;

	if (!key)
		return;
	while (i < d->keys_len && d->keys[i] != key)
		i++;
	if (i == d->keys_len && i < DRIVER_KEYS)
		d->keys[d->keys_len++] = key;
	text_print(&d->heads, " %s=%zu", name, i + 1);
}

/* What any step of a message may say. */
static inline void text_result(struct driver *d, struct seen *seen, const struct message *m)
{
	struct text *text = &d->heads;
	size_t from = text->len;

	text_field(text, "namespace", m->namespace);
	text_field(text, "system", m->db_system ? slice_of(m->db_system) : (struct slice){ 0 });
	text_field(text, "code", m->code);
	if (m->flags & MESSAGE_ROWS)
		text_print(text, " rows=%llu", (unsigned long long)m->rows);
	text_key(d, "prepares", m->prepares);
	text_key(d, "latest", m->latest);
	text_key(d, "prepared", m->prepared);
	if (text->len > from)
		seen->result = (struct slice){ text->p + from, text->len - from };
}

/* What was seen, a message a line, in the order of their beginnings. */
static inline void driver_report(const struct driver *d, struct text *ret_text)
{
	static const char *const names[] = { NULL,        NULL,     "interim", "opaque", "truncated",
					     "unbounded", "oneway", "last",    NULL,     "error",
					     NULL,        "quiet",  "barrier", "shown" };

	ret_text->len = 0;
	for (const struct seen *seen = d->seen; seen < d->seen + d->seen_len; seen++) {
		text_print(ret_text, "%c%.*s%.*s", seen->flow == FLOW_REQUEST ? '>' : '<',
			   (int)seen->head.len, seen->head.p, (int)seen->result.len, seen->result.p);
		if (seen->body_len > 0)
			text_print(ret_text, " body=%llu", (unsigned long long)seen->body_len);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (names[i] && seen->flags & 1U << i)
				text_print(ret_text, " %s", names[i]);
		text_print(ret_text, "%s%s%s\n", seen->closed ? " close" : "", seen->lost ? " lost" : "",
			   seen->open ? " open" : "");
	}
	for (int flow = FLOW_REQUEST; flow <= FLOW_RESPONSE; flow++)
		if (d->streams[flow].len > 0 && !d->opaque && !d->unknown)
			text_print(ret_text, "%c rest=%zu\n", flow == FLOW_REQUEST ? '>' : '<',
				   d->streams[flow].len);
	if (d->unknown)
		text_print(ret_text, "unknown\n");
}

/* parser NULL: the first bytes tell it. d is zeroed before its first use, and may be used again. */
static inline void driver_start(struct driver *d, const struct parser *parser)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int flow = FLOW_REQUEST; flow <= FLOW_RESPONSE; flow++) {
		char *end = d->streams[flow].end;

		if (!end) {
			char *map = mmap(NULL, DRIVER_BUFFER + page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (map == MAP_FAILED || mprotect(map + DRIVER_BUFFER, page, PROT_NONE) < 0)
				driver_fail("no memory for the input");
			end = map + DRIVER_BUFFER;
		}
		d->streams[flow] = (struct driven){ .end = end };
	}
	d->parser = parser;
	d->unknown = d->opaque = d->lost = false;
	d->asked_len = d->seen_len = d->heads.len = d->keys_len = 0;
	memset(d->state, 0, sizeof(d->state));
}

static inline struct slice driver_waiting(const struct driver *d, enum flow flow)
{
	const struct driven *stream = &d->streams[flow];

	return (struct slice){ stream->end - stream->len, stream->len };
}

static inline void driver_append(struct driver *d, enum flow flow, const char *p, size_t len)
{
	struct driven *stream = &d->streams[flow];

	memmove(stream->end - stream->len - len, stream->end - stream->len, stream->len);
	memcpy(stream->end - len, p, len);
	stream->len += len;
}

/* What each parser says of more and more of the first bytes of a direction: YES and NO are final. */
static inline void driver_check_guesses(struct driver *d, const char *p, size_t len)
{
	driver_start(d, NULL);
	for (size_t i = 0; i < parsers_len; i++) {
		enum guess last = GUESS_MORE, guess;

		d->streams[FLOW_REQUEST].len = 0;
		for (size_t at = 0; at < len && at < DRIVER_GUESSED; at++, last = guess) {
			enum flow flow;

			driver_append(d, FLOW_REQUEST, p + at, 1);
			guess = parsers[i]->guess(driver_waiting(d, FLOW_REQUEST), &flow);
			if (last != GUESS_MORE && guess != last) {
				fprintf(stderr, "%s, byte %zu\n", parsers[i]->name, at + 1);
				driver_fail("what guess() says is final");
			}
		}
	}
}

static inline struct seen *driver_see(struct driver *d, enum flow flow)
{
	struct seen *seen = &d->seen[d->seen_len];

	/* More messages than any case has: the last place is used again. */
	if (d->seen_len < DRIVER_MESSAGES - 1)
		d->seen_len++;
	*seen = (struct seen){ .flow = flow, .open = true, .head = { d->heads.p + d->heads.len, 0 } };
	return seen;
}

static inline void driver_finish(struct driver *d, enum flow flow)
{
	struct driven *stream = &d->streams[flow];

	if (stream->current)
		stream->current->open = false;
	stream->current = NULL;
	stream->ends = false;
}

static inline void driver_lose(struct driver *d, enum flow flow)
{
	struct driven *stream = &d->streams[flow];

	if (!stream->current) {
		struct seen *seen = driver_see(d, flow);

		seen->lost = true;
		seen->open = false;
	} else if (!(stream->current->flags & MESSAGE_UNBOUNDED)) {
		stream->current->lost = true;
	}
	d->lost = stream->lost = true;
}

static inline void driver_check_slice(struct slice s, struct slice input)
{
	DRIVER_CHECK(s.len == 0 || (s.p >= input.p && s.p + s.len <= input.p + input.len));
}

/* A constant or in the state, unless it is in the input. */
static inline void driver_check_word(struct slice s, struct slice input)
{
	if (s.len > PARSER_STATE_MAX)
		driver_check_slice(s, input);
}

static inline void driver_check_statement(const struct parser *parser, struct slice text)
{
	for (int raw = 0; raw < 2; raw++) {
		struct statement s;

		memset(&s, 0xa5, sizeof(s));
		parser->describe(text, raw, &s);
		DRIVER_CHECK(s.operation_len <= sizeof(s.operation) &&
			     s.collection_len <= sizeof(s.collection));
		DRIVER_CHECK(s.destination_len <= sizeof(s.destination) &&
			     s.summary_len <= sizeof(s.summary));
		DRIVER_CHECK(s.text_len <= sizeof(s.text));
	}
}

static inline void driver_check_step(const struct driver *d, enum flow flow, const struct parser_input *in,
				     const struct message *m, ssize_t n)
{
	struct slice consumed = { in->bytes.p, (size_t)n };

	DRIVER_CHECK(n > 0 && (size_t)n <= in->bytes.len);
	DRIVER_CHECK((m->flags & MESSAGE_BEGIN) ? !d->streams[flow].current
						: !(m->flags & MESSAGE_END) || d->streams[flow].current);
	DRIVER_CHECK(m->skip != SKIP_TO_CLOSE || (m->flags & MESSAGE_END));
	DRIVER_CHECK(!(m->flags & MESSAGE_UNBOUNDED) || (m->flags & MESSAGE_TRUNCATED));
	DRIVER_CHECK(!(m->flags & MESSAGE_TRUNCATED) || in->cut);
	DRIVER_CHECK(flow == FLOW_REQUEST || m->hint == 0);
	driver_check_word(m->method, consumed);
	driver_check_slice(m->target, consumed);
	driver_check_slice(m->host, consumed);
	driver_check_slice(m->user_agent, consumed);
	driver_check_slice(m->request_id, consumed);
	driver_check_slice(m->traceparent, consumed);
	driver_check_slice(m->tracestate, consumed);
	driver_check_slice(m->text, consumed);
	driver_check_word(m->name, consumed);
	driver_check_word(m->namespace, consumed);
	driver_check_word(m->code, consumed);
	if (m->text.len > 0 && d->parser->describe)
		driver_check_statement(d->parser, m->text);
}

/* As exchange.c: the request that a response answers waits no more, nor do quiet ones before another one. */
static inline void driver_answer(struct driver *d, const struct message *m)
{
	size_t from = 0, at = 0;

	while (at < d->asked_len &&
	       (m->key ? d->asked[at].key != m->key : d->asked[at].quiet != !!(m->flags & MESSAGE_QUIET)))
		at++;
	if (at == d->asked_len)
		return;
	for (from = at; from > 0 && !d->asked[at].quiet && d->asked[from - 1].quiet;)
		from--;
	memmove(d->asked + from, d->asked + at + 1, (d->asked_len - at - 1) * sizeof(d->asked[0]));
	d->asked_len -= at + 1 - from;
}

static inline void driver_step(struct driver *d, enum flow flow, const struct message *m)
{
	struct driven *stream = &d->streams[flow];

	if (m->flags & MESSAGE_BEGIN) {
		size_t from = d->heads.len;

		stream->current = driver_see(d, flow);
		text_head(&d->heads, m);
		text_key(d, "key", m->key);
		stream->current->head = (struct slice){ d->heads.p + from, d->heads.len - from };
		if (flow == FLOW_REQUEST && !(m->flags & MESSAGE_ONEWAY) && d->asked_len < DRIVER_ASKED)
			d->asked[d->asked_len++] =
				(struct asked){ m->key, m->flags & MESSAGE_QUIET, m->hint };
		if (flow == FLOW_RESPONSE && !(m->flags & MESSAGE_INTERIM))
			driver_answer(d, m);
	}
	if (stream->current) {
		stream->current->flags |= m->flags;
		text_result(d, stream->current, m);
	}
	stream->skip = m->skip;
	stream->ends = m->flags & MESSAGE_END;
	if (stream->ends && stream->skip == 0)
		driver_finish(d, flow);
	if (m->flags & MESSAGE_OPAQUE)
		d->opaque = true;
	else if (m->flags & MESSAGE_UNBOUNDED)
		driver_lose(d, flow);
}

static inline void driver_pass(struct driver *d, enum flow flow, uint64_t len)
{
	struct driven *stream = &d->streams[flow];

	if (stream->current)
		stream->current->body_len += len;
	if (stream->skip != SKIP_TO_CLOSE)
		stream->skip -= len;
	if (stream->skip == 0 && stream->ends)
		driver_finish(d, flow);
}

/* Is there a message start in what waits? Then all before it is dropped, or else everything. */
static inline bool driver_resync(struct driver *d, enum flow flow)
{
	struct driven *stream = &d->streams[flow];
	struct parser_input in = { .bytes = driver_waiting(d, flow) };
	ssize_t at = d->parser->resync(d->state, flow, in.bytes);

	DRIVER_CHECK(at == -ENOENT || (at >= 0 && (size_t)at < in.bytes.len));
	if (at < 0) {
		stream->len = 0;
		return false;
	}
	stream->len -= (size_t)at;
	stream->lost = false;
	driver_finish(d, flow);
	return true;
}

/* Parses what waits. cut: nothing that follows it was captured. */
static inline void driver_parse(struct driver *d, enum flow flow, bool cut)
{
	struct driven *stream = &d->streams[flow];
	bool found = false; /* by resync(): then parse() may not refuse it */

	while (stream->len > 0 && !stream->lost && !d->opaque) {
		struct parser_input in = { .bytes = driver_waiting(d, flow), .cut = cut };
		struct message m;
		ssize_t n;

		if (stream->skip > 0) {
			size_t len = stream->len < stream->skip ? stream->len : (size_t)stream->skip;

			stream->len -= len;
			driver_pass(d, flow, len);
			continue;
		}
		if (flow == FLOW_RESPONSE && d->asked_len > 0)
			in.hint = d->asked[0].hint;
		memset(&m, 0xa5, sizeof(m));
		n = d->parser->parse(d->state, flow, &in, &m);
		DRIVER_CHECK(n >= 0 || n == -EPROTO);
		DRIVER_CHECK(n != 0 || !cut);
		DRIVER_CHECK(n >= 0 || !found);
		if (n == 0)
			return;
		if (n < 0) {
			driver_lose(d, flow);
			found = driver_resync(d, flow);
			continue;
		}
		found = false;
		driver_check_step(d, flow, &in, &m, n);
		driver_step(d, flow, &m);
		stream->len -= (size_t)n;
	}
	if (stream->lost)
		stream->len = 0;
}

static inline void driver_detect(struct driver *d, enum flow flow)
{
	const struct parser *parser = NULL;
	enum flow found;

	switch (detect(driver_waiting(d, flow), &parser, &found)) {
	case GUESS_YES:
		DRIVER_CHECK(parser && parser->state_size <= sizeof(d->state));
		if (found == flow)
			d->parser = parser;
		else
			d->unknown = true;
		break;
	case GUESS_NO:
		d->unknown = true;
		break;
	case GUESS_MORE:
		break;
	}
}

static inline void driver_bytes(struct driver *d, enum flow flow, const char *p, size_t len)
{
	struct driven *stream = &d->streams[flow];

	if (d->unknown || d->opaque)
		return;
	if (stream->skip > 0) {
		size_t skipped = len < stream->skip ? len : (size_t)stream->skip;

		driver_pass(d, flow, skipped);
		p += skipped;
		len -= skipped;
	}
	while (len > 0 && !d->opaque) {
		size_t n = len < DRIVER_BUFFER - stream->len ? len : DRIVER_BUFFER - stream->len;

		driver_append(d, flow, p, n);
		p += n;
		len -= n;
		if (!d->parser) {
			driver_detect(d, flow);
			d->unknown |= !d->parser && stream->len == DRIVER_BUFFER;
			if (!d->parser)
				return;
			driver_parse(d, flow == FLOW_REQUEST ? FLOW_RESPONSE : FLOW_REQUEST, false);
		}
		if (stream->lost)
			driver_resync(d, flow);
		driver_parse(d, flow, false);
		if (stream->len == DRIVER_BUFFER)
			driver_parse(d, flow, true);
	}
}

/* `len` bytes that passed and were not captured. */
static inline void driver_hole(struct driver *d, enum flow flow, uint64_t len)
{
	struct driven *stream = &d->streams[flow];

	if (d->unknown || d->opaque || len == 0)
		return;
	if (!d->parser) {
		d->unknown = true;
		return;
	}
	driver_parse(d, flow, true);
	if (stream->skip > 0) {
		uint64_t skipped = len < stream->skip ? len : stream->skip;

		driver_pass(d, flow, skipped);
		len -= skipped;
	}
	if (len > 0 && !stream->lost && !d->opaque)
		driver_lose(d, flow);
}

/* An event is over; `tail` are its last bytes, as far as they were captured. */
static inline void driver_event_end(struct driver *d, enum flow flow, struct slice tail)
{
	struct driven *stream = &d->streams[flow];
	struct message m = { 0 };

	if (!d->parser || !stream->lost || !stream->current)
		return;
	driver_append(d, flow, tail.p, tail.len);
	stream->current->open =
		!d->parser->ends || !d->parser->ends(d->state, flow, driver_waiting(d, flow), &m);
	if (!stream->current->open) {
		stream->current->flags |= m.flags;
		text_result(d, stream->current, &m);
	}
	stream->len = 0;
}

static inline void driver_close(struct driver *d, enum flow flow)
{
	struct driven *stream = &d->streams[flow];

	if (stream->current && stream->skip == SKIP_TO_CLOSE) {
		stream->current->closed = true;
		driver_finish(d, flow);
	}
}

/* How bytes arrive. Never in pieces once a direction is lost: then events are looked at, not bytes. */
struct arrival {
	bool bytes; /* one by one */
	size_t op;  /* or this operation in two, `at` bytes first; 0: none */
	size_t at;
};

/* How many of the `left` bytes of an operation come next, when `at` have come. */
static inline size_t arrival_next(const struct arrival *arrival, size_t op, size_t at, size_t left)
{
	if (arrival->bytes)
		return 1;
	return arrival->op == op && at == 0 && arrival->at > 0 && arrival->at < left ? arrival->at : left;
}

static inline void driver_run(struct driver *d, const struct parser *parser, const struct script *script,
			      struct arrival arrival)
{
	driver_start(d, parser);
	for (size_t i = 0; i < script->ops_len; i++) {
		const struct op *op = &script->ops[i];
		struct slice tail = SLICE("");

		switch (op->kind) {
		case OP_BYTES:
			for (size_t at = 0, n; at < op->len; at += n) {
				n = op->len - at;
				if (!d->streams[op->flow].lost)
					n = arrival_next(&arrival, i, at, n);
				driver_bytes(d, op->flow, op->p + at, n);
			}
			tail = (struct slice){ op->p, op->len };
			if (tail.len > DRIVER_TAIL)
				tail = slice_from(tail, tail.len - DRIVER_TAIL);
			break;
		case OP_HOLE:
			driver_hole(d, op->flow, op->len);
			break;
		case OP_CLOSE:
			driver_close(d, op->flow);
			break;
		}
		if (op->event_end)
			driver_event_end(d, op->flow, tail);
	}
}
