/* SPDX-License-Identifier: Apache-2.0 */
/* conn, stream and exchange: events in, spans out, whatever was lost between. */
#include "feed.h"

#include <errno.h>

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

static size_t put_request(char *buf, size_t size, unsigned i)
{
	return (size_t)snprintf(buf, size, "GET /p/x%u HTTP/1.1\r\nHost: h\r\n\r\n", i);
}

static size_t put_response(char *buf, size_t size, unsigned i)
{
	return (size_t)snprintf(buf, size, "HTTP/1.1 %u X\r\nContent-Length: %u\r\n\r\n%.*s", 400 + i, i,
				(int)i, "****************");
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

static void close_delimited(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, "HTTP/1.1 200 OK\r\n\r\n12345");
	feed_send(&e, "67");
	feed_flush();
	assert_int_equal(seen_len, 0);
	feed_state(&e, ESTABLISHED, FIN_WAIT1, SEND_SHUT, true, 0);
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
	assert_int_equal(seen[0].span.response_len, 7);
}

/* The peer's end stops a client's waiting, and completes what only it can complete. */
static void peer_ends(void **state)
{
	struct end e = client_end(1), f = client_end(2), g = client_end(3);

	(void)state;
	feed_conn(&e);
	feed_send(&e, GET("/none"));
	feed_eof(&e);
	feed_conn(&f);
	feed_send(&f, GET("/to-close"));
	feed_recv(&f, "HTTP/1.0 200 OK\r\n\r\n123");
	feed_eof(&f);
	feed_conn(&g);
	feed_send(&g, GET("/half"));
	feed_recv(&g, REPLY(200, 10) "12");
	feed_eof(&g);
	feed_flush();

	assert_int_equal(seen_len, 3);
	check_span(0, "GET", "/none", 0, "peer_closed");
	assert_false(seen[0].span.incomplete);
	check_complete(1, "/to-close", 200);
	check_span(2, "GET", "/half", 200, "peer_closed");
	assert_true(seen[2].span.incomplete);
}

/* A client that has sent all may still be answered. */
static void half_close(void **state)
{
	struct end e = server_end(1), f = client_end(2);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/served"));
	feed_eof(&e);
	feed_state(&e, ESTABLISHED, CLOSE_WAIT, RCV_SHUT, false, 0);
	feed_send(&e, REPLY(200, 0));
	feed_conn(&f);
	feed_send(&f, GET("/asked"));
	feed_state(&f, ESTABLISHED, FIN_WAIT1, SEND_SHUT, false, 0);
	feed_recv(&f, REPLY(404, 0));
	feed_flush();

	assert_int_equal(seen_len, 2);
	check_complete(0, "/served", 200);
	check_complete(1, "/asked", 404);
}

