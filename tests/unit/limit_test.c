/* SPDX-License-Identifier: Apache-2.0 */
/* conn, stream and exchange: the limits of everything that traffic can grow. */
#include "feed.h"

static void connections_limit(void **state)
{
	(void)state;
	feed_stop(NULL);
	feed_start(16, 64);
	for (uint64_t i = 1; i <= 20; i++) {
		struct end e = server_end(i);

		feed_conn(&e);
		feed_recv(&e, "GET /a HTTP/1.1\r\n");
	}
	assert_int_equal(stat_get(STAT_connections), 16);
	assert_int_equal(dropped(DROP_connections_full), 8); /* for its announcement and for its bytes */
	for (uint64_t i = 1; i <= 16; i++) {
		struct end e = server_end(i);

		e.rx_pos += sizeof("GET /a HTTP/1.1\r\n") - 1;
		feed_recv(&e, "\r\n");
		feed_send(&e, REPLY(200, 0));
		feed_state(&e, ESTABLISHED, CLOSED, RCV_SHUT | SEND_SHUT, true, 0);
	}
	feed_flush();
	assert_int_equal(seen_len, 16);
	assert_int_equal(stat_get(STAT_connections), 0);
	for (uint64_t i = 21; i <= 36; i++) {
		struct end e = server_end(i);

		feed_conn(&e);
	}
	assert_int_equal(dropped(DROP_connections_full), 8);
}

static void spans_limit(void **state)
{
	struct end ends[40];

	(void)state;
	feed_stop(NULL);
	feed_start(64, 32);
	for (size_t i = 0; i < COUNT(ends); i++) {
		ends[i] = server_end(1 + i);
		feed_conn(&ends[i]);
		feed_recv(&ends[i], GET("/a"));
	}
	assert_int_equal(dropped(DROP_spans_full), 8);
	for (size_t i = 0; i < COUNT(ends); i++)
		feed_send(&ends[i], REPLY(200, 0));
	feed_flush();
	assert_int_equal(seen_len, 32);
	assert_int_equal(dropped(DROP_response_unpaired), 8);
	feed_recv(&ends[39], GET("/b"));
	feed_send(&ends[39], REPLY(404, 0));
	feed_flush();
	assert_int_equal(seen_len, 33);
	check_complete(32, "/b", 404);
}

/* Requests beyond the limit of one connection are counted; no response is another's. */
static void pending_limit(void **state)
{
	enum { DEPTH = 4200, LIMIT = 4096 };
	struct end e = server_end(1);
	char text[256];

	(void)state;
	feed_stop(NULL);
	feed_start(64, 8000);
	feed_conn(&e);
	for (unsigned i = 0; i < DEPTH; i++)
		feed_bytes(&e, RX, text, put_request(text, sizeof(text), i));
	assert_int_equal(dropped(DROP_pending_full), DEPTH - LIMIT);
	for (unsigned i = 0; i < DEPTH; i++)
		feed_send(&e, REPLY(200, 0));
	feed_recv(&e, GET("/next"));
	feed_send(&e, REPLY(404, 0));
	feed_end();
	assert_int_equal(seen_len, LIMIT + 1);
	assert_int_equal(find_span("/next")->status, 404);
}

/* A head that is too long for the reassembly buffer still gives its request. */
static void head_longer_than_buffer(void **state)
{
	static char fields[40000];
	struct end e = server_end(1);
	size_t at = 0;

	(void)state;
	feed_conn(&e);
	feed_recv(&e, "GET /a HTTP/1.1\r\n");
	while (at < sizeof(fields) - 100)
		at += (size_t)sprintf(fields + at, "X-Field-%zu: some value that is some bytes long\r\n", at);
	for (size_t from = 0; from < at; from += 1000)
		feed_bytes(&e, RX, fields + from, at - from < 1000 ? at - from : 1000);
	feed_recv(&e, "\r\n");
	feed_send(&e, REPLY(200, 0));
	feed_recv(&e, GET("/b"));
	feed_send(&e, REPLY(404, 0));
	feed_end();
	assert_int_equal(seen_len, 2);
	check_span(0, "GET", "/a", 200, NULL);
	assert_true(seen[0].span.truncated);
	check_complete(1, "/b", 404);
}

static void buffers_limit(void **state)
{
	struct end ends[64];

	(void)state;
	feed_stop(NULL);
	feed_start(64, 256); /* 64 / 4 + 16 buffers */
	for (size_t i = 0; i < COUNT(ends); i++) {
		ends[i] = server_end(1 + i);
		feed_conn(&ends[i]);
		feed_recv(&ends[i], "GET /a HTT");
	}
	assert_int_equal(dropped(DROP_buffers_full), 32);
	for (size_t i = 0; i < COUNT(ends); i++) {
		feed_recv(&ends[i], "P/1.1\r\n\r\n");
		feed_send(&ends[i], REPLY(200, 0));
		feed_recv(&ends[i], GET("/b"));
		feed_send(&ends[i], REPLY(404, 0));
	}
	feed_end();
	for (size_t i = 0; i < seen_len; i++)
		assert_int_equal(seen[i].span.status, seen_text(i, TEXT_PATH).p[1] == 'a' ? 200 : 404);
	assert_true(seen_len >= 64); /* both of each that had a buffer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(connections_limit),       spine_test(spans_limit),   spine_test(pending_limit),
		spine_test(head_longer_than_buffer), spine_test(buffers_limit),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
