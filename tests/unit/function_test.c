/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <errno.h>

#include "function.h"

enum { OUTER, INNER, OTHER };

/* A traced call with nothing that is read. */
static struct function *add_function(const char *name)
{
	struct function *f = function_new();

	assert_non_null(f);
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

static int start(void **state)
{
	feed_setup(state);
	assert_int_equal(functions_init(), 0);
	add_function("outer");
	add_function("inner");
	add_function("other");
	return 0;
}

static int stop(void **state)
{
	functions_end(feed_ns);
	functions_fini();
	return feed_stop(state);
}

#define function_spine_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

static uint32_t lost;

static void feed_call(enum event_type type, uint32_t tid, uint32_t function, unsigned depth,
		      const void *values, size_t values_len)
{
	static _Alignas(8) char record[sizeof(struct event_call) + 1024];
	struct event_call *r = (struct event_call *)record;

	feed_ns += 1000;
	*r = (struct event_call){
		.h = { .type = (uint16_t)type,
		       .pid = PID_SERVER,
		       .tid = tid,
		       .time_ns = feed_ns,
		       .returns_lost = lost },
		.function = function,
		.depth = (uint16_t)depth,
		.values_len = (uint16_t)values_len,
		.cause_sock = feed_cause(tid)->sock,
	};
	if (values_len)
		memcpy(r->values, values, values_len);
	feed(r, sizeof(*r) + values_len);
}

static void enter(uint32_t tid, uint32_t function, unsigned depth)
{
	feed_call(EVENT_CALL, tid, function, depth, NULL, 0);
}

static void leave(uint32_t tid, uint32_t function, unsigned depth)
{
	feed_call(EVENT_RETURN, tid, function, depth, NULL, 0);
}

/* The i-th of the calls of this name that have ended. */
static const struct span *call_of(const char *name, unsigned i)
{
	for (size_t n = 0; n < seen_len; n++)
		if (seen[n].span.function && !strcmp(seen[n].span.function, name) && i-- == 0)
			return &seen[n].span;
	fail_msg("no such call of %s", name);
	return NULL;
}

static void check_below(const struct span *child, const struct span *parent)
{
	assert_true(child->has_parent);
	assert_memory_equal(child->parent_id, parent->span_id, 8);
	assert_memory_equal(child->trace_id, parent->trace_id, 16);
	assert_int_equal(child->evidence, EVIDENCE_THREAD);
	assert_true(child->start_ns >= parent->start_ns);
}

static void check_whole(const struct span *s)
{
	assert_int_equal(s->kind, SPAN_INTERNAL);
	assert_string_equal(s->protocol, "function");
	assert_false(s->incomplete);
	assert_null(s->error_type);
}

/* request → outer → inner → a call of another service, and one after inner's return. */
static void nested(void **state)
{
	struct end server = server_end(1), call = client_end(3);
	const struct span *outer, *inner, *request;

	(void)state;
	call.pid = call.tid = PID_SERVER;
	feed_conn(&server);
	feed_conn(&call);
	feed_recv(&server, GET("/orders"));
	enter(PID_SERVER, OUTER, 0);
	enter(PID_SERVER, INNER, 1);
	feed_send(&call, GET("/within"));
	feed_recv(&call, OK_EMPTY);
	leave(PID_SERVER, INNER, 1);
	feed_send(&call, GET("/after"));
	feed_recv(&call, OK_EMPTY);
	leave(PID_SERVER, OUTER, 0);
	feed_send(&call, GET("/outside"));
	feed_recv(&call, OK_EMPTY);
	feed_send(&server, OK_EMPTY);
	feed_end();
	assert_int_equal(seen_len, 6);
	request = find_span("/orders");
	outer = call_of("outer", 0);
	inner = call_of("inner", 0);
	check_whole(outer);
	check_whole(inner);
	check_below(outer, request);
	check_below(inner, outer);
	check_below(find_span("/within"), inner);
	check_below(find_span("/after"), outer);
	check_below(find_span("/outside"), request);
	assert_int_equal(dropped_any(), 0);
}

/* The function that made a call has ended when the answer comes, in a thread with an event loop. */
static void answered_later(void **state)
{
	struct end server = server_end(1), call = client_end(3);

	(void)state;
	call.pid = call.tid = PID_SERVER;
	call.flags = 0; /* open before: whose it was when it was opened does not count */
	server.data_flags = call.data_flags = EVENT_POLLED | EVENT_NONBLOCK;
	feed_conn(&server);
	feed_conn(&call);
	feed_recv(&server, GET("/orders"));
	enter(PID_SERVER, OUTER, 0);
	feed_send(&call, GET("/first"));
	leave(PID_SERVER, OUTER, 0);
	feed_flush();
	feed_recv(&call, OK_EMPTY);
	feed_send(&call, GET("/second"));
	feed_recv(&call, OK_EMPTY);
	feed_send(&server, OK_EMPTY);
	feed_end();
	assert_memory_equal(find_span("/first")->parent_id, call_of("outer", 0)->span_id, 8);
	assert_memory_equal(find_span("/second")->parent_id, find_span("/orders")->span_id, 8);
	assert_memory_equal(call_of("outer", 0)->trace_id, find_span("/orders")->trace_id, 16);
}

/* A call whose thread works for nobody that is known is a trace of its own. */
static void nobody(void **state)
{
	(void)state;
	enter(PID_SERVER, OUTER, 0);
	enter(PID_SERVER, INNER, 1);
	leave(PID_SERVER, INNER, 1);
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_int_equal(seen_len, 2);
	assert_false(call_of("outer", 0)->has_parent);
	assert_int_equal(call_of("outer", 0)->evidence, EVIDENCE_UNKNOWN);
	check_below(call_of("inner", 0), call_of("outer", 0));
}

/* What a thread does when it has answered is not the request's. */
static void answered(void **state)
{
	struct end server = server_end(1);

	(void)state;
	feed_conn(&server);
	feed_recv(&server, GET("/a"));
	feed_send(&server, OK_EMPTY);
	enter(PID_SERVER, OUTER, 0);
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_false(call_of("outer", 0)->has_parent);
}

/* Another thread, and a thread whose receive was lost: not proven. */
static void not_proven(void **state)
{
	struct end server = server_end(1), lost_end = server_end(2);

	(void)state;
	feed_conn(&server);
	feed_conn(&lost_end);
	feed_recv(&server, GET("/a"));
	enter(PID_SERVER + 10, OUTER, 0);
	leave(PID_SERVER + 10, OUTER, 0);
	feed_lost(&lost_end, RX, 20);
	enter(PID_SERVER, OUTER, 0);
	leave(PID_SERVER, OUTER, 0);
	feed_send(&server, OK_EMPTY);
	feed_end();
	assert_false(call_of("outer", 0)->has_parent);
	assert_false(call_of("outer", 1)->has_parent);
}

static void recursion(void **state)
{
	(void)state;
	for (unsigned depth = 0; depth < CALL_DEPTH_MAX; depth++)
		enter(PID_SERVER, OUTER, depth);
	for (unsigned depth = CALL_DEPTH_MAX; depth--;)
		leave(PID_SERVER, OUTER, depth);
	feed_end();
	assert_int_equal(seen_len, CALL_DEPTH_MAX);
	for (unsigned i = 0; i + 1 < CALL_DEPTH_MAX; i++) {
		check_whole(call_of("outer", i));
		check_below(call_of("outer", i), call_of("outer", i + 1));
	}
	assert_false(call_of("outer", CALL_DEPTH_MAX - 1)->has_parent);
}

/* longjmp() over two frames, or two returns that were lost: the next call says that they are gone. */
static void jumped(void **state)
{
	uint64_t last_inside_ns, before = stat_get(STAT_calls_unreturned);

	(void)state;
	enter(PID_SERVER, OUTER, 0);
	enter(PID_SERVER, INNER, 1);
	enter(PID_SERVER, INNER, 2);
	last_inside_ns = feed_ns;
	enter(PID_SERVER, OTHER, 1);
	leave(PID_SERVER, OTHER, 1);
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_int_equal(seen_len, 4);
	check_whole(call_of("outer", 0));
	check_below(call_of("other", 0), call_of("outer", 0));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(call_of("inner", i)->incomplete);
		assert_int_equal(call_of("inner", i)->end_ns, last_inside_ns);
	}
	assert_int_equal(stat_get(STAT_calls_unreturned) - before, 2);
}

