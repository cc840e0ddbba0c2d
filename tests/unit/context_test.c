/* SPDX-License-Identifier: Apache-2.0 */
/* Parents that are proven by the context of Python in which a request is answered. */
#include "loop.h"

enum { MAIN = 1, TASK_A, TASK_B, CHILD_A, GRANDCHILD_A };

static void request(struct end *client, const char *text, uint32_t task)
{
	feed_recv(client, text);
	if (task)
		feed_context(task, MAIN, 0);
}

static void call_in(struct end *call, const char *text, uint32_t context)
{
	call->context = context;
	feed_send(call, text);
}

static void answer_in(struct end *client, uint32_t context)
{
	client->context = context;
	feed_send(client, OK_EMPTY);
}

static void calls_answered(void)
{
	feed_recv(&call_a, OK_EMPTY);
	feed_recv(&call_b, OK_EMPTY);
}

/* Each request has a task; that of one has others make its calls. All is put off, and answered crosswise. */
static void task_for_each_request(void **state)
{
	(void)state;
	start();
	request(&a, GET("/a"), TASK_A);
	request(&b, GET("/b"), TASK_B);
	feed_context(GRANDCHILD_A, CHILD_A, TASK_A);
	call_in(&call_b, GET("/for-b"), TASK_B);
	call_in(&call_a, GET("/for-a"), GRANDCHILD_A);
	calls_answered();
	answer_in(&b, TASK_B);
	answer_in(&a, TASK_A);
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_CONTEXT), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_CONTEXT), 1);
}

/* A task that is as old as its connection is known by its first answer. */
static void task_for_each_connection(void **state)
{
	(void)state;
	start();
	feed_context(TASK_A, MAIN, 0);
	feed_context(TASK_B, MAIN, 0);
	for (int i = 0; i < 3; i++) {
		request(&a, GET("/a"), 0);
		request(&b, GET("/b"), 0);
		call_in(&call_b, GET("/for-b"), TASK_B);
		call_in(&call_a, GET("/for-a"), TASK_A);
		calls_answered();
		answer_in(&b, TASK_B);
		answer_in(&a, TASK_A);
	}
	feed_end();
	assert_int_equal(children_of("/for-a", "/a", EVIDENCE_CONTEXT), 2);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_CONTEXT), 2);
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

/* One task answers for all who work below it: whose work is whose is not known. */
static void task_for_all(void **state)
{
	(void)state;
	start();
	feed_context(TASK_A, MAIN, 0);
	for (int i = 0; i < 3; i++) {
		request(&a, GET("/a"), 0);
		request(&b, GET("/b"), 0);
		feed_context(CHILD_A + 2 * (uint32_t)i, TASK_A, MAIN);
		feed_context(GRANDCHILD_A + 2 * (uint32_t)i, TASK_A, MAIN);
		call_in(&call_a, GET("/for-a"), CHILD_A + 2 * (uint32_t)i);
		call_in(&call_b, GET("/for-b"), GRANDCHILD_A + 2 * (uint32_t)i);
		calls_answered();
		answer_in(&b, TASK_A);
		answer_in(&a, TASK_A);
	}
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 3);
	assert_int_equal(children_of("/for-b", NULL, EVIDENCE_UNKNOWN), 3);
}

/* What a task leaves behind goes on when its request was answered, and is not for the next one. */
static void left_behind(void **state)
{
	(void)state;
	start();
	feed_context(TASK_A, MAIN, 0);
	for (int i = 0; i < 2; i++) {
		request(&a, GET("/a"), 0);
		feed_context(CHILD_A, TASK_A, MAIN);
		answer_in(&a, TASK_A);
	}
	request(&a, GET("/a"), 0);
	request(&b, GET("/b"), 0);
	call_in(&call_a, GET("/behind"), CHILD_A);
	feed_recv(&call_a, OK_EMPTY);
	answer_in(&a, TASK_A);
	feed_end();
	assert_int_equal(children_of("/behind", NULL, EVIDENCE_UNKNOWN), 1);
}

/* Two requests at once on the connection: which one the task works for is not known. */
static void pipelined(void **state)
{
	(void)state;
	start();
	request(&a, GET("/a") GET("/a"), TASK_A);
	call_in(&call_a, GET("/for-a"), TASK_A);
	feed_recv(&call_a, OK_EMPTY);
	answer_in(&a, TASK_A);
	answer_in(&a, TASK_A);
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

/* The event that made the context known was lost. */
static void not_known(void **state)
{
	(void)state;
	start();
	request(&a, GET("/a"), 0);
	request(&b, GET("/b"), TASK_B);
	call_in(&call_a, GET("/for-a"), TASK_A);
	feed_recv(&call_a, OK_EMPTY);
	answer_in(&a, TASK_A);
	answer_in(&b, TASK_B);
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
}

/* There is room for so many contexts; who used theirs last is not forgotten. */
static void forgotten(void **state)
{
	(void)state;
	start();
	request(&a, GET("/a"), TASK_A);
	request(&b, GET("/b"), TASK_B);
	call_in(&call_a, GET("/for-a"), TASK_A);
	for (uint32_t id = 1000; id < 1000 + CONTEXTS_MAX; id++) {
		feed_context(id, MAIN, 0);
		if (id % 1000 == 0)
			feed_context(TASK_B, MAIN, 0);
	}
	call_in(&call_b, GET("/for-b"), TASK_B);
	calls_answered();
	answer_in(&a, TASK_A);
	answer_in(&b, TASK_B);
	feed_end();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
	assert_int_equal(children_of("/for-b", "/b", EVIDENCE_CONTEXT), 1);
}

/* A call that nobody answers for is without a parent in the end. */
static void expired(void **state)
{
	(void)state;
	start();
	request(&a, GET("/a"), TASK_A);
	request(&b, GET("/b"), TASK_B);
	call_in(&call_a, GET("/for-a"), TASK_A);
	feed_recv(&call_a, OK_EMPTY);
	feed_ns += 6 * SECOND_NS;
	feed_flush();
	assert_int_equal(children_of("/for-a", NULL, EVIDENCE_UNKNOWN), 1);
	answer_in(&a, TASK_A);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(task_for_each_request),
		spine_test(task_for_each_connection),
		spine_test(task_for_all),
		spine_test(left_behind),
		spine_test(pipelined),
		spine_test(not_known),
		spine_test(forgotten),
		spine_test(expired),
	};

	return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
