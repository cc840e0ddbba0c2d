/* SPDX-License-Identifier: Apache-2.0 */
/* From causes to parents: what proves one, in whatever order the ends of a connection are heard of. */
#include "feed.h"
#include "traceparent.h"

#include <errno.h>

#define PID_BACKEND 5000003
#define TRACE_ID    "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID     "b7ad6b7169203331"
#define TRACEPARENT "00-" TRACE_ID "-" SPAN_ID "-01"

static void traceparents(void **state)
{
	static const struct {
		const char *value;
		bool valid;
	} cases[] = {
		{ TRACEPARENT, true },
		{ "00-" TRACE_ID "-" SPAN_ID "-00", true },
		{ "00-" TRACE_ID "-" SPAN_ID "-ff", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01-what-the-future-will-be-like", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01-", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01.what-the-future-will-be-like", false },
		{ "cc-" TRACE_ID "-" SPAN_ID "-010", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-01-", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-01-what-the-future-will-be-like", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-01.", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-1", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-", false },
		{ "00-" TRACE_ID "-" SPAN_ID, false },
		{ "ff-" TRACE_ID "-" SPAN_ID "-01", false },
		{ "FF-" TRACE_ID "-" SPAN_ID "-01", false },
		{ "0-" TRACE_ID "-" SPAN_ID "-01", false },
		{ "000-" TRACE_ID "-" SPAN_ID "-01", false },
		{ ".0-" TRACE_ID "-" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-.1", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-0A", false },
		{ "00-00000000000000000000000000000000-" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "-0000000000000000-01", false },
		{ "00-0AF7651916CD43DD8448EB211C80319C-" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "-B7AD6B7169203331-01", false },
		{ "00-0af7651916cd43dd8448eb211c80319-" SPAN_ID "-01x", false },
		{ "00-.af7651916cd43dd8448eb211c80319c-" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "-b7ad6b716920333.-01", false },
		{ "00_" TRACE_ID "-" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "_" SPAN_ID "-01", false },
		{ "00-" TRACE_ID "-" SPAN_ID "_01", false },
		{ " " TRACEPARENT, false },
		{ TRACEPARENT " ", false },
		{ "", false },
		{ "-", false },
	};
	static const uint8_t trace_id[16] = { 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
					      0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c };
	static const uint8_t span_id[8] = { 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].value);
		char *value = guarded_end(len) - len;
		uint8_t trace[16] = { 1 }, span[8] = { 2 };

		memcpy(value, cases[i].value, len);
		if (traceparent_parse((struct slice){ value, len }, trace, span) !=
		    (cases[i].valid ? 0 : -EINVAL))
			fail_msg("%s is taken for %s", cases[i].value, cases[i].valid ? "bad" : "good");
		if (cases[i].valid) {
			assert_memory_equal(trace, trace_id, 16);
			assert_memory_equal(span, span_id, 8);
		} else {
			assert_int_equal(trace[0], 1); /* untouched */
			assert_int_equal(span[0], 2);
		}
	}
}

/* client → server → backend, all three traced, each with one thread. */
struct chain {
	struct end client, server, call, backend;
};

static void chain_start(struct chain *c)
{
	feed_process(PROCESS_FORKED, PID_CLIENT, 1, "/usr/bin/client");
	feed_process(PROCESS_FORKED, PID_SERVER, 1, "/usr/bin/server");
	feed_process(PROCESS_FORKED, PID_BACKEND, 1, "/usr/bin/backend");
	targets_resolve(feed_ns);
	c->server = server_end(1);
	c->client = other_end(&c->server, 2, PID_CLIENT);
	c->backend = server_end(3);
	c->backend.pid = c->backend.tid = PID_BACKEND;
	c->backend.local_port = 9000;
	c->call = other_end(&c->backend, 4, PID_SERVER);
	feed_conn(&c->client);
	feed_conn(&c->server);
	feed_conn(&c->call);
	feed_conn(&c->backend);
}

/* Both ends of one transfer; received_first: the receiver's event is read before the sender's. */
static void transfer(struct end *from, struct end *to, const char *text, bool received_first)
{
	if (received_first)
		feed_recv(to, text);
	feed_send(from, text);
	if (!received_first)
		feed_recv(to, text);
}

