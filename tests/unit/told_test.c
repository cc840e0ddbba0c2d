/* SPDX-License-Identifier: Apache-2.0 */
/* Parents by the word of a runtime that tells in whose turn it has begun, or put off, what it does. */
#include "loop.h"

#define ALONE      (IN_ORDER & ~(unsigned)EVENT_TURN_ON)
#define TOLD       (IN_ORDER | EVENT_TOLD)
#define TOLD_MIXED (IN_ORDER | EVENT_TOLD | EVENT_TURN_OVER)

/* The loop reports the first socket of a batch. */
static void next_batch(struct end *e, const char *text)
{
	e->data_flags = ALONE | EVENT_TURN_OVER;
	feed_recv(e, text);
	e->data_flags = IN_ORDER;
}

/* Sends what was begun in the turn of what `from` has received. */
static void send_told(struct end *e, const char *text, const struct end *from, unsigned flags)
{
	e->woken_by = from;
	e->data_flags = flags;
	feed_send(e, text);
	e->woken_by = NULL;
	e->data_flags = IN_ORDER;
}

static void put_off(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	feed_recv(&b, GET("/b"));
	send_told(&call_b, GET("/for-b"), &b, TOLD);
	send_told(&call_a, GET("/for-a"), &a, TOLD);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_ASYNC_ID), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_TURN), 1);
}

/* What may have been done for a timer is known to be for who is answered in the turn of its answer. */
static void answered(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/maybe-for-a"), &a, TOLD_MIXED);
	next_batch(&call_a, OK_EMPTY);
	send_told(&call_b, GET("/then"), &call_a, TOLD);
	next_batch(&call_b, OK_EMPTY);
	send_told(&a, OK_EMPTY, &call_b, TOLD);
	feed_end();
	assert_int_equal(children_of("/maybe-for-a", "/a", EVIDENCE_ANSWER), 1);
	assert_int_equal(children_of("/then", "/a", EVIDENCE_ANSWER), 1);
}

static void answered_to_another(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	feed_recv(&b, GET("/b"));
	send_told(&call_a, GET("/maybe-for-a"), &a, TOLD_MIXED);
	next_batch(&call_a, OK_EMPTY);
	send_told(&b, OK_EMPTY, &call_a, TOLD);
	next_batch(&b, GET("/b"));
	send_told(&a, OK_EMPTY, &b, TOLD);
	feed_end();
	assert_int_equal(children_of("/maybe-for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

/* Nor is it when it is answered after something else may have run. */
static void answered_maybe(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/maybe-for-a"), &a, TOLD_MIXED);
	next_batch(&call_a, OK_EMPTY);
	send_told(&a, OK_EMPTY, &call_a, TOLD_MIXED);
	feed_end();
	assert_int_equal(children_of("/maybe-for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

/* Who waits for nothing that was seen may go on in anybody's turn. */
static void another_waits(void **state)
{
	(void)state;
	start();
	next_batch(&b, GET("/b"));
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/unknown"), &a, TOLD);
	next_batch(&call_a, OK_EMPTY);
	send_told(&a, OK_EMPTY, &call_a, TOLD_MIXED);
	/* Whoever has begun to be answered is over with that. */
	feed_send(&b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/for-a"), &a, TOLD);
	feed_end();
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_TURN), 1);
}

/* A request that came in the same batch has not been seen to wait yet. */
static void another_in_batch(void **state)
{
	(void)state;
	start();
	next_batch(&b, GET("/b"));
	feed_recv(&a, GET("/a"));
	send_told(&call_a, GET("/for-a"), &a, TOLD);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_TURN), 1);
}

/* No connection was left: another call may have waited for the one that is used next. */
static void connection_freed(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	feed_recv(&b, GET("/b"));
	send_told(&call_a, GET("/for-a"), &a, TOLD);
	send_told(&call_b, GET("/for-b"), &b, TOLD);
	next_batch(&call_a, OK_EMPTY);
	send_told(&call_a, GET("/unknown"), &call_a, TOLD);
	next_batch(&call_a, OK_EMPTY);
	send_told(&a, OK_EMPTY, &call_a, TOLD_MIXED);
	/* It is left over for a round of the loop, and so nobody has waited. */
	next_batch(&a, GET("/a"));
	send_told(&a, OK_EMPTY, &a, TOLD);
	next_batch(&call_b, OK_EMPTY);
	send_told(&call_b, GET("/for-b"), &call_b, TOLD);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_ASYNC_ID), 1);
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_TURN), 2);
}

