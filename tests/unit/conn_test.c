/* SPDX-License-Identifier: Apache-2.0 */
/* conn: how connections begin, change and end. */
#include "feed.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		spine_test(idle),
		spine_test(unix_connection),
		spine_test(unix_paths),
		spine_test(ends_in_flight),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
