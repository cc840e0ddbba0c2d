/* SPDX-License-Identifier: Apache-2.0 */
/* conn, stream and exchange: whatever is lost, no request gets the answer to another. */
#include "feed.h"

static void request_lost(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_lost(&e, RX, 60);
	feed_send(&e, REPLY(404, 0));
	feed_recv(&e, GET("/c"));
	feed_send(&e, REPLY(500, 0));
	feed_end();

	assert_int_equal(seen_len, 2);
	check_complete(0, "/a", 200);
	check_complete(1, "/c", 500);
	assert_int_equal(dropped(DROP_gap), 1);
	assert_int_equal(dropped(DROP_response_unpaired), 1);
}

static void response_lost(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_recv(&e, GET("/b"));
	feed_lost(&e, TX, 70);
	feed_recv(&e, GET("/c"));
	feed_send(&e, REPLY(500, 0));
	feed_recv(&e, GET("/d"));
	feed_send(&e, REPLY(301, 0));
	feed_end();

	assert_int_equal(seen_len, 4);
	check_complete(0, "/a", 200);
	assert_int_equal(find_span("/b")->status, 0);
	assert_true(find_span("/b")->incomplete);
	assert_int_equal(find_span("/c")->status, 500);
	assert_int_equal(find_span("/d")->status, 301);
	assert_false(find_span("/d")->incomplete);
	assert_int_equal(dropped(DROP_gap), 1);
}

static void exchange_lost_whole(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_lost(&e, RX, 60);
	feed_lost(&e, TX, 70);
	feed_recv(&e, GET("/c"));
	feed_send(&e, REPLY(404, 0));
	feed_recv(&e, GET("/d"));
	feed_send(&e, REPLY(500, 0));
	feed_end();

	check_complete(0, "/a", 200);
	assert_true(find_span("/c")->status == 404 || find_span("/c")->incomplete);
	assert_int_equal(find_span("/d")->status, 500);
	assert_false(find_span("/d")->incomplete);
}

/* The kernel lost something, maybe of others: what was open then says so, what was over or began later does
 * not. */
static void shows_in_what_is_open(void **state)
{
	struct end e = server_end(1), other = server_end(2);

	(void)state;
	feed_conn(&e);
	feed_conn(&other);
	feed_recv(&e, GET("/before"));
	feed_send(&e, OK_EMPTY);
	feed_recv(&e, GET("/open"));
	other.data_flags |= EVENT_LOST;
	feed_recv(&other, GET("/after"));
	other.data_flags &= ~(unsigned)EVENT_LOST;
	feed_send(&other, OK_EMPTY);
	feed_send(&e, OK_EMPTY);
	feed_end();

	assert_int_equal(seen_len, 3);
	assert_false(find_span("/before")->losses);
	assert_true(find_span("/open")->losses);
	assert_false(find_span("/open")->incomplete);
	assert_false(find_span("/after")->losses);
}

/* So does what the agent itself has no room for. */
static void shows_when_spans_are_full(void **state)
{
	struct end ends[20];

	feed_stop(state);
	feed_start(1024, 16);
	for (size_t i = 0; i < COUNT(ends); i++) {
		ends[i] = server_end(i + 1);
		feed_conn(&ends[i]);
		feed_recv(&ends[i], GET("/open"));
	}
	for (size_t i = 0; i < COUNT(ends); i++)
		feed_send(&ends[i], OK_EMPTY);
	feed_flush();
	feed_recv(&ends[0], GET("/after"));
	feed_send(&ends[0], OK_EMPTY);
	feed_end();

	assert_int_equal(seen_len, 17);
	assert_int_equal(dropped(DROP_spans_full), 4);
	for (size_t i = 0; i < seen_len; i++)
		assert_int_equal(seen[i].span.losses,
				 !slice_eq(span_text(&seen[i].span, TEXT_PATH), SLICE("/after")));
}

/* The first of two pipelined requests was lost: its response must not become the second one's. */
static void pipelined_request_lost(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_lost(&e, RX, 60);
	feed_recv(&e, GET("/c"));
	feed_send(&e, REPLY(404, 0));
	feed_send(&e, REPLY(500, 0));
	feed_recv(&e, GET("/d"));
	feed_send(&e, REPLY(301, 0));
	feed_end();

	assert_true(find_span("/c")->status == 500 || find_span("/c")->status == 0);
	assert_int_equal(find_span("/d")->status, 301);
}