static const struct span *find_kind(const char *path, enum span_kind kind)
{
	for (size_t i = 0; i < seen_len; i++)
		if (seen[i].span.kind == kind && slice_eq(seen_text(i, TEXT_PATH), slice_of(path)))
			return &seen[i].span;
	fail_msg("no %s span of %s", span_kind_name(kind), path);
	return NULL;
}

static void check_child(const struct span *child, const struct span *parent, enum evidence evidence)
{
	assert_true(child->has_parent);
	assert_true(child->parent_local);
	assert_memory_equal(child->parent_id, parent->span_id, 8);
	assert_memory_equal(child->trace_id, parent->trace_id, 16);
	assert_int_equal(child->evidence, evidence);
}

static void check_root(const struct span *span)
{
	static const uint8_t zero[16];

	assert_false(span->has_parent);
	assert_int_equal(span->evidence, EVIDENCE_UNKNOWN);
	assert_memory_not_equal(span->trace_id, zero, 16);
}

static void check_tree(void)
{
	const struct span *client = find_kind("/a", SPAN_CLIENT), *server = find_kind("/a", SPAN_SERVER),
			  *call = find_kind("/b", SPAN_CLIENT), *backend = find_kind("/b", SPAN_SERVER);

	assert_int_equal(seen_len, 4);
	check_root(client);
	check_child(server, client, EVIDENCE_SOCKET);
	check_child(call, server, EVIDENCE_THREAD);
	check_child(backend, call, EVIDENCE_SOCKET);
	for (size_t i = 0; i < seen_len; i++) {
		assert_true(slice_eq(seen_text(i, TEXT_REQUEST_ID), span_text(client, TEXT_REQUEST_ID)));
		assert_true(seen_text(i, TEXT_REQUEST_ID).len > 0);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(seen[i].span.span_id, seen[j].span.span_id, 8);
	}
	check_slice(span_text(client, TEXT_PEER_SERVICE), "server");
	check_slice(span_text(server, TEXT_PEER_SERVICE), "client");
	check_slice(span_text(call, TEXT_PEER_SERVICE), "backend");
	check_slice(span_text(backend, TEXT_PEER_SERVICE), "server");
}

/* In every order in which the ends of the four transfers may be heard of. */
static void trees(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 16; order++) {
		struct chain c;

		feed_stop(NULL);
		feed_start(64, 64);
		chain_start(&c);
		transfer(&c.client, &c.server, GET("/a"), order & 1);
		transfer(&c.call, &c.backend, GET("/b"), order & 2);
		transfer(&c.backend, &c.call, OK_EMPTY, order & 4);
		transfer(&c.server, &c.client, OK_EMPTY, order & 8);
		feed_flush();
		check_tree();
	}
}

/* The same on connections that are used again, and with the id that a client sent. */
static void trees_again(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	for (int round = 0; round < 4; round++) {
		const char *request = round == 2 ? "GET /a HTTP/1.1\r\nX-Request-ID: r-2\r\n\r\n" : GET("/a");

		seen_len = 0;
		transfer(&c.client, &c.server, request, round & 1);
		transfer(&c.call, &c.backend, GET("/b"), round & 1);
		transfer(&c.backend, &c.call, OK_EMPTY, false);
		transfer(&c.server, &c.client, OK_EMPTY, false);
		feed_flush();
		check_tree();
		if (round == 2)
			check_slice(seen_text(0, TEXT_REQUEST_ID), "r-2");
	}
}

static void unix_tree(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	for (int order = 0; order < 4; order++) {
		struct end server = server_end(20), client;

		server.family = AF_UNIX;
		server.sock += (uint64_t)order * 2;
		server.local_port = server.peer_port = 0;
		/* The kernel uses the ids of sockets that are gone again, at the other end too. */
		server.id = 20 + (order & 1);
		server.peer_id = 21 - (order & 1);
		server.path = "/run/app.sock";
		server.path_len = strlen(server.path);
		client = other_end(&server, server.sock + 1, PID_CLIENT);
		seen_len = 0;
		feed_conn(&server);
		feed_conn(&client);
		transfer(&client, &server, GET("/u"), order & 1);
		transfer(&server, &client, OK_EMPTY, order & 1);
		feed_flush();
		assert_int_equal(seen_len, 2);
		check_child(find_kind("/u", SPAN_SERVER), find_kind("/u", SPAN_CLIENT), EVIDENCE_SOCKET);
	}
}

