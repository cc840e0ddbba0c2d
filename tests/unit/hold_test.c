/* SPDX-License-Identifier: Apache-2.0 */
/* Parents that are proven by what comes after the call, and that woken threads inherit. */
#include "loop.h"

#define ROUNDS 40 /* more than it takes to know a thread ... */
#define KNOWN  32 /* ... which is so many, of two answers */

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