/* The outer function's return comes while inner is believed to be open. */
static void returned_over(void **state)
{
	(void)state;
	enter(PID_SERVER, OUTER, 0);
	enter(PID_SERVER, INNER, 1);
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_true(call_of("inner", 0)->incomplete);
	check_whole(call_of("outer", 0));
}

static void thread_ended(void **state)
{
	(void)state;
	enter(PID_SERVER, OUTER, 0);
	enter(PID_SERVER, INNER, 1);
	enter(PID_SERVER + 1, OTHER, 0);
	feed_call(EVENT_UNWIND, PID_SERVER, 0, 0, NULL, 0);
	feed_flush();
	assert_int_equal(seen_len, 2);
	assert_true(call_of("outer", 0)->incomplete && call_of("inner", 0)->incomplete);
	assert_int_equal(call_of("outer", 0)->end_ns, feed_ns);
	leave(PID_SERVER + 1, OTHER, 0);
	feed_end();
	check_whole(call_of("other", 0));
}

/* The event of the threads' end was lost, the process's was not. */
static void process_ended(void **state)
{
	(void)state;
	feed_process(PROCESS_FORKED, PID_SERVER, 1, "/usr/bin/server");
	enter(PID_SERVER, OUTER, 0);
	feed_process(PROCESS_EXITED, PID_SERVER, 1, "/usr/bin/server");
	functions_tick();
	feed_flush();
	assert_int_equal(seen_len, 1);
	assert_true(seen[0].span.incomplete);
}

