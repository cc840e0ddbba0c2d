/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the kernel to the spine: connections with two ends whose records go through ring_dispatch(), each
 * record at the end of a page behind which nothing may be read. Finished spans are collected.
 */
#pragma once

#include "check.h"

#include <arpa/inet.h>
#include <sanitizer/asan_interface.h>

#include "base/random.h"
#include "conn.h"
#include "epoll.h"
#include "link.h"
#include "ring.h"
#include "settle.h"
#include "sqlite.h"
#include "stats.h"
#include "target.h"
#include "work.h"

/* include/net/tcp_states.h and include/net/sock.h */
enum { ESTABLISHED = 1, SYN_SENT = 2, FIN_WAIT1 = 4, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9 };
enum { RCV_SHUT = 1, SEND_SHUT = 2 };

#define FEED_SPANS  8192
#define FEED_RECORD 65536
#define SECOND_NS   1000000000ULL

/* One end of a connection. */
struct end {
	uint64_t sock;
	uint32_t pid, tid;
	unsigned flags;      /* of its announcement */
	unsigned data_flags; /* of its bytes' events */
	uint32_t tx_pos, rx_pos;
	uint16_t family;
	uint16_t local_port, peer_port;
	uint8_t local_ip[16], peer_ip[16];
	uint32_t netns;
	uint64_t id, peer_id;
	uint64_t epoll;
	const char *path;
	size_t path_len;
	uint32_t context;           /* of Python, that the one who acts here works in; 0: none */
	const struct end *woken_by; /* whose thread woke the one that acts here, NULL: nobody's */
};

/* What a thread has received last; the kernel's side keeps it for each one. */
struct feed_cause {
	uint32_t tid;
	uint64_t sock;
	uint32_t pos;
};

struct seen {
	struct span span; /* its process may be gone */
	char service[64];
};

static struct seen seen[FEED_SPANS];
static size_t seen_len;
static uint64_t feed_ns;
static uint32_t rejected_pid;
static char *feed_guard;
static uint64_t drops_before[DROPS_LEN];
static struct config feed_config;
static struct feed_cause feed_causes[256];
static size_t feed_causes_len;

static inline void feed_reject(uint32_t pid)
{
	rejected_pid = pid;
}

static inline void feed_start(uint32_t connections_max, uint32_t spans_max)
{
	feed_config.connections_max = connections_max;
	feed_config.statements_max = 64;
	feed_config.spans_max = spans_max;
	feed_ns = 1000 * SECOND_NS;
	seen_len = feed_causes_len = 0;
	if (!feed_guard)
		feed_guard = guarded_end(FEED_RECORD);
	for (size_t i = 0; i < DROPS_LEN; i++)
		drops_before[i] = drop_get((enum drop_id)i);
	assert_int_equal(random_init(), 0);
	assert_int_equal(work_init(spans_max), 0);
	assert_int_equal(links_init(spans_max), 0);
	assert_int_equal(epolls_init(), 0);
	assert_int_equal(targets_init(&feed_config, feed_reject), 0);
	assert_int_equal(conns_init(&feed_config), 0);
	assert_int_equal(sqlite_init(), 0);
}

static inline void feed_collect(struct span *span)
{
	struct seen *s = &seen[seen_len];

	assert_true(seen_len < FEED_SPANS);
	seen_len++;
	memcpy(&s->span, span, sizeof(*span));
	snprintf(s->service, sizeof(s->service), "%s", span->process ? span->process->service : "");
}

/* What is finished and settled at this time. */
static inline void feed_flush(void)
{
	targets_resolve(feed_ns);
	links_tick(feed_ns);
	settle_flush(feed_collect);
}

/* Nothing more will come. */
static inline void feed_end(void)
{
	conns_end(feed_ns);
	links_tick(UINT64_MAX);
	targets_resolve(feed_ns);
	settle_flush(feed_collect);
}

static inline int feed_stop(void **state)
{
	(void)state;
	feed_end();
	sqlite_fini();
	conns_fini();
	targets_fini();
	epolls_fini();
	links_fini();
	work_fini();
	return 0;
}

static inline int feed_setup(void **state)
{
	(void)state;
	feed_start(1024, 4096);
	return 0;
}

#define spine_test(f) cmocka_unit_test_setup_teardown(f, feed_setup, feed_stop)

static inline uint64_t dropped(enum drop_id id)
{
	return drop_get(id) - drops_before[id];
}

static inline uint64_t dropped_any(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < DROPS_LEN; i++)
		sum += dropped((enum drop_id)i);
	return sum;
}

/* A record starts at a multiple of 8, as in the ring; the bytes between its end and the page's are poisoned.
 */
