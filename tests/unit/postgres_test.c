/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/protocols/postgres cannot show: ends of events whose start is not known, and lost events. */
#include "feed.h"

#include "parser.h"

extern const struct parser postgres_parser;

#define READY "Z\0\0\0\5I"

static bool ends(struct slice tail, struct message *ret_message)
{
	char *p = guarded_end(64) - tail.len;
	uint64_t state[PARSER_STATE_MAX / sizeof(uint64_t)] = { 0 };

	*ret_message = (struct message){ 0 };
	memcpy(p, tail.p, tail.len);
	return postgres_parser.ends(state, FLOW_RESPONSE, (struct slice){ p, tail.len }, ret_message);
}

static void check_end(struct slice tail, unsigned flags, uint64_t rows, const char *code)
{
	struct message m;

	assert_true(ends(tail, &m));
	assert_int_equal(m.flags, flags);
	assert_int_equal(m.rows, rows);
	check_slice(m.code, code);
}

static void last_bytes(void **state)
{
	struct message m;

	(void)state;
	check_end(SLICE("xxC\0\0\0\x0fSELECT 900\0" READY), MESSAGE_ROWS, 900, "");
	check_end(SLICE("xxC\0\0\0\x0fSELECT 900\0"), MESSAGE_ROWS, 900, "");
	check_end(SLICE("C\0\0\0\x0a"
			"BEGIN\0" READY),
		  0, 0, "");
	check_end(SLICE("xxE\0\0\0\x13SERROR\0C22012\0\0" READY), MESSAGE_ERROR, 0, "22012");
	check_end(SLICE("wrong\0Fparse.c\0L12\0Rfail\0\0" READY), MESSAGE_ERROR, 0, "");
	check_end(SLICE("xxs\0\0\0\4"), 0, 0, "");
	check_end(SLICE("xxs\0\0\0\4" READY), 0, 0, "");
	assert_false(ends(SLICE("D\0\0\0\x0b\0\1\0\0\0\1x"), &m));
	assert_false(ends(SLICE("Z\0\0\0\5"), &m));
	assert_false(ends(SLICE(""), &m));
	assert_false(postgres_parser.ends(NULL, FLOW_REQUEST, SLICE(READY), &m));
}

/* Bytes of one event. */
struct wire {
	char p[4096];
	size_t len;
};

static void put(struct wire *wire, const char *p, size_t len)
{
	assert_true(wire->len + len <= sizeof(wire->p));
	memcpy(wire->p + wire->len, p, len);
	wire->len += len;
}

/* A message whose body is this text, and NUL bytes to fill it up. */
__attribute__((format(printf, 4, 5))) static void add(struct wire *wire, char type, size_t nuls,
						      const char *format, ...)
{
	char body[256] = "", head[5] = { type };
	va_list args;
	size_t len;

	va_start(args, format);
	len = (size_t)vsnprintf(body, sizeof(body) - nuls, format, args) + nuls;
	va_end(args);
	head[3] = (char)((len + 4) >> 8);
	head[4] = (char)(len + 4);
	put(wire, head, sizeof(head));
	put(wire, body, len);
}

static void add_ready(struct wire *response)
{
	put(response, READY, 6);
}

/* Statement n, whose result says n: as many rows, or an error of this code. */
static void add_result(struct wire *response, unsigned n)
{
	char error[] = "SERROR\0C00000\0";

	if (n % 7 == 0) {
		snprintf(error + 8, 6, "%05u", n);
		put(response, "E\0\0\0\x13", 5);
		put(response, error, 15);
		return;
	}
	if (n % 3 == 0) {
		add(response, 'T', 21, "%s", "");
		response->p[response->len - 20] = 1;
		put(response, "D\0\0\0\x0b\0\1\0\0\0\1x", 12);
		add(response, 'C', 1, "SELECT %u", n);
		return;
	}
	add(response, 'C', 1, "UPDATE %u", n);
}

static void add_simple(struct wire *request, struct wire *response, unsigned n)
{
	add(request, 'Q', 1, "UPDATE a%u", n);
	add_result(response, n);
	add_ready(response);
}

static void add_extended(struct wire *request, struct wire *response, unsigned n, bool sync)
{
	char parse[64] = "";
	size_t len = (size_t)snprintf(parse + 1, sizeof(parse) - 1, "UPDATE a%u", n) + 4;
	char head[5] = { 'P', 0, 0, 0, (char)(len + 4) };

	put(request, head, sizeof(head));
	put(request, parse, len);
	put(request, "B\0\0\0\x0c\0\0\0\0\0\0\0\0", 13);
	put(request, "E\0\0\0\x09\0\0\0\0\0", 10);
	put(response,
	    "1\0\0\0\4"
	    "2\0\0\0\4",
	    10);
	add_result(response, n);
	if (!sync)
		return;
	put(request, "S\0\0\0\4", 5);
	add_ready(response);
}

