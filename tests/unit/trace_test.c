/* SPDX-License-Identifier: Apache-2.0 */
/* Spans become traces: whole, in order, within bounds, and what is missing is said. */
#include "spans.h"

#include "trace.h"

#define SPANS_MAX  2048
#define WORKS_MAX  8192
#define LEAVES_MAX (TRACE_SPANS_MAX / 4 * 3) /* user/trace.c */

/* A trace that was handed over: its spans' ids from the top down. */
struct passed {
	enum trace_top above;
	uint32_t missing;
	bool losses;
	size_t len;
	uint64_t ids[SPANS_MAX];
};

static struct passed passed[64];
static size_t passed_len;
static struct traces *traces;
static uint64_t seen_before, passed_before, dropped_before;

static void note(struct passed *p, const struct trace_node *node)
{
	for (; node; node = node->next) {
		assert_true(p->len < SPANS_MAX);
		memcpy(&p->ids[p->len++], node->span->span_id, sizeof(uint64_t));
		note(p, node->child);
	}
}

static void take(void *ctx, const struct trace *trace)
{
	struct passed *p = &passed[passed_len++ % COUNT(passed)];

	assert_ptr_equal(ctx, passed);
	*p = (struct passed){ .above = trace->above, .missing = trace->missing, .losses = trace->losses };
	note(p, trace->top);
}

static int setup(void **state)
{
	(void)state;
	passed_len = 0;
	seen_before = stat_get(STAT_trace_spans);
	passed_before = stat_get(STAT_trace_spans_passed);
	dropped_before = drop_get(DROP_trace_full);
	return work_init(WORKS_MAX) || traces_new(SPANS_MAX, take, passed, &traces);
}

/* Nothing is held any more, and the sums hold. */
static int teardown(void **state)
{
	size_t works = 0;

	(void)state;
	traces_tick(traces, UINT64_MAX);
	assert_int_equal(stat_get(STAT_trace_spans) - seen_before,
			 stat_get(STAT_trace_spans_passed) - passed_before + drop_get(DROP_trace_full) -
				 dropped_before);
	traces_free(traces);
	while (work_new())
		works++;
	assert_int_equal(works, WORKS_MAX);
	work_fini();
	return 0;
}

/* At a time in ms; 0: there is no parent. */
static void add(uint64_t id, uint64_t parent_id, uint64_t at_ms)
{
	struct span *span = span_make(parent_id ? SPAN_CLIENT : SPAN_SERVER, "/a", 200, id);
	struct span parent = { 0 };

	memcpy(parent.span_id, &parent_id, sizeof(parent_id));
	if (parent_id)
		span_set_parent(span, &parent, EVIDENCE_THREAD);
	span->start_ns = at_ms * MS_NS;
	span->end_ns = (at_ms + 1) * MS_NS;
	traces_add(traces, span, at_ms * MS_NS);
	span_unref(span);
}

static void check_passed(size_t i, enum trace_top above, const uint64_t *ids, size_t len)
{
	assert_true(i < passed_len);
	assert_int_equal(passed[i].above, above);
	assert_int_equal(passed[i].len, len);
	assert_memory_equal(passed[i].ids, ids, len * sizeof(*ids));
}

#define IDS(...)                                                                                             \
	(const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)

/* Each is handed over when its top has ended; children are in the order in which they began. */
static void whole(void **state)
{
	(void)state;
	add(11, 1, 30);
	add(121, 12, 25);
	add(21, 2, 1);
	add(12, 1, 20);
	assert_int_equal(passed_len, 0);
	add(1, 0, 10);
	add(3, 0, 10);
	add(2, 0, 10);
	assert_int_equal(passed_len, 3);
	check_passed(0, TRACE_ROOT, IDS(1, 12, 121, 11));
	check_passed(1, TRACE_ROOT, IDS(3));
	check_passed(2, TRACE_ROOT, IDS(2, 21));
	assert_false(passed[0].losses);
	assert_int_equal(passed[0].missing, 0);
}