static inline void feed(const void *record, size_t size)
{
	size_t room = (size + 7) & ~(size_t)7;
	char *at = feed_guard - room;

	assert_true(size <= FEED_RECORD);
	memcpy(at, record, size);
	ASAN_POISON_MEMORY_REGION(at + size, room - size);
	stat_add(STAT_events, 1);
	stat_add(STAT_events_used, ring_dispatch(at, size));
	ASAN_UNPOISON_MEMORY_REGION(at + size, room - size);
}

static inline struct event feed_header(const struct end *e, enum event_type type, unsigned flags)
{
	feed_ns += 1000;
	return (struct event){ .type = (uint16_t)type,
			       .flags = (uint16_t)flags,
			       .pid = e->pid,
			       .tid = e->tid,
			       .time_ns = feed_ns,
			       .sock = e->sock };
}

static inline struct feed_cause *feed_cause(uint32_t tid)
{
	for (size_t i = 0; i < feed_causes_len; i++)
		if (feed_causes[i].tid == tid)
			return &feed_causes[i];
	assert_true(feed_causes_len < COUNT(feed_causes));
	feed_causes[feed_causes_len] = (struct feed_cause){ .tid = tid };
	return &feed_causes[feed_causes_len++];
}

static inline void feed_conn(const struct end *e)
{
	struct event_conn r = {
		.h = feed_header(e, EVENT_CONN, e->flags),
		.family = e->family,
		.local_port = e->local_port,
		.peer_port = e->peer_port,
		.path_len = (uint16_t)e->path_len,
		.netns = e->netns,
		.tx_pos = e->tx_pos,
		.rx_pos = e->rx_pos,
		.cause_sock = feed_cause(e->tid)->sock,
		.id = e->id,
		.peer_id = e->peer_id,
		.epoll = e->epoll,
	};

	memcpy(r.local_ip, e->local_ip, 16);
	memcpy(r.peer_ip, e->peer_ip, 16);
	if (e->path)
		memcpy(r.path, e->path, e->path_len);
	feed(&r, sizeof(r));
}

/* The bytes move: their position, and from then on what their thread has received. */
static inline void feed_move(struct end *e, unsigned dir, size_t len)
{
	if (dir == TX) {
		e->tx_pos += (uint32_t)len;
		return;
	}
	e->rx_pos += (uint32_t)len;
	*feed_cause(e->tid) = (struct feed_cause){ e->tid, e->sock, e->rx_pos };
}

/*
 * len bytes moved, of which the first head_len and the last tail_len of `bytes` (which are len long, or NULL
 * with nothing captured) are in the record.
 */
static inline void feed_data(struct end *e, unsigned dir, const char *bytes, uint32_t len, size_t head_len,
			     size_t tail_len)
{
	static _Alignas(8) char record[FEED_RECORD];
	struct event_data *r = (struct event_data *)record;
	const struct feed_cause *cause = feed_cause(e->tid);

	*r = (struct event_data){ .h = feed_header(e, EVENT_DATA, e->data_flags | (dir == TX ? EVENT_TX : 0)),
				  .pos = dir == TX ? e->tx_pos : e->rx_pos,
				  .len = len,
				  .head_len = (uint16_t)head_len,
				  .tail_len = (uint16_t)tail_len,
				  .cause_pos = cause->pos,
				  .cause_sock = cause->sock,
				  .woken_sock = e->woken_by ? e->woken_by->sock : 0,
				  .woken_pos = e->woken_by ? e->woken_by->rx_pos : 0,
				  .context = e->context };
	if (head_len)
		memcpy(r->data, bytes, head_len);
	if (tail_len)
		memcpy(r->data + head_len, bytes + len - tail_len, tail_len);
	feed_move(e, dir, len);
	feed(r, sizeof(*r) + head_len + tail_len);
}

static inline void feed_bytes(struct end *e, unsigned dir, const char *bytes, size_t len)
{
	feed_data(e, dir, bytes, (uint32_t)len, len, 0);
}

static inline void feed_recv(struct end *e, const char *text)
{
	feed_bytes(e, RX, text, strlen(text));
}

static inline void feed_send(struct end *e, const char *text)
{
	feed_bytes(e, TX, text, strlen(text));
}

/* The bytes moved, and their event was lost. */
static inline void feed_lost(struct end *e, unsigned dir, size_t len)
{
	feed_move(e, dir, len);
	feed_ns += 1000;
}

/* The peer sent all it will send. */
static inline void feed_eof(struct end *e)
{
	feed_data(e, RX, NULL, 0, 0, 0);
}

static inline void feed_state(const struct end *e, int old_state, int new_state, int shut, bool closed,
			      uint32_t error)
{
	struct event_state r = {
		.h = feed_header(e, EVENT_STATE, 0),
		.old_state = (uint8_t)old_state,
		.new_state = (uint8_t)new_state,
		.shutdown = (uint8_t)shut,
		.closed = closed,
		.error = error,
		.tx_pos = e->tx_pos,
		.rx_pos = e->rx_pos,
		.local_port = e->local_port,
	};

	memcpy(r.local_ip, e->local_ip, 16);
	feed(&r, sizeof(r));
}