static void reset(void **state)
{
	static const struct {
		int old_state;
		bool closed;
		uint32_t error;
		const char *error_type;
	} cases[] = {
		{ ESTABLISHED, true, ECONNRESET, "connection_reset" },
		{ ESTABLISHED, true, EPIPE, "connection_reset" },
		{ ESTABLISHED, true, ETIMEDOUT, "connection_timeout" },
		{ ESTABLISHED, true, 0, "local_closed" },
		{ ESTABLISHED, false, 0, "local_closed" },
		{ CLOSE_WAIT, false, 0, "local_closed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct end e = server_end(10 + i);

		seen_len = 0;
		feed_conn(&e);
		feed_recv(&e, GET("/a"));
		feed_send(&e, REPLY(200, 10) "12");
		feed_recv(&e, GET("/b"));
		feed_state(&e, cases[i].old_state, CLOSED, RCV_SHUT | SEND_SHUT, cases[i].closed,
			   cases[i].error);
		feed_flush();
		assert_int_equal(seen_len, 2);
		check_span(0, "GET", "/a", 200, cases[i].error_type);
		assert_true(seen[0].span.incomplete);
		check_span(1, "GET", "/b", 0, cases[i].error_type);
	}
	assert_int_equal(stat_get(STAT_connections), 0);
}

/* The end of a connection that its own process closes waits for the peer; its requests do not. */
static void closed_before_its_end(void **state)
{
	struct end e = client_end(1);

	(void)state;
	feed_conn(&e);
	feed_send(&e, GET("/slow"));
	feed_state(&e, ESTABLISHED, FIN_WAIT1, RCV_SHUT | SEND_SHUT, false, 0);
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_span(0, "GET", "/slow", 0, "local_closed");
	feed_state(&e, FIN_WAIT1, CLOSED, RCV_SHUT | SEND_SHUT, true, 0);
	feed_flush();
	assert_int_equal(seen_len, 1);
	assert_int_equal(stat_get(STAT_connections), 0);
}

/* What had arrived before the connection ended is still read. */
static void read_after_end(void **state)
{
	struct end e = client_end(1), f = client_end(2);

	(void)state;
	feed_conn(&e);
	feed_send(&e, GET("/read"));
	feed_state(&e, ESTABLISHED, CLOSED, RCV_SHUT | SEND_SHUT, false, ECONNRESET);
	feed_recv(&e, REPLY(200, 0));
	feed_conn(&f);
	feed_send(&f, GET("/unread"));
	feed_state(&f, ESTABLISHED, CLOSED, RCV_SHUT | SEND_SHUT, false, ECONNRESET);
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/read", 200);
	assert_true(conns_tick(feed_ns));
	feed_ns += SECOND_NS;
	assert_false(conns_tick(feed_ns));
	feed_flush();
	assert_int_equal(seen_len, 2);
	check_span(1, "GET", "/unread", 0, "connection_reset");
	assert_int_equal(stat_get(STAT_connections), 0);
}

static void connect_errors(void **state)
{
	static const struct {
		uint32_t error;
		const char *error_type;
	} cases[] = {
		{ ECONNREFUSED, "connect_refused" },
		{ ETIMEDOUT, "connect_timeout" },
		{ EHOSTUNREACH, "connect_unreachable" },
		{ ENETUNREACH, "connect_unreachable" },
		{ 0, "connect_abandoned" },
		{ EACCES, "connect_failed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct end e = client_end(10 + i);
		uint64_t start_ns;

		e.local_port = 0;
		feed_conn(&e);
		start_ns = feed_ns;
		feed_state(&e, SYN_SENT, CLOSED, 0, true, cases[i].error);
		feed_flush();
		assert_int_equal(seen_len, i + 1);
		check_span(i, "", "", 0, cases[i].error_type);
		assert_int_equal(seen[i].span.kind, SPAN_CLIENT);
		assert_string_equal(seen[i].span.protocol, "tcp");
		assert_int_equal(seen[i].span.peer.port, 8080);
		assert_true(seen[i].span.start_ns == start_ns);
		assert_true(seen[i].span.end_ns == feed_ns);
	}
	assert_int_equal(stat_get(STAT_connections), 0);
}

static void connected_late(void **state)
{
	struct end e = client_end(1);
	uint16_t port = e.local_port;

	(void)state;
	e.local_port = 0;
	feed_conn(&e);
	e.local_port = port;
	e.tx_pos = 777;
	e.rx_pos = 888;
	feed_state(&e, SYN_SENT, ESTABLISHED, 0, false, 0);
	feed_send(&e, GET("/a"));
	feed_recv(&e, REPLY(200, 0));
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
	assert_int_equal(seen[0].span.local.port, port);
	assert_int_equal(dropped_any(), 0);
}

/* Opened before the attach: what is in progress is nobody's, what comes next is right. */
static void opened_before(void **state)
{
	struct end e = server_end(1), f = client_end(2), g = server_end(3);

	(void)state;
	e.flags &= ~(unsigned)EVENT_FRESH;
	f.flags &= ~(unsigned)EVENT_FRESH;
	g.flags &= ~(unsigned)EVENT_FRESH;
	feed_conn(&e);
	feed_send(&e, "the rest of a body, and then");
	feed_recv(&e, GET("/idle"));
	feed_send(&e, REPLY(200, 0));
	feed_conn(&f);
	feed_recv(&f, REPLY(500, 0));
	feed_send(&f, GET("/client"));
	feed_recv(&f, REPLY(404, 0));
	feed_conn(&g);
	feed_recv(&g, "field: of a head whose start was not seen\r\n\r\n");
	feed_send(&g, REPLY(500, 4) "1234");
	feed_recv(&g, GET("/after"));
	feed_send(&g, REPLY(201, 0));
	feed_end();

	assert_int_equal(seen_len, 3);
	check_complete(0, "/idle", 200);
	check_complete(1, "/client", 404);
	check_complete(2, "/after", 201);
	assert_int_equal(dropped_any(), 0);
}

/* What a body looks like does not turn a server into a client. */
static void opened_before_roles(void **state)
{
	struct end e = server_end(1);

	(void)state;
	e.flags &= ~(unsigned)EVENT_FRESH;
	feed_conn(&e);
	feed_send(&e, GET("/in-a-body"));
	feed_recv(&e, REPLY(200, 0));
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(404, 0));
	feed_end();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 404);
	assert_int_equal(seen[0].span.kind, SPAN_SERVER);
}

