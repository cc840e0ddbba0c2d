/* SPDX-License-Identifier: Apache-2.0 */
#include "spans.h"

#include <cjson/cJSON.h>

#include "summary.h"

static void add(enum span_kind kind, const char *path, int status, uint64_t ns)
{
	struct span span = { 0 };

	span_fill(&span, kind, path, status, 1);
	if (kind == SPAN_CLIENT)
		set_text(&span, TEXT_HOST, path);
	span.end_ns = span.start_ns + ns;
	summary_add(&span);
	process_unref(&spans_process);
}

/* The row of this name as the JSON summary has it, or NULL. */
static cJSON *row(const char *name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	cJSON *found = NULL;

	summary_write_json(out, 2000000000);
	fclose(out);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		cJSON *object = cJSON_Parse(line);

		assert_non_null(object);
		if (strcmp(cJSON_GetObjectItem(object, "summary")->valuestring, name) == 0) {
			assert_null(found);
			found = object;
		} else {
			cJSON_Delete(object);
		}
	}
	free(text);
	return found;
}

static double number(const cJSON *object, const char *name)
{
	const cJSON *field = cJSON_GetObjectItem(object, name);

	assert_true(cJSON_IsNumber(field));
	return field->valuedouble;
}

static int compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

/* Right to a sixteenth, never below what was measured and never above the longest. */
static void check_quantile(const cJSON *object, const char *name, const uint64_t *sorted, size_t n, double q)
{
	size_t rank = (size_t)(q * (double)n);
	double exact = (double)sorted[rank < n ? rank : n - 1] / 1e6,
	       least = (double)sorted[rank ? rank - 1 : 0] / 1e6;
	double got = number(object, name);

	assert_true(got >= least * .999999 && got <= exact * (1 + 1. / 16) + 1e-6);
	assert_true(got <= number(object, "max_ms"));
}

static void quantiles(void **state)
{
	static uint64_t ns[10000];
	uint64_t seed = 5;
	size_t n = COUNT(ns);
	cJSON *object;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		/* From nanoseconds to hours, evenly over the powers of two. */
		ns[i] = draw(&seed) >> (20 + draw_below(&seed, 44));
		add(SPAN_SERVER, "/quantiles", 200, ns[i]);
	}
	qsort(ns, n, sizeof(ns[0]), compare);
	object = row("GET /quantiles");
	assert_non_null(object);
	assert_true(number(object, "count") == (double)n);
	assert_true(number(object, "elapsed_ms") == 2000);
	check_quantile(object, "p50_ms", ns, n, .5);
	check_quantile(object, "p90_ms", ns, n, .9);
	check_quantile(object, "p99_ms", ns, n, .99);
	assert_true(number(object, "max_ms") * 1e6 - (double)ns[n - 1] < 1 + (double)ns[n - 1] * 1e-9);
	cJSON_Delete(object);
}

static void few(void **state)
{
	cJSON *object;

	(void)state;
	add(SPAN_SERVER, "/one", 200, 5000000);
	object = row("GET /one");
	for (const char *const *name = (const char *const[]){ "p50_ms", "p90_ms", "p99_ms", "max_ms", NULL };
	     *name; name++)
		assert_true(number(object, *name) == 5);
	cJSON_Delete(object);
	add(SPAN_SERVER, "/zero", 200, 0);
	object = row("GET /zero");
	assert_true(number(object, "p99_ms") == 0 && number(object, "max_ms") == 0);
	cJSON_Delete(object);
}

static void errors(void **state)
{
	cJSON *object;

	(void)state;
	add(SPAN_SERVER, "/errors", 200, 1);
	add(SPAN_SERVER, "/errors", 404, 1);
	add(SPAN_SERVER, "/errors", 500, 1);
	add(SPAN_CLIENT, "errors", 404, 1);
	object = row("GET /errors");
	assert_true(number(object, "count") == 3 && number(object, "errors") == 1);
	assert_string_equal(cJSON_GetObjectItem(object, "kind")->valuestring, "server");
	cJSON_Delete(object);
	object = row("errors");
	assert_true(number(object, "count") == 1 && number(object, "errors") == 1);
	assert_string_equal(cJSON_GetObjectItem(object, "kind")->valuestring, "client");
	cJSON_Delete(object);
}

/* Served and called, each under its title, the most frequent first; nothing foreign steers the terminal. */
static void table(void **state)
{
	char *text = NULL, *served, *called, *often, *seldom, *to;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (int i = 0; i < 40; i++)
		add(SPAN_SERVER, "/often", 200, 1000000);
	add(SPAN_SERVER, "/seldom", 200, 1000000);
	add(SPAN_CLIENT, "user-service", 200, 1000000);
	add(SPAN_SERVER, "/\033[31mred\n", 200, 1000000);
	summary_write(out, 4000000000, 0, false);
	fclose(out);
	served = strstr(text, "requests served");
	called = strstr(text, "calls made");
	often = strstr(text, "GET /often");
	seldom = strstr(text, "GET /seldom");
	to = strstr(text, "user-service");
	assert_true(served && called && often && seldom && to);
	assert_true(served < often && often < seldom && seldom < called && called < to);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "GET /.[31mred."));
	assert_non_null(strstr(often, " 40      10.0       0      1.000"));
	free(text);
}

static void colors(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	add(SPAN_SERVER, "/errors", 500, 1);
	summary_write(out, 1000000000, 0, true);
	fclose(out);
	assert_non_null(strstr(text, "\033[31m"));
	free(text);
}

/* Rows beyond the limit are one, and nothing is lost in it. */
static void rows_limit(void **state)
{
	enum { MANY = 3000 };
	uint64_t served = 0;
	cJSON *other;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/limit/x%d", i);
		add(SPAN_SERVER, path, i % 2 ? 200 : 500, 1);
	}
	for (int i = 0; i < MANY; i++) {
		char name[48];
		cJSON *object;

		if (i % 16 && i > 600)
			continue;
		snprintf(name, sizeof(name), "GET /limit/x%d", i);
		object = row(name);
		served += object ? 1 : 0;
		assert_true(!object || number(object, "count") == 1);
		cJSON_Delete(object);
	}
	assert_true(served > 400 && served <= 512);
	other = row("other");
	assert_non_null(other);
	assert_true(number(other, "count") == (double)(MANY - served));
	cJSON_Delete(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles), cmocka_unit_test(few),    cmocka_unit_test(errors),
		cmocka_unit_test(table),     cmocka_unit_test(colors), cmocka_unit_test(rows_limit),
	};

	/* There is one for the life of the program. */
	if (summary_init())
		return 1;
	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