/* Calls that began before the agent looked have no spans, those within them do. */
static void begun_before(void **state)
{
	(void)state;
	leave(PID_SERVER, OTHER, 0);
	enter(PID_SERVER, INNER, 2);
	leave(PID_SERVER, INNER, 2);
	leave(PID_SERVER, OTHER, 1);
	feed_end();
	assert_int_equal(seen_len, 1);
	assert_false(call_of("inner", 0)->has_parent);
}

/* A return was lost: whether the thread is still in the call is not known, so nothing is laid to it. */
static void return_lost(void **state)
{
	struct end server = server_end(1), call = client_end(3), other = server_end(5);

	(void)state;
	call.pid = call.tid = PID_SERVER;
	other.tid = PID_SERVER + 5;
	feed_conn(&server);
	feed_conn(&call);
	feed_recv(&server, GET("/orders"));
	enter(PID_SERVER, OUTER, 0);
	lost++;
	feed_conn(&other);
	feed_call(EVENT_UNWIND, PID_SERVER + 7, 0, 0, NULL, 0);
	feed_send(&call, GET("/after"));
	feed_recv(&call, OK_EMPTY);
	feed_send(&server, OK_EMPTY);
	functions_end(feed_ns);
	feed_end();
	check_below(find_span("/after"), find_span("/orders"));
	assert_true(call_of("outer", 0)->incomplete);
}

/*
 * The function is let go while a call of it is open: the calls that it makes of others say that it still is,
 * and between them that is not known.
 */
static void let_go(void **state)
{
	struct end server = server_end(1), call = client_end(3);
	uint64_t before = stat_get(STAT_calls_unreturned);
	const struct span *outer, *request;

	(void)state;
	call.pid = call.tid = PID_SERVER;
	feed_conn(&server);
	feed_conn(&call);
	feed_recv(&server, GET("/orders"));
	enter(PID_SERVER, OTHER, 0);
	enter(PID_SERVER, OUTER, 1);
	function_at(OUTER)->reads.off = true;
	enter(PID_SERVER, INNER, 2);
	feed_send(&call, GET("/within"));
	feed_recv(&call, OK_EMPTY);
	leave(PID_SERVER, INNER, 2);
	feed_send(&call, GET("/unknown"));
	feed_recv(&call, OK_EMPTY);
	leave(PID_SERVER, OTHER, 0);
	feed_send(&call, GET("/outside"));
	feed_recv(&call, OK_EMPTY);
	feed_send(&server, OK_EMPTY);
	feed_end();
	request = find_span("/orders");
	outer = call_of("outer", 0);
	check_below(call_of("other", 0), request);
	check_below(outer, call_of("other", 0));
	check_below(call_of("inner", 0), outer);
	check_below(find_span("/within"), call_of("inner", 0));
	check_below(find_span("/unknown"), call_of("other", 0));
	check_below(find_span("/outside"), request);
	assert_true(outer->incomplete);
	check_whole(call_of("inner", 0));
	check_whole(call_of("other", 0));
	assert_int_equal(stat_get(STAT_calls_unreturned) - before, 1);
}

