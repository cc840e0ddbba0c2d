/* SPDX-License-Identifier: Apache-2.0 */
/* The traces that are kept, and the page that shows them: the last ones, whole, whatever comes meanwhile. */
#include "spans.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "trace_page.h"
#include "trace_store.h"

#define KEPT      8
#define BYTES     (16 * TRACE_STORE_LEN) /* user/trace_store.c */
#define SPANS_MAX 600

static struct trace_node nodes[SPANS_MAX];
static struct span *spans;
static struct wall wall;

static int setup(void **state)
{
	(void)state;
	spans = calloc(SPANS_MAX, sizeof(*spans));
	return trace_store_init(KEPT);
}

static int teardown(void **state)
{
	(void)state;
	trace_store_fini();
	free(spans);
	return 0;
}

/* A trace of n spans, whose number is its id: a request with calls whose paths are as long as said. */
static void add(uint64_t number, size_t n, size_t path_len, enum trace_top above)
{
	struct trace trace = { .top = nodes, .above = above };
	char path[512] = "/";

	memset(path + 1, 'p', path_len);
	for (size_t i = 0; i < n; i++) {
		bool top = i == 0 && above == TRACE_ROOT;

		memset(&spans[i], 0, sizeof(spans[i]));
		span_fill(&spans[i], top ? SPAN_SERVER : SPAN_CLIENT, path, 200,
			  number * 1000 + (above == TRACE_ROOT ? i : 500 + i));
		memset(spans[i].trace_id, 0, sizeof(spans[i].trace_id));
		memcpy(spans[i].trace_id, &number, sizeof(number));
		spans[i].start_ns += i;
		if (!top) {
			uint64_t parent = number * 1000;

			spans[i].has_parent = spans[i].parent_local = true;
			memcpy(spans[i].parent_id, &parent, sizeof(parent));
		}
		nodes[i] = (struct trace_node){ .span = &spans[i] };
		if (i)
			*(i > 1 ? &nodes[i - 1].next : &nodes[0].child) = &nodes[i];
	}
	trace_store_add(&trace, &wall);
}

/* The rest of a page, for the caller to free; NULL when it is not JSON. */
static char *rest_of(struct trace_page *page, const char *begun)
{
	char part[TRACE_PAGE_PART_MAX], *text = NULL;
	size_t len = 0, n;
	FILE *out = open_memstream(&text, &len);

	fputs(begun, out);
	while ((n = trace_page_read(page, part))) {
		assert_true(n <= sizeof(part));
		fwrite(part, 1, n, out);
	}
	fclose(out);
	return text;
}

static cJSON *parse(char *text)
{
	cJSON *json = cJSON_Parse(text);

	if (!json)
		fail_msg("no JSON: %s", text);
	free(text);
	return json;
}

static cJSON *ask(const struct trace_filter *filter)
{
	struct trace_page page;

	return trace_page_begin(&page, filter) ? parse(rest_of(&page, "")) : NULL;
}

static uint64_t number_in(const cJSON *trace)
{
	const char *hex = cJSON_GetObjectItem(trace, "trace_id")->valuestring;
	uint64_t number = 0;

	for (int i = 7; i >= 0; i--) {
		unsigned byte = 0;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		number = number << 8 | byte;
	}
	return number;
}

static int field(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItem(object, name);

	return cJSON_IsTrue(item) ? 1 : item ? item->valueint : 0;
}

static int spans_in(const cJSON *trace)
{
	return cJSON_GetArraySize(cJSON_GetObjectItem(trace, "spans"));
}

static void nothing_yet(void **state)
{
	struct trace_filter all = { 0 }, one = { .one = true };
	cJSON *page = ask(&all);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "traces")), 0);
	cJSON_Delete(page);
	assert_null(ask(&one));
}

/* Traces of all sizes push each other out: what is there is the last ones, each whole. */
static void random_sizes(void **state)
{
	static size_t sizes[2000];
	uint64_t seed = 1, most = 0;

	(void)state;
	for (uint64_t number = 1; number < COUNT(sizes); number++) {
		const cJSON *trace;
		uint64_t expected = number;
		cJSON *page;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		sizes[number] = 1 + (seed >> 33) % (number % 10 ? 6 : 60);
		add(number, sizes[number], (seed >> 40) % 400, TRACE_ROOT);
		page = ask(&(struct trace_filter){ 0 });
		cJSON_ArrayForEach(trace, cJSON_GetObjectItem(page, "traces"))
		{
			const cJSON *span;
			uint64_t i = 0;

			assert_int_equal(number_in(trace), expected);
			assert_int_equal(spans_in(trace) + field(trace, "missing"), sizes[expected]);
			assert_true(!field(trace, "missing") || expected == number);
			cJSON_ArrayForEach(span, cJSON_GetObjectItem(trace, "spans"))
			{
				assert_int_equal(field(span, "pid"), 77);
				assert_false(field(span, "orphan"));
				assert_string_equal(cJSON_GetObjectItem(span, "service")->valuestring,
						    "order-service");
				assert_string_equal(cJSON_GetObjectItem(span, "kind")->valuestring,
						    i++ ? "client" : "server");
			}
			expected--;
		}
		assert_in_range(number - expected, 1, KEPT);
		most = number - expected > most ? number - expected : most;
		cJSON_Delete(page);
	}
	assert_int_equal(most, KEPT);
}