/* One event, or the loss of it. */
static void move(struct end *e, unsigned dir, const struct wire *wire, bool lost)
{
	if (lost)
		feed_lost(e, dir, wire->len);
	else
		feed_bytes(e, dir, wire->p, wire->len);
}

static void check_result(const struct span *span)
{
	struct slice text = span_text(span, TEXT_STATEMENT), code = span_text(span, TEXT_STATUS_CODE);
	char number[32];
	unsigned n;

	snprintf(number, sizeof(number), "%.*s", (int)text.len, text.p);
	assert_int_equal(sscanf(number, "UPDATE a%u", &n), 1);
	if (span->has_rows)
		assert_int_equal(span->rows, n);
	if (code.len) {
		snprintf(number, sizeof(number), "%05u", n);
		check_slice(code, number);
	}
	assert_true(span->has_rows || code.len || span->incomplete || span->error_type);
}

/* Whatever is lost, no result is another statement's; without a loss all are there. Returns those that are.
 */
static unsigned lose(uint32_t one_in, unsigned exchanges, uint32_t deepest)
{
	struct end e = server_end(1);
	uint64_t seed = 7 + one_in;
	unsigned n = 0, complete = 0;

	e.flags = EVENT_FRESH;
	e.peer_port = 5432;
	feed_conn(&e);
	feed_bytes(&e, TX, "\0\0\0\x16\0\3\0\0user\0shopper\0", 22);
	feed_bytes(&e, RX, "R\0\0\0\x08\0\0\0\0" READY, 15);
	for (unsigned i = 0; i < exchanges; i++) {
		struct wire request = { .len = 0 }, response = { .len = 0 };
		unsigned deep = 1 + draw_below(&seed, deepest);
		bool lost = one_in && draw_below(&seed, one_in) == 0;

		if (draw_below(&seed, 2))
			add_simple(&request, &response, ++n);
		else
			for (unsigned k = 0; k < deep; k++)
				add_extended(&request, &response, ++n, true);
		move(&e, TX, &request, lost);
		lost = one_in && draw_below(&seed, one_in) == 0;
		move(&e, RX, &response, lost);
		feed_flush();
	}
	feed_end();
	for (size_t i = 0; i < seen_len; i++) {
		check_result(&seen[i].span);
		complete += !seen[i].span.incomplete;
	}
	if (!one_in)
		assert_int_equal(complete, n);
	return 100 * complete / n;
}

static void nothing_lost(void **state)
{
	(void)state;
	assert_int_equal(lose(0, 1000, 3), 100);
	assert_int_equal(dropped_any(), 0);
}

/* An exchange that is lost in part costs one more at most. */
/* What closed connections had prepared takes no room from those that are open. */
static void statements_of_closed_connections(void **state)
{
	struct wire prepare = { .len = 0 }, prepared = { .len = 0 }, execute = { .len = 0 },
		    done = { .len = 0 };
	struct end kept = server_end(1);

	(void)state;
	put(&prepare, "P\0\0\0\x11s\0UPDATE a\0\0\0S\0\0\0\4", 23);
	put(&prepared, "1\0\0\0\4" READY, 11);
	put(&execute, "B\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4", 29);
	put(&done, "2\0\0\0\4", 5);
	add(&done, 'C', 1, "UPDATE 1");
	add_ready(&done);
	for (uint64_t id = 1; id <= 2 * feed_config.statements_max; id++) {
		struct end other = server_end(id), *e = id == 1 ? &kept : &other;

		e->flags = EVENT_FRESH;
		e->peer_port = 5432;
		feed_conn(e);
		feed_bytes(e, TX, "\0\0\0\x16\0\3\0\0user\0shopper\0", 22);
		feed_bytes(e, RX, "R\0\0\0\x08\0\0\0\0" READY, 15);
		move(e, TX, &prepare, false);
		move(e, RX, &prepared, false);
		if (id > 1)
			feed_state(e, ESTABLISHED, CLOSED, 3, true, 0);
		feed_flush();
	}
	seen_len = 0;
	move(&kept, TX, &execute, false);
	move(&kept, RX, &done, false);
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_slice(span_text(&seen[0].span, TEXT_STATEMENT), "UPDATE a");
}

static void events_lost(void **state)
{
	(void)state;
	assert_in_range(lose(100, 1000, 1), 96, 99);
	assert_true(dropped(DROP_gap) > 0);
}

static void pipelined_events_lost(void **state)
{
	(void)state;
	assert_in_range(lose(100, 1000, 3), 90, 99);
}

static void many_events_lost(void **state)
{
	(void)state;
	assert_in_range(lose(10, 1000, 3), 40, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_bytes), spine_test(nothing_lost),
		spine_test(events_lost),      spine_test(pipelined_events_lost),
		spine_test(many_events_lost), spine_test(statements_of_closed_connections),
	};

	return cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
}