static inline void feed_process(enum process_change change, uint32_t pid, uint32_t parent, const char *path)
{
	struct event_process r = { .h = { .type = EVENT_PROCESS, .pid = pid, .tid = pid, .time_ns = feed_ns },
				   .change = change,
				   .parent = parent };
	const char *base = strrchr(path, '/');

	snprintf((char *)r.path, sizeof(r.path), "%s", path);
	snprintf((char *)r.command, sizeof(r.command), "%.15s", base ? base + 1 : path);
	feed(&r, sizeof(r));
}

/* A context of Python is created now, as a copy of these; 0: of none that is known. */
static inline void feed_context(uint32_t id, uint32_t from, uint32_t from_that)
{
	struct event_context r = { .h = { .type = EVENT_CONTEXT, .time_ns = feed_ns },
				   .created_ns = feed_ns,
				   .id = id,
				   .from = { from, from_that } };

	feed(&r, sizeof(r));
}

/* Process ids that no process has: beyond the largest pid_max of Linux. */
#define PID_SERVER 5000001
#define PID_CLIENT 5000002

/* The end of a connection over IPv4 that was accepted on port 8080; first thing seen. */
static inline struct end server_end(uint64_t sock)
{
	struct end e = {
		.sock = sock,
		.pid = PID_SERVER,
		.tid = PID_SERVER,
		.flags = EVENT_FRESH | EVENT_ACCEPTED,
		.tx_pos = 5000 + 77777 * (uint32_t)sock,
		.rx_pos = 100 + 99991 * (uint32_t)sock,
		.family = AF_INET,
		.local_port = 8080,
		.peer_port = (uint16_t)(40000 + sock % 20000),
		.local_ip = { 127, 0, 0, 1 },
		.peer_ip = { 127, 0, 0, 1 },
		.netns = 1,
	};

	return e;
}

/* The other end of the same connection, known to the kernel as `sock`. */
static inline struct end other_end(const struct end *e, uint64_t sock, uint32_t pid)
{
	struct end o = *e;

	o.sock = sock;
	o.pid = o.tid = pid;
	o.flags = (e->flags & EVENT_FRESH) | (e->flags & EVENT_ACCEPTED ? EVENT_CLIENT : EVENT_ACCEPTED);
	o.tx_pos = e->rx_pos;
	o.rx_pos = e->tx_pos;
	o.local_port = e->peer_port;
	o.peer_port = e->local_port;
	memcpy(o.local_ip, e->peer_ip, 16);
	memcpy(o.peer_ip, e->local_ip, 16);
	o.id = e->peer_id;
	o.peer_id = e->id;
	return o;
}

static inline struct end client_end(uint64_t sock)
{
	struct end server = server_end(sock);

	return other_end(&server, sock, PID_CLIENT);
}

static inline struct slice seen_text(size_t i, enum span_text which)
{
	assert_true(i < seen_len);
	return span_text(&seen[i].span, which);
}

/* The i-th span is this one, whole or with an error; error_type may be NULL. */
static inline void check_span(size_t i, const char *method, const char *path, int status,
			      const char *error_type)
{
	assert_true(i < seen_len);
	check_slice(seen_text(i, TEXT_METHOD), method);
	check_slice(seen_text(i, TEXT_PATH), path);
	assert_int_equal(seen[i].span.status, status);
	if (error_type) {
		assert_non_null(seen[i].span.error_type);
		assert_string_equal(seen[i].span.error_type, error_type);
	} else {
		assert_null(seen[i].span.error_type);
	}
}

static inline void check_complete(size_t i, const char *path, int status)
{
	check_span(i, "GET", path, status, NULL);
	assert_false(seen[i].span.incomplete);
	assert_false(seen[i].span.truncated);
}

/* The only span of this path. */
static inline const struct span *find_span(const char *path)
{
	const struct span *found = NULL;

	for (size_t i = 0; i < seen_len; i++) {
		if (!slice_eq(span_text(&seen[i].span, TEXT_PATH), slice_of(path)))
			continue;
		if (found)
			fail_msg("two spans of %s", path);
		found = &seen[i].span;
	}
	if (!found)
		fail_msg("no span of %s", path);
	return found;
}

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: shop.example\r\n\r\n"
#define OK_EMPTY         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define REPLY(code, len) "HTTP/1.1 " #code " X\r\nContent-Length: " #len "\r\n\r\n"

static inline size_t put_request(char *buf, size_t size, unsigned i)
{
	return (size_t)snprintf(buf, size, "GET /p/x%u HTTP/1.1\r\nHost: h\r\n\r\n", i);
}

static inline size_t put_response(char *buf, size_t size, unsigned i)
{
	return (size_t)snprintf(buf, size, "HTTP/1.1 %u X\r\nContent-Length: %u\r\n\r\n%.*s", 400 + i, i,
				(int)i, "****************");
}
