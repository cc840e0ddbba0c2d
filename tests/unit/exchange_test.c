/* SPDX-License-Identifier: Apache-2.0 */
/* conn, stream and exchange: what is asked and what answers it, when nothing is lost. */
#include "feed.h"

static void one_exchange(void **state)
{
	struct end e = server_end(1);
	uint64_t start_ns;

	(void)state;
	feed_conn(&e);
	feed_recv(&e, "POST /orders?a=b HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: me\r\n"
		      "X-Request-ID: r-1\r\nContent-Length: 3\r\n\r\nabc");
	start_ns = feed_ns;
	feed_send(&e, "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhe");
	feed_send(&e, "llo");
	feed_flush();

	assert_int_equal(seen_len, 1);
	check_span(0, "POST", "/orders", 201, NULL);
	check_slice(seen_text(0, TEXT_QUERY), "a=b");
	check_slice(seen_text(0, TEXT_ROUTE), "/orders");
	check_slice(seen_text(0, TEXT_HOST), "shop.example");
	check_slice(seen_text(0, TEXT_USER_AGENT), "me");
	check_slice(seen_text(0, TEXT_REQUEST_ID), "r-1");
	assert_int_equal(seen[0].span.kind, SPAN_SERVER);
	assert_string_equal(seen[0].span.protocol, "http");
	assert_int_equal(seen[0].span.pid, PID_SERVER);
	assert_int_equal(seen[0].span.request_len, 3);
	assert_int_equal(seen[0].span.response_len, 5);
	assert_true(seen[0].span.start_ns == start_ns);
	assert_true(seen[0].span.first_byte_ns == start_ns + 1000);
	assert_true(seen[0].span.end_ns == start_ns + 2000);
	assert_int_equal(seen[0].span.local.port, 8080);
	assert_int_equal(seen[0].span.peer.port, 40001);
	assert_false(seen[0].span.incomplete);
	assert_false(seen[0].span.truncated);
	assert_int_equal(dropped_any(), 0);
}

static void client_exchange(void **state)
{
	struct end e = client_end(1);

	(void)state;
	feed_conn(&e);
	feed_send(&e, GET("/a"));
	feed_recv(&e, OK_EMPTY);
	feed_flush();

	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
	assert_int_equal(seen[0].span.kind, SPAN_CLIENT);
	assert_int_equal(seen[0].span.peer.port, 8080);
}

/* The span runs from the first byte of the head, though its event alone told nothing. */
static void byte_by_byte(void **state)
{
	static const char request[] = GET("/a"), response[] = REPLY(404, 2) "no";
	struct end e = server_end(1);
	uint64_t start_ns;

	(void)state;
	feed_conn(&e);
	start_ns = feed_ns + 1000;
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		feed_bytes(&e, RX, request + i, 1);
	for (size_t i = 0; i < sizeof(response) - 1; i++)
		feed_bytes(&e, TX, response + i, 1);
	feed_flush();

	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 404);
	assert_true(seen[0].span.start_ns == start_ns);
	assert_true(seen[0].span.first_byte_ns == start_ns + 1000 * (sizeof(request) - 1));
	assert_true(seen[0].span.end_ns == feed_ns);
	assert_int_equal(seen[0].span.response_len, 2);
}

static void keep_alive(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_flush();
	assert_int_equal(seen_len, 1); /* seen at once, the connection stays open */
	feed_recv(&e, GET("/b"));
	feed_send(&e, REPLY(404, 0));
	feed_recv(&e, "HEAD /c HTTP/1.1\r\n\r\n");
	feed_send(&e, REPLY(500, 100));
	feed_recv(&e, GET("/d"));
	feed_send(&e, REPLY(302, 0));
	feed_flush();

	assert_int_equal(seen_len, 4);
	check_complete(0, "/a", 200);
	check_complete(1, "/b", 404);
	check_span(2, "HEAD", "/c", 500, NULL);
	assert_int_equal(seen[2].span.response_len, 0);
	check_complete(3, "/d", 302);
	assert_int_equal(dropped_any(), 0);
}

static void check_pipelined(unsigned depth)
{
	assert_int_equal(seen_len, depth);
	for (unsigned i = 0; i < depth; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/p/x%u", i);
		check_complete(i, path, 400 + (int)i);
		assert_int_equal(seen[i].span.response_len, i);
	}
}

/* All requests in one event, all responses in another, in pieces of every length. */
static void pipelined_16(void **state)
{
	char requests[2048], responses[2048];
	size_t requests_len = 0, responses_len = 0;

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		requests_len += put_request(requests + requests_len, sizeof(requests) - requests_len, i);
		responses_len +=
			put_response(responses + responses_len, sizeof(responses) - responses_len, i);
	}
	for (size_t piece = 1; piece <= responses_len; piece += piece < 80 ? 1 : 97) {
		struct end e = server_end(piece);

		seen_len = 0;
		feed_conn(&e);
		for (size_t at = 0; at < requests_len; at += piece)
			feed_bytes(&e, RX, requests + at,
				   piece < requests_len - at ? piece : requests_len - at);
		for (size_t at = 0; at < responses_len; at += piece)
			feed_bytes(&e, TX, responses + at,
				   piece < responses_len - at ? piece : responses_len - at);
		feed_flush();
		check_pipelined(16);
		feed_state(&e, ESTABLISHED, CLOSED, RCV_SHUT | SEND_SHUT, true, 0);
	}
	assert_int_equal(dropped_any(), 0);
}

/* A response goes out before the next request comes in, while others wait. */
static void pipelined_overlapping(void **state)
{
	struct end e = server_end(1);
	char text[256];

	(void)state;
	feed_conn(&e);
	for (unsigned i = 0; i < 24; i++) {
		if (i < 16)
			feed_bytes(&e, RX, text, put_request(text, sizeof(text), i));
		if (i >= 8)
			feed_bytes(&e, TX, text, put_response(text, sizeof(text), i - 8));
	}
	feed_flush();
	check_pipelined(16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(one_exchange), spine_test(client_exchange), spine_test(byte_by_byte),
		spine_test(keep_alive),   spine_test(pipelined_16),    spine_test(pipelined_overlapping),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