/* Never announced: role and first position are not known, and what is seen is still right. */
static void not_announced(void **state)
{
	struct end e = client_end(1);

	(void)state;
	feed_send(&e, GET("/a"));
	feed_recv(&e, REPLY(200, 0));
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
}

static void unknown_protocol(void **state)
{
	struct end e = server_end(1), f = server_end(2);
	uint64_t unknown = stat_get(STAT_connections_unknown), bytes = stat_get(STAT_unknown_bytes);

	(void)state;
	feed_conn(&e);
	feed_bytes(&e, RX, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
	feed_send(&e, "anything");
	feed_recv(&e, GET("/not-a-request"));
	feed_conn(&f);
	feed_recv(&f, "GE");
	feed_recv(&f, "\x01\x02");
	feed_send(&f, REPLY(200, 0));
	feed_end();
	assert_int_equal(seen_len, 0);
	assert_int_equal(stat_get(STAT_connections_unknown) - unknown, 2);
	assert_int_equal(stat_get(STAT_unknown_bytes) - bytes,
			 11 + 8 + sizeof(GET("/not-a-request")) - 1 + 4 + sizeof(REPLY(200, 0)) - 1);
	assert_int_equal(dropped_any(), 0);
}

/* A protocol is not looked for without end. */
static void detection_limit(void **state)
{
	static char token[4000];
	struct end e = server_end(1);
	uint64_t unknown = stat_get(STAT_connections_unknown);

	(void)state;
	memset(token, 'A', sizeof(token));
	feed_conn(&e);
	for (int i = 0; i < 10; i++)
		feed_bytes(&e, RX, token, sizeof(token));
	assert_int_equal(stat_get(STAT_connections_unknown) - unknown, 1);
}

static void upgraded(void **state)
{
	struct end e = server_end(1);
	uint64_t opaque = stat_get(STAT_connections_opaque), bytes = stat_get(STAT_opaque_bytes);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, "GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	feed_send(&e, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
	feed_recv(&e, GET("/no-request"));
	feed_send(&e, REPLY(200, 0));
	feed_end();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/ws", 101);
	assert_int_equal(stat_get(STAT_connections_opaque) - opaque, 1);
	assert_int_equal(stat_get(STAT_opaque_bytes) - bytes,
			 sizeof(GET("/no-request")) - 1 + sizeof(REPLY(200, 0)) - 1);
}

static void positions_wrap(void **state)
{
	struct end e = server_end(1);

	(void)state;
	e.rx_pos = UINT32_MAX - 20;
	e.tx_pos = UINT32_MAX - 30;
	feed_conn(&e);
	for (int i = 0; i < 4; i++) {
		feed_recv(&e, GET("/a"));
		feed_send(&e, REPLY(200, 4) "1234");
	}
	e.rx_pos = UINT32_MAX - 9;
	feed_recv(&e, GET("/gap"));
	feed_send(&e, REPLY(404, 0));
	feed_flush();
	assert_int_equal(dropped(DROP_out_of_order), 1); /* back over the wrap is old, not far ahead */
	assert_int_equal(seen_len, 4);
	for (size_t i = 0; i < 4; i++)
		check_complete(i, "/a", 200);
	feed_end();
}

/* The same bytes again change nothing. */
static void seen_twice(void **state)
{
	struct end e = server_end(1), before;

	(void)state;
	feed_conn(&e);
	before = e;
	feed_recv(&e, GET("/a"));
	feed_recv(&before, GET("/a"));
	feed_conn(&e);
	feed_send(&e, REPLY(200, 0));
	feed_end();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
	assert_int_equal(dropped(DROP_out_of_order), 1);
}

/* Nothing is read behind a record's end, and what is too short for its type is counted. */
static void malformed_sizes(void **state)
{
	static const size_t sizes[] = {
		[EVENT_DATA] = sizeof(struct event_data),   [EVENT_CONN] = sizeof(struct event_conn),
		[EVENT_STATE] = sizeof(struct event_state), [EVENT_PROCESS] = sizeof(struct event_process),
		[EVENT_CALL] = sizeof(struct event_call),   [EVENT_RETURN] = sizeof(struct event_call),
		[EVENT_UNWIND] = sizeof(struct event_call), [EVENT_SQL_ROW] = sizeof(struct event_sql),
		[EVENT_SQL_END] = sizeof(struct event_sql),
	};
	static _Alignas(8) char record[1024];
	struct event *h = (struct event *)record;
	uint64_t expected = 0, unknown = 0;

	(void)state;
	for (unsigned type = 0; type <= COUNT(sizes); type++)
		for (size_t size = 0; size <= 512; size++) {
			size_t least = type < COUNT(sizes) ? sizes[type] : 0;

			memset(record, 0, sizeof(record));
			h->type = (uint16_t)type;
			h->pid = PID_SERVER;
			h->sock = 1;
			feed(record, size);
			expected += !least || size < least;
			assert_int_equal(dropped(DROP_event_malformed), expected);
			unknown += (type == EVENT_CALL || type == EVENT_RETURN) && size >= least;
			assert_int_equal(dropped(DROP_function_unknown), unknown);
		}
}

static void malformed_lengths(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t head_len, tail_len;
		size_t captured; /* what the record has room for */
	} cases[] = {
		{ 10, 11, 0, 11 },
		{ 10, 6, 5, 11 },
		{ 10, 10, 0, 9 },
		{ 10, 5, 5, 9 },
		{ 0, 1, 0, 1 },
		{ 0, 0, 1, 1 },
		{ 70000, UINT16_MAX, UINT16_MAX, 0 },
	};
	static _Alignas(8) char record[256];
	struct event_data *r = (struct event_data *)record;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		*r = (struct event_data){ .h = { .type = EVENT_DATA, .pid = PID_SERVER, .sock = 1 },
					  .len = cases[i].len,
					  .head_len = cases[i].head_len,
					  .tail_len = cases[i].tail_len };
		feed(record, sizeof(*r) + cases[i].captured);
		assert_int_equal(dropped(DROP_event_malformed), i + 1);
	}
	assert_int_equal(stat_get(STAT_connections), 0);
}