/* A goroutine is known to work for a request whatever waits, or has had to wait, beside it. */
static void goroutines(void **state)
{
	const unsigned own = EVENT_NONBLOCK | EVENT_GOROUTINE;

	(void)state;
	start();
	next_batch(&b, GET("/b"));
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/for-a"), &a, own | EVENT_TOLD);
	send_told(&call_b, GET("/unknown"), NULL, own);
	next_batch(&call_a, OK_EMPTY);
	send_told(&call_a, GET("/for-b"), &b, own | EVENT_TOLD);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_GOROUTINE), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_GOROUTINE), 1);
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
}

/* What threads do that tasks go between shows nothing, whether or not these are followed. */
static void threads_of_tasks(void **state)
{
	(void)state;
	start();
	assert_true(target_hops(PID_SERVER));
	assert_false(target_hops(PID_SERVER));
	/* Nor does what a fork of it does. */
	feed_process(PROCESS_FORKED, PID_SERVER + 1, PID_SERVER, "");
	assert_false(target_hops(PID_SERVER + 1));
	/* But it may execute another program. */
	feed_process(PROCESS_EXECED, PID_SERVER + 1, PID_SERVER, "/usr/bin/other");
	assert_true(target_hops(PID_SERVER + 1));
	for (int i = 0; i < 100; i++) {
		feed_recv(&a, GET("/a"));
		feed_send(&call_a, GET("/for-a"));
		feed_recv(&b, GET("/b"));
		feed_send(&call_b, GET("/unknown"));
		answers(&call_a, &a);
		answers(&call_b, &b);
	}
	feed_end();
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 100);
}

/* A thread acts on the connection. */
static void by(struct end *e, uint32_t thread)
{
	e->tid = PID_SERVER + thread;
}

/* Two threads serve a client each, and send a call that the other one may get the answer to. */
static void serve_by_two(bool taken_over, int times)
{
	for (int i = 0; i < times; i++) {
		by(&a, 0);
		by(&call_a, 0);
		by(&b, 1);
		by(&call_b, 1);
		feed_recv(&a, GET("/a"));
		feed_recv(&b, GET("/b"));
		feed_send(&call_a, GET("/for-a"));
		feed_send(&call_b, GET("/for-b"));
		by(&call_a, taken_over);
		by(&a, taken_over);
		answers(&call_a, &a);
		answers(&call_b, &b);
	}
}

/* Each thread gets the answers to its own calls: what it does is for what it received. */
static void threads_of_their_own(void **state)
{
	(void)state;
	start();
	serve_by_two(false, 100);
	feed_end();
	assert_true(children_of("/for-a", "/a", EVIDENCE_TURN) > 80);
	assert_true(children_of("/for-b", "/b", EVIDENCE_TURN) > 80);
}

/* One goes on with what the other one has begun: from then on neither shows anything while both are open. */
static void threads_that_take_over(void **state)
{
	(void)state;
	start();
	serve_by_two(true, 100);
	feed_end();
	assert_true(children_of("/for-a", NULL, EVIDENCE_UNKNOWN) >= 99);
	assert_true(children_of("/for-b", NULL, EVIDENCE_UNKNOWN) >= 99);
}

/* They serve clients of their own, but what is due is taken by either from the same epoll instance, or not.
 */
static void serve_with(uint64_t epoll_of_a, uint64_t epoll_of_b)
{
	start();
	a.epoll = epoll_of_a;
	b.epoll = epoll_of_b;
	a.sock = 11;
	b.sock = 12;
	feed_conn(&a);
	feed_conn(&b);
	serve_by_two(false, 100);
	feed_end();
}

static void threads_that_share(void **state)
{
	(void)state;
	serve_with(7, 7);
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 100);
	assert_int_equal(children_of("/for-b", NULL, EVIDENCE_UNKNOWN), 100);
}

static void threads_that_do_not_share(void **state)
{
	(void)state;
	serve_with(7, 8);
	assert_true(children_of("/for-a", "/a", EVIDENCE_TURN) > 80);
	assert_true(children_of("/for-b", "/b", EVIDENCE_TURN) > 80);
}