/* A server that gets the processor at once has answered before the client's send is over. */
static void answered_first(void **state)
{
	struct chain c;
	struct end local = server_end(20), remote;

	(void)state;
	chain_start(&c);
	local.family = AF_UNIX;
	local.local_port = local.peer_port = 0;
	local.id = 20;
	local.peer_id = 21;
	local.path = "/run/app.sock";
	local.path_len = strlen(local.path);
	remote = other_end(&local, 21, PID_CLIENT);
	feed_conn(&local);
	feed_conn(&remote);
	for (int round = 0; round < 6; round++) {
		struct end *server = round & 1 ? &local : &c.server,
			   *client = round & 1 ? &remote : &c.client;

		seen_len = 0;
		feed_recv(server, GET("/a"));
		feed_send(server, OK_EMPTY);
		feed_send(client, GET("/a"));
		feed_recv(client, OK_EMPTY);
		feed_flush();
		assert_int_equal(seen_len, 2);
		check_child(find_kind("/a", SPAN_SERVER), find_kind("/a", SPAN_CLIENT), EVIDENCE_SOCKET);
	}
	/* Its client's event is lost: it is nobody's child, whatever that client asks next. */
	seen_len = 0;
	feed_recv(&c.server, GET("/a"));
	feed_send(&c.server, OK_EMPTY);
	feed_ns += SECOND_NS;
	feed_flush();
	check_root(find_kind("/a", SPAN_SERVER));
	c.client.tx_pos = c.server.rx_pos;
	c.client.rx_pos = c.server.tx_pos;
	for (int round = 0; round < 2; round++) {
		seen_len = 0;
		feed_recv(&c.server, GET("/c"));
		feed_send(&c.server, OK_EMPTY);
		feed_send(&c.client, GET("/c"));
		feed_recv(&c.client, OK_EMPTY);
		feed_ns += SECOND_NS;
		feed_flush();
		/* What the client sent into the gap may have been several requests. */
		if (round == 0)
			check_root(find_kind("/c", SPAN_SERVER));
		else
			check_child(find_kind("/c", SPAN_SERVER), find_kind("/c", SPAN_CLIENT),
				    EVIDENCE_SOCKET);
	}
}

/* The other end's request was not seen: its span is not waited for without end. */
static void settled_by_time(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	feed_recv(&c.server, GET("/a"));
	feed_send(&c.call, GET("/b"));
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_flush();
	assert_int_equal(seen_len, 0);
	feed_ns += SECOND_NS;
	assert_false(links_tick(feed_ns));
	feed_flush();
	assert_int_equal(seen_len, 2);
	check_root(find_kind("/a", SPAN_SERVER));
	check_child(find_kind("/b", SPAN_CLIENT), find_kind("/a", SPAN_SERVER), EVIDENCE_THREAD);
	/* Too late: what was told stays true. */
	feed_send(&c.client, GET("/a"));
	feed_recv(&c.client, OK_EMPTY);
	feed_flush();
	assert_int_equal(seen_len, 3);
	check_root(find_kind("/a", SPAN_CLIENT));
}

/* Children are shown after what they hang on is known, in one trace, though they ended first. */
static void children_first(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	transfer(&c.client, &c.server, GET("/a"), true);
	transfer(&c.call, &c.backend, GET("/b"), true);
	transfer(&c.backend, &c.call, OK_EMPTY, true);
	feed_flush();
	assert_int_equal(seen_len, 2); /* not after the whole trace */
	transfer(&c.server, &c.client, OK_EMPTY, true);
	feed_flush();
	check_tree();
}

static void hex_id(const uint8_t *id, size_t len, char *buf)
{
	for (size_t i = 0; i < len; i++)
		sprintf(buf + 2 * i, "%02x", id[i]);
}

static void check_trace_id(const struct span *span, const char *expected)
{
	char hex[33];

	hex_id(span->trace_id, 16, hex);
	assert_string_equal(hex, expected);
}

#define GET_IN_TRACE(path) "GET " path " HTTP/1.1\r\nTraceparent: " TRACEPARENT "\r\n\r\n"