/* Any values in records of a right size: nothing is read or written where it may not be. */
static void random_records(void **state)
{
	static _Alignas(8) char record[1024];
	struct event *h = (struct event *)record;
	struct event_data *data = (struct event_data *)record;
	uint64_t seed = 20;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t size = 8 * draw_below(&seed, sizeof(record) / 8 + 1);

		for (size_t at = 0; at < sizeof(record); at += 8) {
			uint64_t r = draw(&seed);

			memcpy(record + at, &r, 8);
		}
		h->type = (uint16_t)draw_below(&seed, 6);
		h->pid = PID_SERVER + draw_below(&seed, 50);
		h->tid = h->pid;
		h->time_ns = feed_ns += 1000;
		h->sock = 1 + draw_below(&seed, 40);
		if (h->type == EVENT_DATA && size > sizeof(*data) && draw_below(&seed, 8)) {
			size_t room = size - sizeof(*data);

			data->len = (uint32_t)room + draw_below(&seed, 2) * draw_below(&seed, 100000);
			data->head_len = (uint16_t)draw_below(&seed, (uint32_t)room + 1);
			data->tail_len = (uint16_t)draw_below(&seed, (uint32_t)(room - data->head_len) + 1);
			data->pos = draw_below(&seed, 3000);
			if (draw_below(&seed, 2))
				memcpy(data->data, draw_below(&seed, 2) ? "GET / HTTP/1.1\r\n\r\n" : OK_EMPTY,
				       18);
		}
		feed(record, size < sizeof(*h) ? sizeof(*h) : size);
		if (i % 64 == 0) {
			conns_tick(feed_ns);
			feed_flush();
			seen_len = 0;
		}
	}
	assert_true(dropped(DROP_event_malformed) > 0);
	assert_true(stat_get(STAT_connections) <= 40);
}

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