/* One that is larger than all the memory leaves out what finds no room, and says so. */
static void too_large(void **state)
{
	cJSON *page, *trace;

	(void)state;
	add(1, 3, 10, TRACE_ROOT);
	add(2, 500, 400, TRACE_ROOT);
	page = ask(&(struct trace_filter){ 0 });
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "traces")), 1);
	trace = cJSON_GetArrayItem(cJSON_GetObjectItem(page, "traces"), 0);
	assert_int_equal(number_in(trace), 2);
	assert_in_range(spans_in(trace), BYTES / 1200, 499);
	assert_int_equal(spans_in(trace) + field(trace, "missing"), 500);
	cJSON_Delete(page);
	add(3, 1, 10, TRACE_ROOT);
	page = ask(&(struct trace_filter){ 0 });
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "traces")), 1);
	cJSON_Delete(page);
}

/* What comes late, or came before its request, is part of the same trace. */
static void parts(void **state)
{
	struct trace_filter one = { .one = true, .id = { 1 } };
	cJSON *trace;

	(void)state;
	add(1, 2, 10, TRACE_ORPHAN);
	add(2, 1, 10, TRACE_ROOT);
	trace = ask(&one);
	assert_int_equal(spans_in(trace), 2);
	assert_true(field(cJSON_GetArrayItem(cJSON_GetObjectItem(trace, "spans"), 0), "orphan"));
	cJSON_Delete(trace);
	add(1, 3, 10, TRACE_ROOT);
	trace = ask(&one);
	assert_int_equal(spans_in(trace), 5);
	for (int i = 0; i < 5; i++)
		assert_false(field(cJSON_GetArrayItem(cJSON_GetObjectItem(trace, "spans"), i), "orphan"));
	cJSON_Delete(trace);
	trace = ask(&(struct trace_filter){ 0 });
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(trace, "traces")), 2);
	cJSON_Delete(trace);
	/* Its first part is pushed out; the others go on without it. */
	for (uint64_t number = 10; number < 10 + KEPT - 2; number++)
		add(number, 1, 10, TRACE_ROOT);
	trace = ask(&one);
	assert_int_equal(spans_in(trace), 3);
	cJSON_Delete(trace);
	add(20, 1, 10, TRACE_ROOT);
	add(21, 1, 10, TRACE_ROOT);
	assert_null(ask(&one));
}

/* What is pushed out while it is read is missing in what is read, which is JSON all the same. */
static void pushed_out_while_read(void **state)
{
	(void)state;
	for (int steps = 1; steps < 30; steps++) {
		char begun[30 * 2048] = "", part[TRACE_PAGE_PART_MAX];
		struct trace_page page;
		const cJSON *trace;
		cJSON *json;

		for (uint64_t number = 1; number <= KEPT; number++)
			add(number, 10, 10, TRACE_ROOT);
		assert_true(trace_page_begin(&page, &(struct trace_filter){ 0 }));
		for (int i = 0; i < steps; i++) {
			size_t n = trace_page_read(&page, part);

			strncat(begun, part, n);
		}
		for (uint64_t number = 100; number < 100 + KEPT; number++)
			add(number, 10, 10, TRACE_ROOT);
		json = parse(rest_of(&page, begun));
		assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "traces")) >= 1);
		cJSON_ArrayForEach(trace, cJSON_GetObjectItem(json, "traces"))
			assert_int_equal(spans_in(trace) + field(trace, "missing"), 10);
		cJSON_Delete(json);
	}
}

static void queries(void **state)
{
	static const struct {
		const char *name, *value;
		int err;
	} cases[] = {
		{ "limit", "1", 0 },
		{ "limit", "4294967295", 0 },
		{ "limit", "0", -EINVAL },
		{ "limit", "4294967296", -EINVAL },
		{ "limit", " 1", -EINVAL },
		{ "limit", "1 ", -EINVAL },
		{ "limit", "", -EINVAL },
		{ "limit", NULL, -EINVAL },
		{ "min_duration_ms", "0.5", 0 },
		{ "min_duration_ms", "-1", -EINVAL },
		{ "min_duration_ms", "nan", -EINVAL },
		{ "min_duration_ms", "1e300", -EINVAL },
		{ "min_duration_ms", "1x", -EINVAL },
		{ "service", "shop", 0 },
		{ "service", "", -EINVAL },
		{ "service", "0123456789012345678901234567890123456789012345678901234567890123", -EINVAL },
		{ "status", "error", 0 },
		{ "status", "ok", -EINVAL },
		{ "nothing", "1", -ENOENT },
		{ "", "", -ENOENT },
	};
	struct trace_filter filter = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (trace_filter_take(&filter, cases[i].name, cases[i].value) != cases[i].err)
			fail_msg("%s=%s", cases[i].name, cases[i].value);
	assert_int_equal(filter.min_duration_ns, 500000);
	assert_string_equal(filter.service, "shop");
	assert_int_equal(trace_filter_take_id(&filter, "000102030405060708090a0b0C0D0E0F"), 0);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(filter.id[i], i);
	assert_int_equal(trace_filter_take_id(&filter, "000102030405060708090a0b0C0D0E0"), -EINVAL);
	assert_int_equal(trace_filter_take_id(&filter, "000102030405060708090a0b0C0D0E0g"), -EINVAL);
	assert_int_equal(trace_filter_take_id(&filter, "+00102030405060708090a0b0C0D0E0F"), -EINVAL);
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(nothing_yet), store_test(random_sizes),          store_test(too_large),
		store_test(parts),       store_test(pushed_out_while_read), store_test(queries),
	};

	return cmocka_run_group_tests_name("trace_store", tests, NULL, NULL);
}
