/* SPDX-License-Identifier: Apache-2.0 */
/* Losses that nobody can bring about from outside: each is counted, and the sums hold. */
#include "feed.h"

#include "account.h"
#include "function.h"

/* Limits of user/target.c, user/function.c and user/conn.c. */
#define PROCESSES_MAX 16384
#define STACKS_MAX    4096
#define WHOLES_MAX    256

static int start(void **state)
{
	(void)state;
	feed_start(1024, 8192);
	return functions_init();
}

static int stop(void **state)
{
	functions_end(feed_ns);
	functions_fini();
	return feed_stop(state);
}

/* What was seen is what was passed on and what was dropped, at each stage that these tests have. */
static void check_sums(void)
{
	int stages = 0;

	functions_end(feed_ns);
	feed_end();
	for (const struct account *a = accounts; a < accounts + accounts_len; a++) {
		if (strcmp(a->stage, "ring") != 0 && strcmp(a->stage, "span") != 0)
			continue;
		assert_int_equal(account_open(a), 0);
		stages++;
	}
	assert_int_equal(stages, 2);
}

static void event_malformed(void **state)
{
	struct end e = server_end(1);
	struct event_data cut = { .h = feed_header(&e, EVENT_DATA, 0), .len = 10, .head_len = 10 };
	struct event unknown = feed_header(&e, (enum event_type)99, 0);

	(void)state;
	feed(&cut, sizeof(cut));
	feed(&unknown, sizeof(unknown));
	feed(&unknown, 3);
	assert_int_equal(dropped(DROP_event_malformed), 3);
	check_sums();
}

static void out_of_order(void **state)
{
	struct end e = server_end(1);

	(void)state;
	feed_conn(&e);
	feed_recv(&e, GET("/a"));
	e.rx_pos -= (uint32_t)strlen(GET("/a"));
	feed_recv(&e, GET("/a"));
	feed_send(&e, OK_EMPTY);
	assert_int_equal(dropped(DROP_out_of_order), 1);
	assert_int_equal(dropped_any(), 1);
	check_sums();
	check_complete(0, "/a", 200);
	assert_int_equal(seen_len, 1);
}

/* The greeting of a MySQL server, whose protocol can only be read when every byte is. */
static void wholes_full(void **state)
{
	static const char greeting[] = "\x50\0\0\0\x0a"
				       "8.0.0\0\1\0\0\0challeng\0\0\2\x21\2\0\0\0\x15";
	char packet[4 + 0x50] = "";

	(void)state;
	memcpy(packet, greeting, sizeof(greeting));
	for (uint64_t sock = 1; sock <= WHOLES_MAX + 10; sock++) {
		struct end e = server_end(sock);

		feed_conn(&e);
		feed_bytes(&e, TX, packet, sizeof(packet));
	}
	assert_int_equal(dropped(DROP_wholes_full), 10);
	check_sums();
}

static void processes_full(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PROCESSES_MAX + 10; i++)
		feed_process(PROCESS_FORKED, PID_SERVER + i, 1, "/usr/sbin/nginx");
	assert_int_equal(dropped(DROP_processes_full), 10);
	check_sums();
}

/* Threads that are all in a traced call at the same time. */
/* Of a tape that was damaged: those that are known come before their events. */
static void function_unknown(void **state)
{
	struct event_call call = { .h = { .type = EVENT_CALL, .pid = PID_SERVER, .tid = 1 }, .function = 7 };

	(void)state;
	feed(&call, sizeof(call));
	assert_int_equal(dropped(DROP_function_unknown), 1);
	assert_int_equal(dropped_any(), 1);
	check_sums();
	assert_int_equal(seen_len, 0);
}

static void stacks_full(void **state)
{
	struct event_call call = { .h = { .type = EVENT_CALL, .pid = PID_SERVER } };

	(void)state;
	assert_non_null(function_new());
	for (uint32_t i = 0; i < STACKS_MAX + 10; i++) {
		call.h.tid = PID_SERVER + i;
		call.h.time_ns = feed_ns += 1000;
		feed(&call, sizeof(call));
	}
	assert_int_equal(dropped(DROP_stacks_full), 10);
	check_sums();
	assert_int_equal(seen_len, STACKS_MAX);
}

#define account_spine_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_spine_test(event_malformed), account_spine_test(out_of_order),
		account_spine_test(wholes_full),     account_spine_test(processes_full),
		account_spine_test(stacks_full),     account_spine_test(function_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