/* Connections that nobody uses are forgotten, unless something is still unanswered. */
static void idle(void **state)
{
	struct end e = server_end(1), f = server_end(2);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_conn(&f);
	feed_recv(&f, GET("/waits"));
	feed_ns += 3600 * SECOND_NS;
	conns_tick(feed_ns);
	assert_int_equal(stat_get(STAT_connections), 1);
	feed_send(&f, REPLY(404, 0));
	feed_flush();
	assert_int_equal(seen_len, 2);
	check_complete(1, "/waits", 404);
}

/* A unix connection whose peer has ended is forgotten soon: its close is not seen. */
static void unix_connection(void **state)
{
	struct end e = server_end(1);

	(void)state;
	e.family = AF_UNIX;
	e.local_port = e.peer_port = 0;
	e.id = 10;
	e.peer_id = 11;
	e.path = "/run/app.sock";
	e.path_len = strlen(e.path) + 1;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_send(&e, REPLY(200, 0));
	feed_recv(&e, GET("/b"));
	feed_eof(&e);
	feed_flush();
	assert_int_equal(seen_len, 1);
	check_complete(0, "/a", 200);
	check_slice(seen_text(0, TEXT_SOCKET_PATH), "/run/app.sock");
	feed_ns += 60 * SECOND_NS;
	conns_tick(feed_ns);
	feed_flush();
	assert_int_equal(seen_len, 2);
	check_span(1, "GET", "/b", 0, "local_closed");
	assert_int_equal(stat_get(STAT_connections), 0);
}

static void unix_paths(void **state)
{
	static const struct {
		const char *path;
		size_t len;
		const char *shown;
	} cases[] = { { "", 0, "" }, { "\0abc", 4, "@abc" }, { "/a\0b", 4, "/a" }, { "/a", 2, "/a" } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct end e = server_end(1 + i);

		e.family = AF_UNIX;
		e.path = cases[i].path;
		e.path_len = cases[i].len;
		feed_conn(&e);
		feed_recv(&e, GET("/a"));
		feed_send(&e, REPLY(200, 0));
		feed_flush();
		assert_int_equal(seen_len, i + 1);
		check_slice(seen_text(i, TEXT_SOCKET_PATH), cases[i].shown);
	}
}

/* What is in flight at the end is told as what it is. */
static void ends_in_flight(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	feed_end();
	assert_int_equal(seen_len, 1);
	check_span(0, "GET", "/a", 0, NULL);
	assert_true(seen[0].span.incomplete);
	assert_int_equal(stat_get(STAT_connections), 0);
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
		spine_test(one_exchange),
		spine_test(client_exchange),
		spine_test(byte_by_byte),
		spine_test(keep_alive),
		spine_test(pipelined_16),
		spine_test(pipelined_overlapping),
		spine_test(request_lost),
		spine_test(response_lost),
		spine_test(exchange_lost_whole),
		spine_test(pipelined_request_lost),
		spine_test(holes_in_bodies),
		spine_test(hole_over_a_boundary),
		spine_test(chunked_with_hole),
		spine_test(close_delimited),
		spine_test(peer_ends),
		spine_test(half_close),
		spine_test(reset),
		spine_test(closed_before_its_end),
		spine_test(read_after_end),
		spine_test(connect_errors),
		spine_test(connected_late),
		spine_test(opened_before),
		spine_test(opened_before_roles),
		spine_test(not_announced),
		spine_test(unknown_protocol),
		spine_test(detection_limit),
		spine_test(upgraded),
		spine_test(positions_wrap),
		spine_test(seen_twice),
		spine_test(malformed_sizes),
		spine_test(malformed_lengths),
		spine_test(random_records),
		spine_test(connections_limit),
		spine_test(spans_limit),
		spine_test(pending_limit),
		spine_test(head_longer_than_buffer),
		spine_test(buffers_limit),
		spine_test(idle),
		spine_test(unix_connection),
		spine_test(unix_paths),
		spine_test(ends_in_flight),
		spine_test(random_splits),
		spine_test(random_hidden),
		spine_test(random_loss_1000),
		spine_test(random_loss_100),
		spine_test(random_loss_20),
		spine_test(random_loss_3),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