/* It is traced again: of what was open before, that still says nothing. */
static void let_go_and_back(void **state)
{
	struct end server = server_end(1), call = client_end(3);

	(void)state;
	call.pid = call.tid = PID_SERVER;
	feed_conn(&server);
	feed_conn(&call);
	feed_recv(&server, GET("/orders"));
	enter(PID_SERVER, OUTER, 0);
	function_at(OUTER)->reads.let_go++;
	feed_send(&call, GET("/unknown"));
	feed_recv(&call, OK_EMPTY);
	enter(PID_SERVER, OUTER, 0);
	leave(PID_SERVER, OUTER, 0);
	feed_send(&server, OK_EMPTY);
	feed_end();
	check_below(find_span("/unknown"), find_span("/orders"));
	assert_true(call_of("outer", 0)->incomplete);
	check_whole(call_of("outer", 1));
}

/* The return was still seen: what was between it and the moment of letting go may be missing below it. */
static void let_go_and_returned(void **state)
{
	uint64_t before = stat_get(STAT_calls_unreturned);

	(void)state;
	enter(PID_SERVER, OUTER, 0);
	function_at(OUTER)->reads.off = true;
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_true(call_of("outer", 0)->incomplete);
	assert_int_equal(call_of("outer", 0)->end_ns, feed_ns);
	assert_int_equal(stat_get(STAT_calls_unreturned), before);
}

static const struct attribute *attribute_of(const struct span *s, const char *name)
{
	for (int i = 0; i < s->attributes_len; i++)
		if (strcmp(s->attributes[i].name, name) == 0)
			return &s->attributes[i];
	fail_msg("no attribute %s", name);
	return NULL;
}

static void add_read(struct function *f, const char *name, enum value_type type, unsigned size,
		     bool at_return)
{
	uint32_t i = f->reads.reads_len++;

	f->reads.reads[i].at_return = at_return;
	f->values[i] = (struct value){ .name = name, .type = type, .size = (uint8_t)size };
}

static void values(void **state)
{
	/* Each with its length. */
	static const char at_entry[] =
		"\x08\xfe\xff\xff\xff\x12\x34\x56\x78" /* -2 in a register with rubbish above */
		"\x02\xff\xff"                         /* 65535 */
		"\x08\x00\x00\x00\x00\x00\x00\xf8\x3f" /* 1.5 */
		"\x04\x00\x00\x80\xbe"                 /* -0.25f */
		"\xff"                                 /* not read */
		"\x06order\x00"                        /* a string with its end */
		"\x01x"                                /* a character */
		"\x04\x05\x00\x00\x00"                 /* GREEN */
		"\x04\x09\x00\x00\x00";                /* no name */
	static const char at_return[] = "\x08\xff\x01\x00\x00\x00\x00\x00\x00" /* a bool is one byte */
					"\x08\xef\xbe\xad\xde\x00\x00\x00\x00";
	struct function *f = add_function("f");
	const struct span *s;

	(void)state;
	add_read(f, "signed", VALUE_SIGNED, 4, false);
	add_read(f, "returned", VALUE_BOOL, 1, true);
	add_read(f, "unsigned", VALUE_UNSIGNED, 2, false);
	add_read(f, "double", VALUE_DOUBLE, 8, false);
	add_read(f, "float", VALUE_DOUBLE, 4, false);
	add_read(f, "absent", VALUE_SIGNED, 4, false);
	add_read(f, "string", VALUE_STRING, 0, false);
	add_read(f, "pointer", VALUE_POINTER, 8, true);
	add_read(f, "char", VALUE_CHAR, 1, false);
	for (int i = 0; i < 2; i++) {
		add_read(f, i ? "number" : "enum", VALUE_ENUM, 4, false);
		f->values[f->reads.reads_len - 1].names = calloc(1, sizeof(struct enumerator));
		f->values[f->reads.reads_len - 1].names[0] = (struct enumerator){ 5, strdup("GREEN") };
		f->values[f->reads.reads_len - 1].names_len = 1;
	}
	feed_call(EVENT_CALL, PID_SERVER, f->number, 0, at_entry, sizeof(at_entry) - 1);
	feed_call(EVENT_RETURN, PID_SERVER, f->number, 0, at_return, sizeof(at_return) - 1);
	feed_end();
	s = call_of("f", 0);
	assert_int_equal(s->attributes_len, 10);
	assert_int_equal(attribute_of(s, "signed")->integer, -2);
	assert_int_equal(attribute_of(s, "unsigned")->integer, 65535);
	assert_true(attribute_of(s, "double")->number == 1.5);
	assert_true(attribute_of(s, "float")->number == -0.25);
	assert_int_equal(attribute_of(s, "returned")->type, ATTRIBUTE_BOOL);
	assert_true(attribute_of(s, "returned")->truth);
	check_slice(span_attribute_text(s, attribute_of(s, "string")), "order");
	check_slice(span_attribute_text(s, attribute_of(s, "char")), "x");
	check_slice(span_attribute_text(s, attribute_of(s, "enum")), "GREEN");
	assert_int_equal(attribute_of(s, "number")->integer, 9);
	check_slice(span_attribute_text(s, attribute_of(s, "pointer")), "0x00000000deadbeef");
}