/* There is no room to know who shares an instance. */
static void threads_that_may_share(void **state)
{
	uint64_t id = 100;

	(void)state;
	while (epoll_get(PID_SERVER, id))
		id++;
	serve_with(7, 8);
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 100);
	assert_int_equal(children_of("/for-b", NULL, EVIDENCE_UNKNOWN), 100);
}

/* Who waits for each answer where the call was made works for nobody else meanwhile, whoever watches the
 * clients. */
static void threads_that_wait(void **state)
{
	(void)state;
	start();
	a.epoll = b.epoll = 7;
	a.sock = 11;
	b.sock = 12;
	feed_conn(&a);
	feed_conn(&b);
	call_a.data_flags = call_b.data_flags = 0;
	serve_by_two(false, 100);
	feed_end();
	assert_true(children_of("/for-a", "/a", EVIDENCE_THREAD) >= 99);
	assert_true(children_of("/for-b", "/b", EVIDENCE_THREAD) >= 99);
}

/* Who only reads what others have called for leaves them their own. */
static void thread_that_reads(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 100; i++) {
		by(&call_a, 0);
		feed_recv(&a, GET("/a"));
		feed_send(&call_a, GET("/for-a"));
		by(&call_a, 1);
		feed_recv(&call_a, OK_EMPTY);
		feed_send(&a, OK_EMPTY);
	}
	feed_end();
	assert_false(children_of("/for-a", NULL, EVIDENCE_UNKNOWN));
	assert_true(target_hops(PID_SERVER));
}

/* Pipelined requests are not told apart. */
static void several(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a") GET("/a2"));
	send_told(&call_a, GET("/unknown"), &a, TOLD);
	feed_end();
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
}

/* What the turn has received is gone: nobody is known for it. */
static void turn_gone(void **state)
{
	(void)state;
	start();
	next_batch(&a, GET("/a"));
	feed_recv(&b, GET("/b"));
	feed_send(&a, OK_EMPTY);
	send_told(&call_a, GET("/unknown"), &a, TOLD);
	feed_end();
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
}

/* Calls on a connection that nobody can read are waited for, too, and their answers bring the request back.
 */
static void unread(void **state)
{
	struct end call_c;

	(void)state;
	start();
	call_c = own(5, false);
	next_batch(&b, GET("/b"));
	send_told(&call_b, "\1\2\3\4\5\6\7\10", &b, TOLD);
	next_batch(&a, GET("/a"));
	send_told(&call_a, GET("/for-a"), &a, TOLD);
	next_batch(&call_b, "\1\2\3\4\5\6\7\10");
	feed_recv(&call_a, OK_EMPTY);
	send_told(&call_c, GET("/for-b"), &call_b, TOLD);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_TURN), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_ASYNC_ID), 1);
}

/* Two wait for an answer there: whose it is that comes cannot be told. */
static void unread_by_many(void **state)
{
	(void)state;
	start();
	next_batch(&b, GET("/b"));
	send_told(&call_b, "\1\2\3\4\5\6\7\10", &b, TOLD);
	next_batch(&a, GET("/a"));
	send_told(&call_b, "\1\2\3\4\5\6\7\10", &a, TOLD);
	next_batch(&call_b, "\1\2\3\4\5\6\7\10");
	send_told(&call_a, GET("/unknown"), &call_b, TOLD);
	feed_end();
	assert_int_equal(children_of("/unknown", NULL, EVIDENCE_UNKNOWN), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(put_off),
		spine_test(answered),
		spine_test(answered_to_another),
		spine_test(answered_maybe),
		spine_test(another_waits),
		spine_test(another_in_batch),
		spine_test(connection_freed),
		spine_test(goroutines),
		spine_test(threads_of_tasks),
		spine_test(threads_of_their_own),
		spine_test(threads_that_take_over),
		spine_test(threads_that_share),
		spine_test(threads_that_do_not_share),
		spine_test(threads_that_may_share),
		spine_test(threads_that_wait),
		spine_test(thread_that_reads),
		spine_test(several),
		spine_test(turn_gone),
		spine_test(unread),
		spine_test(unread_by_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