/* Bytes of bodies that were not captured, or whose event was lost, only count. */
static void holes_in_bodies(void **state)
{
	static char response[100100];
	struct end e = server_end(1);
	size_t head_len = (size_t)sprintf(response, REPLY(200, 100000));

	(void)state;
	memset(response + head_len, 'x', 100000);
	feed_conn(&e);
	feed_recv(&e, GET("/captured-in-part"));
	feed_data(&e, TX, response, (uint32_t)head_len + 100000, 4096, 32);
	feed_recv(&e, GET("/no-payload"));
	feed_bytes(&e, TX, response, head_len);
	feed_data(&e, TX, NULL, 60000, 0, 0);
	feed_data(&e, TX, NULL, 40000, 0, 0);
	feed_recv(&e, GET("/lost"));
	feed_bytes(&e, TX, response, head_len + 10000);
	feed_lost(&e, TX, 50000);
	feed_bytes(&e, TX, response + head_len, 40000);
	feed_recv(&e, GET("/next"));
	feed_send(&e, REPLY(404, 0));
	feed_end();

	assert_int_equal(seen_len, 4);
	check_complete(0, "/captured-in-part", 200);
	check_complete(1, "/no-payload", 200);
	check_span(2, "GET", "/lost", 200, NULL);
	assert_true(seen[2].span.incomplete);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(seen[i].span.response_len, 100000);
	check_complete(3, "/next", 404);
	assert_int_equal(dropped(DROP_gap), 1);
}

/* The event that was lost held the end of a body and the next response's head. */
static void hole_over_a_boundary(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a") GET("/b") GET("/c"));
	feed_send(&e, REPLY(200, 10) "12345");
	feed_lost(&e, TX, 5 + sizeof(REPLY(404, 0)) - 1);
	feed_send(&e, REPLY(500, 0));
	feed_recv(&e, GET("/d"));
	feed_send(&e, REPLY(302, 0));
	feed_end();

	assert_int_equal(seen_len, 4);
	assert_int_equal(find_span("/a")->status, 200);
	assert_int_equal(find_span("/b")->status, 0);
	assert_true(find_span("/b")->incomplete);
	assert_true(find_span("/c")->status == 500 || find_span("/c")->status == 0);
	assert_int_equal(find_span("/d")->status, 302);
}

/* Chunks whose framing was not captured end when nothing more comes. */
static void chunked_with_hole(void **state)
{
	static char body[20000];
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct end e = server_end(1);

	(void)state;
	memset(body, 'x', sizeof(body));
	memcpy(body, head, sizeof(head) - 1);
	memcpy(body + sizeof(body) - 7, "\r\n0\r\n\r\n", 7);
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_data(&e, TX, body, sizeof(body), 100, 16);
	feed_flush();
	assert_int_equal(seen_len, 0);
	feed_ns += SECOND_NS / 2;
	assert_false(conns_tick(feed_ns));
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_span(0, "GET", "/a", 200, NULL);
	feed_recv(&e, GET("/b"));
	feed_send(&e, REPLY(404, 0));
	feed_flush();
	assert_int_equal(seen_len, 2);
	check_complete(1, "/b", 404);
}

/*
 * Random connections. A request says in its path what the status of its response is, so whatever is split,
 * hidden or lost, no span may have another.
 */
enum pattern {
	SEQUENTIAL, /* one at a time */
	BATCHES,    /* several requests, then all their responses */
	WINDOW,     /* a request whenever not too many are unanswered */
	PATTERNS,
};

#define SCRIPT_EXCHANGES 48
#define SCRIPT_RUN       60000

struct random_conn {
	struct end end;
	unsigned request_dir;
	uint32_t number;
	uint64_t *seed;
	uint32_t loss; /* one event in so many is lost; 0: none */
	bool hides;    /* long events are not captured in full */
	bool whole;    /* each head moves in an event of its own */
	bool sure;     /* what is moved now is seen */
	bool answering;
	uint32_t depth; /* requests of the batch */
	/* What was written in one direction and did not move yet, and whose each byte is. */
	unsigned dir;
	size_t run_len;
	char run[SCRIPT_RUN];
	uint8_t owner[SCRIPT_RUN];
	bool harmed[SCRIPT_EXCHANGES];
};

static int status_of(uint32_t number, uint32_t exchange)
{
	return (int)(400 + (exchange * 31 + number * 17) % 600);
}

