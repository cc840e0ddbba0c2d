/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from the ring: positions that go round, again or nowhere, and records of any shape. */
#include "feed.h"

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
		[EVENT_SQL_END] = sizeof(struct event_sql), [EVENT_CONTEXT] = sizeof(struct event_context),
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		spine_test(positions_wrap),    spine_test(seen_twice),     spine_test(malformed_sizes),
		spine_test(malformed_lengths), spine_test(random_records),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