/* What comes after its trace is late; what waits in vain is an orphan, with what is below it. */
static void late_and_orphans(void **state)
{
	(void)state;
	add(1, 0, 10);
	add(11, 1, 20);
	check_passed(1, TRACE_LATE, IDS(11));
	add(221, 22, 30);
	add(22, 2, 31);
	traces_tick(traces, 30 * MS_NS + TRACE_WAIT_NS - 1);
	assert_int_equal(passed_len, 2);
	traces_tick(traces, 30 * MS_NS + TRACE_WAIT_NS);
	check_passed(2, TRACE_ORPHAN, IDS(22, 221));
	add(2, 0, 40);
	check_passed(3, TRACE_ROOT, IDS(2));
	assert_int_equal(passed_len, 4);
}

/* A trace keeps so many spans; the others are counted, and it says how many. */
static void too_many_spans(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TRACE_SPANS_MAX; i++)
		add(1000 + i, 2, 10);
	assert_int_equal(drop_get(DROP_trace_full) - dropped_before, TRACE_SPANS_MAX - LEAVES_MAX);
	/* What is above others still finds room. */
	add(2, 1, 10);
	add(3, 1, 10);
	add(1, 0, 10);
	assert_int_equal(passed_len, 1);
	assert_int_equal(passed[0].len, LEAVES_MAX + 2);
	assert_int_equal(passed[0].missing, TRACE_SPANS_MAX - LEAVES_MAX + 1);
	/* The next one of the same id has nothing to do with that. */
	add(5, 4, 10);
	add(4, 0, 10);
	check_passed(1, TRACE_ROOT, IDS(4, 5));
	assert_int_equal(passed[1].missing, 0);
}

/* A chain without end stops at the limit too. */
static void too_deep(void **state)
{
	enum { DEEP = TRACE_SPANS_MAX + 100 };
	size_t spans = 0;

	(void)state;
	for (uint64_t i = DEEP; i > 1; i--)
		add(i, i - 1, 10);
	add(1, 0, 10);
	assert_int_equal(drop_get(DROP_trace_full) - dropped_before, DEEP - 1 - TRACE_SPANS_MAX);
	check_passed(0, TRACE_ROOT, IDS(1));
	traces_tick(traces, UINT64_MAX);
	assert_int_equal(passed[1].missing, DEEP - 1 - TRACE_SPANS_MAX);
	assert_int_equal(passed[1].above, TRACE_ORPHAN);
	for (size_t i = 1; i < passed_len; i++)
		spans += passed[i].len;
	assert_int_equal(spans, TRACE_SPANS_MAX);
}

/* Whoever finds no room lets the oldest wait no longer. */
static void too_many_wait(void **state)
{
	uint64_t id = 0;

	(void)state;
	for (uint64_t i = 0; i < SPANS_MAX + 2; i++) {
		struct span *span = span_make(SPAN_CLIENT, "/a", 200, 100 + i);

		span_set_parent(span, &(struct span){ .span_id = { 1 } }, EVIDENCE_THREAD);
		id = i / 100;
		memcpy(span->trace_id, &id, sizeof(id));
		traces_add(traces, span, 1);
		span_unref(span);
	}
	assert_int_equal(passed_len, 2);
	check_passed(0, TRACE_ORPHAN, IDS(100));
	check_passed(1, TRACE_ORPHAN, IDS(101));
	assert_int_equal(drop_get(DROP_trace_full), dropped_before);
}

/* A trace that had begun when something was lost may lack spans. */
static void losses_show(void **state)
{
	struct span *call = span_make(SPAN_CLIENT, "/b", 200, 41);

	(void)state;
	traces_lost(traces, 20 * MS_NS);
	traces_lost(traces, 10 * MS_NS);
	add(1, 0, 20);
	add(2, 0, 21);
	span_set_parent(call, &(struct span){ .span_id = { 4 } }, EVIDENCE_THREAD);
	call->losses = true;
	traces_add(traces, call, 1);
	span_unref(call);
	add(4, 0, 30);
	assert_true(passed[0].losses);
	assert_false(passed[1].losses);
	assert_true(passed[2].losses);
	check_passed(2, TRACE_ROOT, IDS(4, 41));
}

#define trace_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		trace_test(whole),    trace_test(late_and_orphans), trace_test(too_many_spans),
		trace_test(too_deep), trace_test(too_many_wait),    trace_test(losses_show),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