/* A header that came from outside is adopted; who only passes it on is not its span. */
static void header(void **state)
{
	char hex[17];

	(void)state;
	for (unsigned order = 0; order < 4; order++) {
		const struct span *server, *call, *backend;
		struct chain c;

		feed_stop(NULL);
		feed_start(64, 64);
		chain_start(&c);
		feed_recv(&c.server, GET_IN_TRACE("/a"));
		transfer(&c.call, &c.backend, order & 1 ? GET_IN_TRACE("/b") : GET("/b"), order & 2);
		transfer(&c.backend, &c.call, OK_EMPTY, order & 2);
		feed_send(&c.server, OK_EMPTY);
		feed_ns += SECOND_NS;
		feed_flush();
		assert_int_equal(seen_len, 3);
		server = find_kind("/a", SPAN_SERVER);
		call = find_kind("/b", SPAN_CLIENT);
		backend = find_kind("/b", SPAN_SERVER);
		assert_true(server->has_parent);
		assert_false(server->parent_local);
		assert_int_equal(server->evidence, EVIDENCE_TRACEPARENT);
		hex_id(server->parent_id, 8, hex);
		assert_string_equal(hex, SPAN_ID);
		check_trace_id(server, TRACE_ID);
		check_child(call, server, EVIDENCE_THREAD);
		check_child(backend, call, EVIDENCE_SOCKET);
	}
}

/* A program that traces itself names its own span: that one is the parent, not what we saw of it. */
static void header_of_its_own(void **state)
{
	const struct span *client, *server;
	struct chain c;

	(void)state;
	chain_start(&c);
	transfer(&c.client, &c.server, GET_IN_TRACE("/a"), false);
	transfer(&c.server, &c.client, OK_EMPTY, false);
	feed_flush();
	client = find_kind("/a", SPAN_CLIENT);
	server = find_kind("/a", SPAN_SERVER);
	check_trace_id(client, TRACE_ID);
	check_trace_id(server, TRACE_ID);
	assert_int_equal(server->evidence, EVIDENCE_TRACEPARENT);
	assert_true(server->has_parent);
	assert_false(server->parent_local);
	check_slice(span_text(server, TEXT_PEER_SERVICE), "client");
}

static void parent_unknown(void **state)
{
	uint64_t unknown = stat_get(STAT_parents_unknown);
	struct chain c;

	(void)state;
	chain_start(&c);
	/* Nothing was asked for. */
	feed_send(&c.call, GET("/alone"));
	feed_recv(&c.call, OK_EMPTY);
	/* What was is answered. */
	feed_recv(&c.server, GET("/a"));
	feed_send(&c.server, OK_EMPTY);
	feed_send(&c.call, GET("/after"));
	feed_recv(&c.call, OK_EMPTY);
	/* Another thread, while it is worked on. */
	feed_recv(&c.server, GET("/c"));
	c.call.tid = PID_SERVER + 1000;
	feed_send(&c.call, GET("/other-thread"));
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_end();
	check_root(find_kind("/alone", SPAN_CLIENT));
	check_root(find_kind("/after", SPAN_CLIENT));
	check_root(find_kind("/other-thread", SPAN_CLIENT));
	assert_int_equal(stat_get(STAT_parents_unknown) - unknown, 3);
}

/* An event loop with two requests: what it does next may be for either. */
static void two_requests_of_a_thread(void **state)
{
	struct end other = server_end(9);
	struct chain c;

	(void)state;
	chain_start(&c);
	c.server.data_flags = c.call.data_flags = other.data_flags = EVENT_POLLED | EVENT_NONBLOCK;
	feed_conn(&other);
	feed_recv(&c.server, GET("/a"));
	feed_recv(&other, GET("/c"));
	feed_send(&c.call, GET("/b"));
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_send(&other, OK_EMPTY);
	feed_end();
	check_root(find_kind("/b", SPAN_CLIENT));
}

/* An event that was lost between the request and the call: the kernel knows that the thread received since.
 */
static void receive_lost(void **state)
{
	struct end other = server_end(9);
	struct chain c;

	(void)state;
	chain_start(&c);
	feed_conn(&other);
	feed_recv(&c.server, GET("/a"));
	feed_lost(&other, RX, 50);
	feed_send(&c.call, GET("/b"));
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_end();
	check_root(find_kind("/b", SPAN_CLIENT));
}