static void rules(void **state)
{
	static const struct {
		enum comparison comparison;
		int64_t bound;
		bool is_errno;
		int result;
		const char *error;
	} cases[] = {
		{ COMPARE_LESS, 0, false, -1, "rule" },    { COMPARE_LESS, 0, false, 0, NULL },
		{ COMPARE_LESS, 0, true, -2, "ENOENT" },   { COMPARE_LESS, 0, true, -12345, "rule" },
		{ COMPARE_EQUAL, 0, false, 0, "rule" },    { COMPARE_NOT_EQUAL, 0, false, 0, NULL },
		{ COMPARE_GREATER, 3, false, 4, "rule" },  { COMPARE_GREATER_EQUAL, 4, false, 4, "rule" },
		{ COMPARE_LESS_EQUAL, 3, false, 4, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct function *f = add_function("ruled");
		char bytes[9] = { 8 };

		add_read(f, NULL, VALUE_SIGNED, 4, true);
		f->rule = (struct error_rule){ cases[i].comparison, cases[i].bound, cases[i].is_errno, 0,
					       "rule" };
		memcpy(bytes + 1, &cases[i].result, 4);
		enter(PID_SERVER, f->number, 0);
		feed_call(EVENT_RETURN, PID_SERVER, f->number, 0, bytes, sizeof(bytes));
		feed_flush();
		assert_int_equal(seen[i].span.attributes_len, 0);
		if (!cases[i].error)
			assert_null(seen[i].span.error_type);
		else
			assert_string_equal(seen[i].span.error_type, cases[i].error);
	}
}

/* Any record: nothing is read beyond its end, nothing is lost without being counted. */
static void random_records(void **state)
{
	uint64_t seed = 4711;
	struct function *f = add_function("f");

	(void)state;
	for (int i = 0; i < READS_MAX; i++)
		add_read(f, "a", (enum value_type)(i % (VALUE_STRING + 1)), 1u << i % 4, i & 1);
	for (int i = 0; i < 100000; i++) {
		char values_bytes[64];
		size_t len = draw_below(&seed, sizeof(values_bytes));

		for (size_t n = 0; n < len; n++)
			values_bytes[n] = (char)draw_below(&seed, draw_below(&seed, 4) ? 10 : 256);
		feed_call((enum event_type)(EVENT_CALL + draw_below(&seed, 3)),
			  PID_SERVER + draw_below(&seed, 4), draw_below(&seed, 5),
			  draw_below(&seed, draw_below(&seed, 9) ? 5 : 100), values_bytes, len);
		if (seen_len > FEED_SPANS - 600)
			seen_len = 0;
		if (i % 64 == 0)
			feed_flush();
	}
}

/* No room for a span: the calls within it are still nested in what is around it. */
static void no_room(void **state)
{
	struct work *hog[4096];
	size_t n = 0;

	(void)state;
	enter(PID_SERVER, OUTER, 0);
	while (n < COUNT(hog) && (hog[n] = work_new()))
		n++;
	enter(PID_SERVER, INNER, 1);
	assert_true(dropped(DROP_spans_full) >= 1);
	while (n)
		work_unref(hog[--n]);
	enter(PID_SERVER, OTHER, 2);
	leave(PID_SERVER, OTHER, 2);
	leave(PID_SERVER, INNER, 1);
	leave(PID_SERVER, OUTER, 0);
	feed_end();
	assert_int_equal(seen_len, 2);
	check_below(call_of("other", 0), call_of("outer", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		function_spine_test(nested),          function_spine_test(answered_later),
		function_spine_test(nobody),          function_spine_test(answered),
		function_spine_test(not_proven),      function_spine_test(recursion),
		function_spine_test(jumped),          function_spine_test(returned_over),
		function_spine_test(thread_ended),    function_spine_test(process_ended),
		function_spine_test(begun_before),    function_spine_test(return_lost),
		function_spine_test(values),          function_spine_test(rules),
		function_spine_test(random_records),  function_spine_test(no_room),
		function_spine_test(let_go),          function_spine_test(let_go_and_returned),
		function_spine_test(let_go_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
