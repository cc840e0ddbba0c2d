/* SPDX-License-Identifier: Apache-2.0 */
/* Parents that are proven by what comes after the call, and that woken threads inherit. */
#include "feed.h"

#define IN_ORDER (EVENT_POLLED | EVENT_NONBLOCK | EVENT_TURN_ON)
#define ROUNDS   40 /* more than it takes to know a thread ... */
#define KNOWN    32 /* ... which is so many, of two answers */

/* A process with two clients and two connections to what it calls. */
static struct end a, b, call_a, call_b;

static struct end own(uint64_t sock, bool serves)
{
	struct end e = server_end(sock);

	if (!serves) {
		e.local_port = 9000;
		e = other_end(&e, sock, PID_SERVER);
	}
	e.flags &= ~(unsigned)EVENT_CLIENT; /* it was open before */
	e.data_flags = IN_ORDER;
	feed_conn(&e);
	return e;
}

static void start(void)
{
	feed_process(PROCESS_FORKED, PID_SERVER, 1, "/usr/bin/server");
	targets_resolve(feed_ns);
	a = own(1, true);
	b = own(2, true);
	call_a = own(3, false);
	call_b = own(4, false);
}

static size_t children_of(const char *path, const char *parent, enum evidence evidence)
{
	size_t n = 0;

	for (size_t i = 0; i < seen_len; i++) {
		if (seen[i].span.kind != SPAN_CLIENT || !slice_eq(seen_text(i, TEXT_PATH), slice_of(path)))
			continue;
		if (!parent) {
			n += !seen[i].span.has_parent;
			continue;
		}
		for (size_t j = 0; j < seen_len; j++)
			n += seen[i].span.has_parent && seen[i].span.evidence == evidence &&
			     memcmp(seen[i].span.parent_id, seen[j].span.span_id, 8) == 0 &&
			     slice_eq(seen_text(j, TEXT_PATH), slice_of(parent));
	}
	return n;
}

static void answers(struct end *call, struct end *client)
{
	feed_recv(call, OK_EMPTY);
	feed_send(client, OK_EMPTY);
}

static void round_in_order(void)
{
	feed_recv(&a, GET("/a"));
	feed_send(&call_a, GET("/for-a"));
	feed_recv(&b, GET("/b"));
	feed_send(&call_b, GET("/for-b"));
	answers(&call_a, &a);
	answers(&call_b, &b);
}

/* The first calls wait until the thread is known. */
static void loop_in_order(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < ROUNDS; i++)
		round_in_order();
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_TURN), ROUNDS);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_TURN), ROUNDS);
}

/*
 * It receives all before it calls anybody: each call comes in the turn of the other's request. But it answers
 * at once, which is enough once it is known.
 */
static void loop_that_puts_off(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < ROUNDS; i++) {
		feed_recv(&a, GET("/a"));
		feed_recv(&b, GET("/b"));
		feed_send(&call_a, GET("/for-a"));
		feed_send(&call_b, GET("/for-b"));
		answers(&call_a, &a);
		answers(&call_b, &b);
	}
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), KNOWN);
	assert_int_equal(children_of("/for-b", NULL, EVIDENCE_UNKNOWN), KNOWN);
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_ANSWER), ROUNDS - KNOWN);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_ANSWER), ROUNDS - KNOWN);
}

/* It answers later, too: nothing is known. */
static void loop_that_answers_later(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < ROUNDS; i++) {
		feed_recv(&a, GET("/a"));
		feed_recv(&b, GET("/b"));
		feed_send(&call_a, GET("/for-a"));
		feed_recv(&call_a, OK_EMPTY);
		feed_send(&b, OK_EMPTY);
		feed_recv(&b, GET("/b"));
		feed_send(&a, OK_EMPTY);
		feed_send(&b, OK_EMPTY);
	}
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), ROUNDS);
}

/* One connection for both: the second call waits for it, and is sent in the turn of the first one's answer.
 */
static void call_that_queued(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < ROUNDS; i++)
		round_in_order();
	feed_recv(&a, GET("/a2"));
	feed_send(&call_a, GET("/busy"));
	feed_send(&call_b, GET("/for-a2"));
	feed_recv(&b, GET("/b2"));
	feed_recv(&call_b, OK_EMPTY);
	feed_send(&call_b, GET("/for-b2"));
	answers(&call_a, &a);
	answers(&call_b, &b);
	feed_end();
	assert_int_equal(children_of("/for-a2", "/a2", EVIDENCE_TURN), 1);
	assert_int_equal(children_of("/for-b2", "/b2", EVIDENCE_ANSWER), 1);
}

/* A thread that is woken by the one that received works for what that has received ... */
static void woken(void **state)
{
	(void)state;
	start();
	a.data_flags = call_a.data_flags = 0;
	call_a.tid = PID_SERVER + 1;
	feed_recv(&a, GET("/a"));
	call_a.woken_by = &a;
	feed_send(&call_a, GET("/for-a"));
	call_a.woken_by = NULL;
	feed_recv(&call_a, OK_EMPTY);
	feed_send(&call_a, GET("/for-a"));
	feed_recv(&call_a, OK_EMPTY);
	feed_send(&a, OK_EMPTY);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_WAKEUP), 1);
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_THREAD), 1);
}

/* ... unless another request waits, which it may have found in its place. */
static void woken_for_either(void **state)
{
	(void)state;
	start();
	a.data_flags = b.data_flags = call_a.data_flags = 0;
	call_a.tid = PID_SERVER + 1;
	feed_recv(&a, GET("/a"));
	feed_recv(&b, GET("/b"));
	call_a.woken_by = &a;
	feed_send(&call_a, GET("/for-a"));
	feed_recv(&call_a, OK_EMPTY);
	feed_send(&a, OK_EMPTY);
	feed_send(&b, OK_EMPTY);
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(loop_in_order),
		spine_test(loop_that_puts_off),
		spine_test(loop_that_answers_later),
		spine_test(call_that_queued),
		spine_test(woken),
		spine_test(woken_for_either),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