static void same_request_id(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	c.call.tid = PID_SERVER + 1000;
	feed_recv(&c.server, "GET /a HTTP/1.1\r\nX-Request-ID: r-7\r\n\r\n");
	feed_send(&c.call, "GET /b HTTP/1.1\r\nX-Request-ID: r-7\r\n\r\n");
	feed_recv(&c.call, OK_EMPTY);
	c.call.tid = PID_SERVER + 2000;
	feed_send(&c.call, "GET /c HTTP/1.1\r\nX-Request-ID: r-8\r\n\r\n");
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_end();
	check_child(find_kind("/b", SPAN_CLIENT), find_kind("/a", SPAN_SERVER), EVIDENCE_REQUEST_ID);
	check_root(find_kind("/c", SPAN_CLIENT));
}

/* One thread receives, another calls and answers. */
static void answering_thread(void **state)
{
	struct chain c;

	(void)state;
	chain_start(&c);
	feed_recv(&c.server, GET("/a"));
	c.call.tid = c.server.tid = PID_SERVER + 1000;
	feed_send(&c.call, GET("/b"));
	feed_recv(&c.call, OK_EMPTY);
	feed_send(&c.server, OK_EMPTY);
	feed_end();
	check_child(find_kind("/b", SPAN_CLIENT), find_kind("/a", SPAN_SERVER), EVIDENCE_ANSWER);
}

static void failed_connect(void **state)
{
	struct end e = client_end(30);
	struct chain c;

	(void)state;
	chain_start(&c);
	e.pid = e.tid = PID_SERVER;
	e.local_port = 0;
	feed_recv(&c.server, GET("/a"));
	feed_conn(&e);
	feed_state(&e, SYN_SENT, CLOSED, 0, true, ECONNREFUSED);
	feed_send(&c.server, REPLY(503, 0));
	feed_end();
	assert_int_equal(seen_len, 2);
	check_child(find_kind("", SPAN_CLIENT), find_kind("/a", SPAN_SERVER), EVIDENCE_THREAD);
}

/* What a request caused cannot have caused it. */
static void no_circle(void **state)
{
	struct end server = server_end(1), client = other_end(&server, 2, PID_SERVER);

	(void)state;
	feed_conn(&server);
	feed_conn(&client);
	transfer(&client, &server, GET("/a"), true);
	transfer(&server, &client, OK_EMPTY, true);
	feed_end();
	assert_int_equal(seen_len, 2);
	for (size_t i = 0; i < 2; i++)
		assert_memory_not_equal(seen[i].span.trace_id, (uint8_t[16]){ 0 }, 16);
	assert_false(seen[0].span.has_parent && seen[1].span.has_parent);
}

/* A chain deeper than any limit ends, in traces with ids, and leaks nothing. */
static void deep_chain(void **state)
{
	enum { DEPTH = 100 };
	static struct end servers[DEPTH], clients[DEPTH];

	(void)state;
	for (uint32_t i = 0; i < DEPTH; i++) {
		servers[i] = server_end(1000 + i);
		servers[i].pid = servers[i].tid = PID_SERVER + i;
		clients[i] = other_end(&servers[i], 2000 + i, PID_SERVER + i - 1);
		feed_conn(&servers[i]);
		feed_conn(&clients[i]);
	}
	for (uint32_t i = 0; i < DEPTH; i++)
		transfer(&clients[i], &servers[i], GET("/a"), false);
	for (uint32_t i = DEPTH; i--;)
		transfer(&servers[i], &clients[i], OK_EMPTY, false);
	feed_end();
	assert_int_equal(seen_len, 2 * DEPTH);
	for (size_t i = 0; i < seen_len; i++)
		assert_memory_not_equal(seen[i].span.trace_id, (uint8_t[16]){ 0 }, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparents),
		spine_test(trees),
		spine_test(trees_again),
		spine_test(unix_tree),
		spine_test(answered_first),
		spine_test(settled_by_time),
		spine_test(children_first),
		spine_test(header),
		spine_test(header_of_its_own),
		spine_test(parent_unknown),
		spine_test(two_requests_of_a_thread),
		spine_test(receive_lost),
		spine_test(same_request_id),
		spine_test(answering_thread),
		spine_test(failed_connect),
		spine_test(no_circle),
		spine_test(deep_chain),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