static void move_event(struct random_conn *r, size_t from, size_t len)
{
	bool lost = r->loss && !r->sure && draw_below(r->seed, r->loss) == 0;
	size_t shown = r->hides && !r->sure && len > 300 ? 200 + draw_below(r->seed, 80) : len;

	for (size_t at = from; at < from + len; at++)
		r->harmed[r->owner[at]] |= lost || shown < len;
	if (lost)
		feed_lost(&r->end, r->dir, len);
	else
		feed_data(&r->end, r->dir, r->run + from, (uint32_t)len, shown, shown < len ? 16 : 0);
}

/* All that was written moves, in random pieces. */
static void move_run(struct random_conn *r)
{
	size_t at = 0;

	while (at < r->run_len) {
		size_t left = r->run_len - at, len = left;

		if (draw_below(r->seed, 3))
			len = 1 + draw_below(r->seed, draw_below(r->seed, 2) ? 40 : (uint32_t)left);
		if (len > left)
			len = left;
		move_event(r, at, len);
		at += len;
	}
	r->run_len = 0;
}

static void append(struct random_conn *r, unsigned dir, uint32_t exchange, const char *bytes, size_t len)
{
	if (r->dir != dir)
		move_run(r);
	r->dir = dir;
	assert_true(r->run_len + len <= sizeof(r->run));
	memcpy(r->run + r->run_len, bytes, len);
	memset(r->owner + r->run_len, (int)exchange, len);
	r->run_len += len;
}

static void write_bytes(struct random_conn *r, unsigned dir, uint32_t exchange, const char *bytes, size_t len)
{
	append(r, dir, exchange, bytes, len);
	if (draw_below(r->seed, 3) == 0)
		move_run(r);
}

static void write_head(struct random_conn *r, unsigned dir, uint32_t exchange, const char *head)
{
	if (!r->whole) {
		write_bytes(r, dir, exchange, head, strlen(head));
		return;
	}
	move_run(r);
	append(r, dir, exchange, head, strlen(head));
	move_event(r, 0, r->run_len);
	r->run_len = 0;
}

static void write_body(struct random_conn *r, unsigned dir, uint32_t exchange, const char *start)
{
	static const char filler[1000] = { [0 ... 999] = 'b' };
	uint32_t kind = draw_below(r->seed, 4), len = kind ? draw_below(r->seed, 900) : 0;
	char text[256];

	if (kind < 3) {
		snprintf(text, sizeof(text), "%sContent-Length: %u\r\n\r\n", start, len);
		write_head(r, dir, exchange, text);
		write_bytes(r, dir, exchange, filler, len);
		return;
	}
	snprintf(text, sizeof(text), "%sTransfer-Encoding: chunked\r\n\r\n", start);
	write_head(r, dir, exchange, text);
	for (uint32_t chunks = draw_below(r->seed, 4); chunks; chunks--) {
		len = 1 + draw_below(r->seed, 500);
		write_bytes(r, dir, exchange, text, (size_t)snprintf(text, sizeof(text), "%x\r\n", len));
		write_bytes(r, dir, exchange, filler, len);
		write_bytes(r, dir, exchange, "\r\n", 2);
	}
	write_bytes(r, dir, exchange, "0\r\n\r\n", 5);
}

static void write_request(struct random_conn *r, uint32_t exchange)
{
	char text[128];

	snprintf(text, sizeof(text), "%s /e/%05u/%03u HTTP/1.1\r\nHost: h\r\n",
		 draw_below(r->seed, 2) ? "POST" : "PUT", r->number, exchange);
	if (draw_below(r->seed, 2)) {
		strcat(text, "\r\n");
		write_head(r, r->request_dir, exchange, text);
	} else {
		write_body(r, r->request_dir, exchange, text);
	}
}

static void write_response(struct random_conn *r, uint32_t exchange)
{
	char text[128];

	snprintf(text, sizeof(text), "HTTP/1.1 %d Some Reason\r\n", status_of(r->number, exchange));
	write_body(r, !r->request_dir, exchange, text);
}

/*
 * Does a response come next? The first two exchanges show, before anything is lost, how the client behaves:
 * as long as it was not seen to do otherwise, it is taken for one that sends when all is answered.
 */
static bool is_answer_next(struct random_conn *r, enum pattern pattern, uint32_t asked, uint32_t answered)
{
	uint32_t waiting = asked - answered;

	if (waiting == 0) {
		r->depth = answered ? 1 + draw_below(r->seed, 16) : 2;
		r->answering = false;
		return false;
	}
	r->answering |= waiting == r->depth;
	if (asked == SCRIPT_EXCHANGES || pattern == SEQUENTIAL)
		return true;
	if (pattern == BATCHES)
		return r->answering;
	if (asked <= 3 && answered < 2)
		return asked == 3 || (asked == 2 && answered == 0);
	return waiting == 10 || draw_below(r->seed, 2);
}

static void play(struct random_conn *r, enum pattern pattern)
{
	uint32_t asked = 0, answered = 0;

	r->sure = pattern != SEQUENTIAL;
	while (answered < SCRIPT_EXCHANGES) {
		if (is_answer_next(r, pattern, asked, answered))
			write_response(r, answered++);
		else
			write_request(r, asked++);
		if (answered == 2 && r->sure) {
			move_run(r);
			r->sure = false;
		}
	}
	move_run(r);
	feed_state(&r->end, ESTABLISHED, CLOSED, RCV_SHUT | SEND_SHUT, true, 0);
	feed_flush();
}

/* Every span's status is its own; returns a bit for each exchange that was seen in full. */
static uint64_t check_statuses(const struct random_conn *r)
{
	uint64_t right = 0;

	for (size_t i = 0; i < seen_len; i++) {
		unsigned number, exchange;
		char path[32] = "";
		struct slice text = seen_text(i, TEXT_PATH);

		if (text.len < strlen("/e/00000/000") && seen[i].span.truncated)
			continue;
		memcpy(path, text.p, text.len < sizeof(path) ? text.len : sizeof(path) - 1);
		if (sscanf(path, "/e/%u/%u", &number, &exchange) != 2 || number != r->number ||
		    exchange >= SCRIPT_EXCHANGES)
			fail_msg("no such path was asked for: %s", path);
		if (seen[i].span.status == 0)
			continue;
		if (seen[i].span.status != status_of(number, exchange))
			fail_msg("%s has the status %d of another", path, seen[i].span.status);
		if (right >> exchange & 1)
			fail_msg("%s was answered twice", path);
		right |= 1ULL << exchange;
	}
	return right;
}

static void random_connections(uint32_t loss, bool hides, uint32_t connections)
{
	static struct random_conn r;
	uint64_t seed = 1 + loss + hides;

	for (uint32_t number = 1; number <= connections; number++) {
		bool server = draw_below(&seed, 4);
		enum pattern pattern = (enum pattern)draw_below(&seed, PATTERNS);
		uint64_t right;

		r = (struct random_conn){ .end = server ? server_end(number) : client_end(number),
					  .request_dir = server ? RX : TX,
					  .number = number,
					  .seed = &seed,
					  .loss = loss,
					  .hides = hides,
					  .whole = draw_below(&seed, 2) };
		r.end.rx_pos = (uint32_t)draw(&seed);
		r.end.tx_pos = (uint32_t)draw(&seed);
		seen_len = 0;
		feed_conn(&r.end);
		play(&r, pattern);
		right = check_statuses(&r);
		if (loss == 0 && !hides)
			assert_true(right == (1ULL << SCRIPT_EXCHANGES) - 1);
		/* The start of a message that is cut in two cannot be found again. */
		for (int i = 2; i < SCRIPT_EXCHANGES && pattern == SEQUENTIAL && r.whole; i++)
			if (!r.harmed[i] && !r.harmed[i - 1] && !r.harmed[i - 2] && !(right >> i & 1))
				fail_msg("connection %u: exchange %d is not paired", number, i);
	}
}

#define RANDOM_TEST(name, loss, hides, connections)                                                          \
	static void name(void **state)                                                                       \
	{                                                                                                    \
		(void)state;                                                                                 \
		random_connections(loss, hides, connections);                                                \
	}

RANDOM_TEST(random_splits, 0, false, 600)
RANDOM_TEST(random_hidden, 0, true, 600)
RANDOM_TEST(random_loss_1000, 1000, true, 1500)
RANDOM_TEST(random_loss_100, 100, false, 1500)
RANDOM_TEST(random_loss_20, 20, true, 1500)
RANDOM_TEST(random_loss_3, 3, false, 1500)

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(shows_in_what_is_open), spine_test(shows_when_spans_are_full),
		spine_test(request_lost),          spine_test(response_lost),
		spine_test(exchange_lost_whole),   spine_test(pipelined_request_lost),
		spine_test(holes_in_bodies),       spine_test(hole_over_a_boundary),
		spine_test(chunked_with_hole),     spine_test(random_splits),
		spine_test(random_hidden),         spine_test(random_loss_1000),
		spine_test(random_loss_100),       spine_test(random_loss_20),
		spine_test(random_loss_3),
	};

	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
