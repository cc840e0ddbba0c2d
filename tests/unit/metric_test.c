/* SPDX-License-Identifier: Apache-2.0 */
/* metric, series, family and metric_text: spans in, the Prometheus text format 0.0.4 out. */
#include "spans.h"

#include <pthread.h>

#include "base/random.h"
#include "base/utf8.h"
#include "metric.h"

#define SAMPLES_MAX 60000

struct sample {
	char *line; /* name{labels} */
	double value;
};

static struct sample samples[SAMPLES_MAX];
static size_t samples_len;
static struct config config;

static void start(bool classic, bool semconv, uint32_t label_sets)
{
	config = (struct config){ .metrics_classic = classic,
				  .metrics_semconv = semconv,
				  .label_sets_max = label_sets };
	assert_int_equal(random_init(), 0);
	assert_int_equal(metrics_init(&config), 0);
}

static void forget_samples(void)
{
	while (samples_len)
		free(samples[--samples_len].line);
}

static int teardown(void **state)
{
	(void)state;
	forget_samples();
	metrics_free();
	spans_process.refs = 1;
	strcpy(spans_process.service, "order-service");
	return 0;
}

static char *read_text(void)
{
	struct metrics_reader reader = { 0 };
	char *part = guarded_end(METRICS_PART_MAX) - METRICS_PART_MAX, *text = NULL;
	size_t len = 0, n;
	FILE *out = open_memstream(&text, &len);

	while ((n = metrics_read(&reader, part))) {
		assert_true(n <= METRICS_PART_MAX);
		fwrite(part, 1, n, out);
	}
	fclose(out);
	return text;
}

static size_t name_len(const char *p)
{
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");

	return len && (p[0] < '0' || p[0] > '9') ? len : 0;
}

/* {name="value",...}: names that differ, values without a bare quote, backslash or control character. */
static const char *skip_labels(const char *p, const char *line)
{
	if (*p++ != '{')
		fail_msg("no labels: %s", line);
	while (*p != '}') {
		size_t len = name_len(p);

		if (!len || p[len] != '=' || p[len + 1] != '"')
			fail_msg("not a label: %s", line);
		for (p += len + 2; *p != '"'; p++) {
			if ((unsigned char)*p < 0x20)
				fail_msg("a control character: %s", line);
			if (*p == '\\' && !strchr("\\\"n", *++p))
				fail_msg("an escape: %s", line);
		}
		p++;
		if (*p == ',')
			p++;
		else if (*p != '}')
			fail_msg("not the end of a label: %s", line);
	}
	return p + 1;
}

static int by_line(const void *a, const void *b)
{
	return strcmp(((const struct sample *)a)->line, ((const struct sample *)b)->line);
}

/* Is the sample one of the metric that the last # TYPE line named? */
static bool belongs(const char *line, size_t len, const char *type_of, bool histogram)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
	size_t base = strlen(type_of);

	if (!histogram)
		return len == base && memcmp(line, type_of, len) == 0;
	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (len == base + strlen(suffixes[i]) && memcmp(line, type_of, base) == 0 &&
		    memcmp(line + base, suffixes[i], len - base) == 0)
			return true;
	return false;
}

/* Reads all that is exposed, strictly: every metric has its HELP and TYPE once and before it, no sample
 * twice. */
static void read_samples(void)
{
	char *text = read_text(), type_of[128] = "", type[32] = "", seen_types[8192] = " ";
	bool helped = false;

	forget_samples();
	for (size_t i = 0, len = strlen(text), n; i < len; i += n) {
		n = utf8_len(text + i, len - i);
		assert_true(n > 0);
	}
	for (char *line = text, *end; *line; line = end + 1) {
		const char *p;
		char *rest;
		size_t len;

		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (strncmp(line, "# HELP ", 7) == 0) {
			snprintf(type_of, sizeof(type_of), "%.*s", (int)name_len(line + 7), line + 7);
			assert_int_equal(line[7 + strlen(type_of)], ' ');
			helped = true;
			continue;
		}
		if (line[0] == '#') {
			char name[128], once[132];

			assert_int_equal(sscanf(line, "# TYPE %127s %31s", name, type), 2);
			assert_true(helped);
			assert_string_equal(name, type_of);
			assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
				    strcmp(type, "histogram") == 0);
			snprintf(once, sizeof(once), " %s ", name);
			if (strstr(seen_types, once))
				fail_msg("described twice: %s", name);
			strcat(seen_types, once + 1);
			helped = false;
			continue;
		}
		len = name_len(line);
		if (!belongs(line, len, type_of, strcmp(type, "histogram") == 0))
			fail_msg("not of the metric %s: %s", type_of, line);
		p = line[len] == '{' ? skip_labels(line + len, line) : line + len;
		assert_int_equal(*p, ' ');
		assert_true(samples_len < SAMPLES_MAX);
		samples[samples_len].value = strtod(p + 1, &rest);
		assert_true(rest > p + 1 && *rest == '\0');
		samples[samples_len++].line = strndup(line, (size_t)(p - line));
	}
	free(text);
	qsort(samples, samples_len, sizeof(samples[0]), by_line);
	for (size_t i = 1; i < samples_len; i++)
		if (strcmp(samples[i].line, samples[i - 1].line) == 0)
			fail_msg("exposed twice: %s", samples[i].line);
}

/* The sum of a metric's samples that have these labels, each name="value". */
static double sum_of(const char *name, const char *const *labels, size_t *ret_n)
{
	double sum = 0;

	*ret_n = 0;
	for (size_t i = 0; i < samples_len; i++) {
		size_t len = name_len(samples[i].line);
		bool has = len == strlen(name) && memcmp(samples[i].line, name, len) == 0;

		for (size_t j = 0; has && labels && labels[j]; j++) {
			char one[2][300];

			snprintf(one[0], sizeof(one[0]), "{%s", labels[j]);
			snprintf(one[1], sizeof(one[1]), ",%s", labels[j]);
			has = strstr(samples[i].line, one[0]) || strstr(samples[i].line, one[1]);
		}
		if (has) {
			sum += samples[i].value;
			++*ret_n;
		}
	}
	return sum;
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static double value(const char *name, const char *const *labels)
{
	size_t n;
	double sum = sum_of(name, labels, &n);

	if (n != 1)
		fail_msg("%zu samples of %s with %s", n, name, labels ? labels[0] : "any label");
	return sum;
}

static double sum(const char *name)
{
	size_t n;

	return sum_of(name, NULL, &n);
}

static bool is_there(const char *name)
{
	size_t n;

	sum_of(name, NULL, &n);
	return n > 0;
}

static void add(enum span_kind kind, const char *path, int status, const char *error_type, uint64_t ns)
{
	struct span span = { 0 };

	span_fill(&span, kind, path, status, 1);
	span.error_type = error_type;
	span.end_ns = span.start_ns + ns;
	if (kind == SPAN_CLIENT)
		set_text(&span, TEXT_HOST, "users.example:9000");
	metrics_add(&span);
}

static void semconv(void **state)
{
	(void)state;
	start(false, true, 100);
	add(SPAN_SERVER, "/orders", 200, NULL, 3 * MS_NS);
	add(SPAN_SERVER, "/orders", 200, NULL, 30 * MS_NS);
	add(SPAN_SERVER, "/orders", 503, NULL, MS_NS);
	add(SPAN_SERVER, "/orders", 0, "connection_reset", MS_NS);
	add(SPAN_CLIENT, "/users", 404, NULL, 100 * MS_NS);
	read_samples();

	assert_true(value("http_server_request_duration_seconds_count",
			  LABELS("service_name=\"order-service\"", "http_request_method=\"GET\"",
				 "http_route=\"/orders\"", "http_response_status_code=\"200\"",
				 "url_scheme=\"http\"", "server_port=\"8080\"")) == 2);
	assert_true(value("http_server_request_duration_seconds_sum",
			  LABELS("http_response_status_code=\"200\"")) == 0.033);
	assert_true(value("http_server_request_duration_seconds_count",
			  LABELS("error_type=\"503\"", "http_response_status_code=\"503\"")) == 1);
	assert_true(value("http_server_request_duration_seconds_count",
			  LABELS("error_type=\"connection_reset\"")) == 1);
	assert_true(value("http_client_request_duration_seconds_count",
			  LABELS("server_address=\"users.example\"", "server_port=\"9000\"",
				 "http_response_status_code=\"404\"", "error_type=\"404\"")) == 1);
	assert_true(sum("http_server_request_body_size_bytes_count") == 4);
	assert_true(sum("http_server_response_body_size_bytes_count") == 4);
	assert_true(sum("http_client_request_body_size_bytes_count") == 1);
	assert_false(is_there("http_requests_total"));
	assert_false(is_there("external_api_calls_total"));
	assert_false(is_there("http_request_duration_seconds_count"));
}

static void classic(void **state)
{
	(void)state;
	start(true, false, 100);
	add(SPAN_SERVER, "/orders", 201, NULL, MS_NS);
	add(SPAN_SERVER, "/orders", 201, NULL, MS_NS);
	add(SPAN_SERVER, "/orders", 404, NULL, MS_NS);
	add(SPAN_CLIENT, "/users", 200, NULL, MS_NS);
	add(SPAN_CLIENT, "/users", 0, "connect_refused", MS_NS);
	read_samples();

	assert_true(value("http_requests_total",
			  LABELS("service=\"order-service\"", "method=\"GET\"", "endpoint=\"/orders\"",
				 "status_code=\"201\"", "status_class=\"2xx\"")) == 2);
	assert_true(value("http_requests_total", LABELS("status_code=\"404\"", "status_class=\"4xx\"")) == 1);
	assert_true(value("http_request_duration_seconds_count", LABELS("status_code=\"201\"")) == 2);
	assert_true(value("external_api_calls_total", LABELS("result=\"success\"", "status_code=\"200\"")) ==
		    1);
	assert_true(value("external_api_calls_total", LABELS("result=\"failure\"", "status_code=\"0\"")) ==
		    1);
	assert_false(is_there("http_server_request_duration_seconds_count"));
	assert_false(is_there("http_client_request_duration_seconds_count"));
}

/* Bounds are inclusive, buckets cumulative, and the last one is the count. */
static void buckets(void **state)
{
	static const struct {
		uint64_t ns;
		const char *le; /* the first bucket that it is in */
	} cases[] = {
		{ 0, "0" },
		{ 1, "0.005" },
		{ 5 * MS_NS, "0.005" },
		{ 5 * MS_NS + 1, "0.01" },
		{ 75 * MS_NS, "0.075" },
		{ 250 * MS_NS, "0.25" },
		{ 1000 * MS_NS, "1" },
		{ 1000 * MS_NS + 1, "2.5" },
		{ 10000 * MS_NS, "10" },
		{ 10000 * MS_NS + 1, "+Inf" },
		{ 1000000 * MS_NS, "+Inf" },
	};

	(void)state;
	start(true, true, 100);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char path[32], route[48];
		double before = 0;
		bool reached = false;

		snprintf(path, sizeof(path), "/b%zu", i);
		snprintf(route, sizeof(route), "http_route=\"%s\"", path);
		add(SPAN_SERVER, path, 200, NULL, cases[i].ns);
		read_samples();
		for (const char *const *le =
			     LABELS("0", "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5",
				    "0.75", "1", "2.5", "5", "7.5", "10", "+Inf");
		     *le; le++) {
			char label[32];
			double now;

			snprintf(label, sizeof(label), "le=\"%s\"", *le);
			now = value("http_server_request_duration_seconds_bucket", LABELS(route, label));
			reached |= strcmp(*le, cases[i].le) == 0;
			assert_true(now == reached && now >= before);
			before = now;
		}
		assert_true(value("http_server_request_duration_seconds_count", LABELS(route)) == 1);
	}
}

/* Whatever is in a label, the format holds. */
static void label_values(void **state)
{
	static const char *const values[] = {
		"/plain",        "/quo\"te",  "/back\\slash",       "/new\nline",
		"/\x01\x7f\r\t", "/\xff\xfe", "/\xe2\x82\xac/\xc3", "",
		"/a\",le=\"1"
	};

	(void)state;
	start(true, true, 100);
	strcpy(spans_process.service, "a\"b\\c\nd");
	for (size_t i = 0; i < COUNT(values); i++) {
		add(SPAN_SERVER, values[i], 200, NULL, MS_NS);
		add(SPAN_CLIENT, values[i], 200, NULL, MS_NS);
	}
	read_samples();
	assert_true(sum("http_requests_total") == COUNT(values));
	assert_true(value("http_requests_total",
			  LABELS("endpoint=\"/quo\\\"te\"", "service=\"a\\\"b\\\\c\\nd\"")) == 1);
	assert_true(value("http_requests_total", LABELS("endpoint=\"/new\\nline\"")) == 1);
	assert_true(value("http_requests_total", LABELS("endpoint=\"/a\\\",le=\\\"1\"")) == 1);
}

/* Values that are equal as far as they are written are one sample. */
static void long_values(void **state)
{
	char path[250];

	(void)state;
	start(true, true, 100);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (size_t len = 10; len < sizeof(path); len += 10) {
		char cut[sizeof(path)];

		snprintf(cut, sizeof(cut), "%.*s", (int)len, path);
		add(SPAN_SERVER, cut, 200, NULL, MS_NS);
	}
	add(SPAN_SERVER, "/\x01", 200, NULL, MS_NS);
	add(SPAN_SERVER, "/\x02", 200, NULL, MS_NS);
	read_samples();
	assert_true(sum("http_requests_total") == 24 + 2);
	assert_true(sum("http_server_request_duration_seconds_count") == 24 + 2);
}

static void methods(void **state)
{
	static const char *const known[] = { "GET",     "POST",  "PUT",     "DELETE", "HEAD",
					     "OPTIONS", "PATCH", "CONNECT", "TRACE" };

	(void)state;
	start(true, true, 100);
	for (size_t i = 0; i < COUNT(known) + 3; i++) {
		struct span span = { 0 };

		span_fill(&span, SPAN_SERVER, "/m", 200, 1);
		set_text(&span, TEXT_METHOD, i < COUNT(known) ? known[i] : i % 2 ? "get" : "PROPFIND");
		metrics_add(&span);
	}
	read_samples();
	for (size_t i = 0; i < COUNT(known); i++) {
		char label[48];

		snprintf(label, sizeof(label), "http_request_method=\"%s\"", known[i]);
		assert_true(value("http_server_request_duration_seconds_count", LABELS(label)) == 1);
	}
	assert_true(value("http_server_request_duration_seconds_count",
			  LABELS("http_request_method=\"_OTHER\"")) == 3);
}

/* What is beyond the limit is counted as "other", none is lost, and how many is a metric. */
static void label_limit(void **state)
{
	enum { LIMIT = 20, MANY = 300 };

	(void)state;
	start(true, true, LIMIT);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < MANY; i++) {
			char path[32];

			snprintf(path, sizeof(path), "/limit/x%d", i);
			add(SPAN_SERVER, path, 200, NULL, MS_NS);
			add(SPAN_CLIENT, path, 200, NULL, MS_NS);
		}
	read_samples();
	for (const char *const *name = LABELS("http_requests_total", "external_api_calls_total",
					      "http_request_duration_seconds_count",
					      "http_server_request_duration_seconds_count",
					      "http_client_request_duration_seconds_count");
	     *name; name++) {
		char metric[64];
		size_t n;

		assert_true(sum_of(*name, NULL, &n) == 3 * MANY);
		assert_int_equal(n, LIMIT + 1);
		snprintf(metric, sizeof(metric), "metric=\"%.*s\"",
			 (int)(strlen(*name) - (strstr(*name, "_count") ? 6 : 0)), *name);
		assert_true(value("spanhook_metric_label_sets_overflow_total", LABELS(metric)) ==
			    3 * (MANY - LIMIT));
	}
	assert_true(value("http_requests_total", LABELS("endpoint=\"other\"")) == 3 * (MANY - LIMIT));
	assert_true(value("http_server_request_duration_seconds_count", LABELS("http_route=\"other\"")) ==
		    3 * (MANY - LIMIT));
}

/* Against a count of its own, with more sets of labels than are found at first sight. */
static void random_spans(void **state)
{
	enum { ROUTES = 60, STATUSES = 3 };
	static unsigned counts[2][ROUTES][STATUSES];
	uint64_t seed = 9;

	(void)state;
	start(true, true, ROUTES * STATUSES);
	for (int i = 0; i < 30000; i++) {
		uint32_t kind = draw_below(&seed, 2), route = draw_below(&seed, ROUTES),
			 status = draw_below(&seed, STATUSES);
		char path[32];

		snprintf(path, sizeof(path), "/r/x%u", route);
		add(kind ? SPAN_CLIENT : SPAN_SERVER, path, 200 + (int)status * 100, NULL, draw(&seed) >> 36);
		counts[kind][route][status]++;
	}
	read_samples();
	for (unsigned route = 0; route < ROUTES; route += 7)
		for (unsigned status = 0; status < STATUSES; status++) {
			char endpoint[48], code[48];

			snprintf(endpoint, sizeof(endpoint), "endpoint=\"/r/x%u\"", route);
			snprintf(code, sizeof(code), "status_code=\"%u\"", 200 + status * 100);
			assert_true(value("http_requests_total", LABELS(endpoint, code)) ==
				    counts[0][route][status]);
			assert_true(value("external_api_calls_total", LABELS(endpoint, code)) ==
				    counts[1][route][status]);
		}
	assert_true(sum("http_requests_total") + sum("external_api_calls_total") == 30000);
}

/* Both ends of one call are one request of the graph. */
static void service_graph(void **state)
{
	struct span client = { 0 }, server = { 0 };

	(void)state;
	start(true, true, 100);
	span_fill(&client, SPAN_CLIENT, "/u", 503, 1);
	set_text(&client, TEXT_PEER_SERVICE, "user-service");
	span_fill(&server, SPAN_SERVER, "/u", 503, 2);
	strcpy(spans_process.service, "order-service");
	metrics_add(&client);
	strcpy(spans_process.service, "user-service");
	set_text(&server, TEXT_PEER_SERVICE, "order-service");
	metrics_add(&server);
	read_samples();
	assert_true(value("traces_service_graph_request_total",
			  LABELS("client=\"order-service\"", "server=\"user-service\"")) == 1);
	assert_true(value("traces_service_graph_request_failed_total", LABELS("client=\"order-service\"")) ==
		    1);
	assert_true(value("traces_service_graph_request_client_seconds_count", NULL) == 1);
	assert_true(value("traces_service_graph_request_server_seconds_count", NULL) == 1);
	assert_true(value("target_info", LABELS("service_name=\"order-service\"")) == 1);
}

static void what_is_not_counted(void **state)
{
	struct span span = { 0 };

	(void)state;
	start(true, true, 100);
	span_fill(&span, SPAN_INTERNAL, "/internal", 200, 1);
	metrics_add(&span);
	read_samples();
	assert_false(is_there("http_requests_total"));
	assert_false(is_there("http_server_request_duration_seconds_count"));
}

/* The agent's own numbers: one for every row of stats.def and drops.def. */
static void own(void **state)
{
	(void)state;
	start(true, true, 100);
	stat_add(STAT_spans, 3);
	drop_add(DROP_gap, 2);
	read_samples();
	assert_true(value("spanhook_spans_total", NULL) == (double)stat_get(STAT_spans));
	assert_true(value("spanhook_dropped_total", LABELS("stage=\"conn\"", "reason=\"gap\"")) ==
		    (double)drop_get(DROP_gap));
#define STAT(symbol, name, type, help) assert_true(is_there(name));
#include "stats.def"
#undef STAT
#define DROP(reason, stage, help)                                                                            \
	value("spanhook_dropped_total", LABELS("stage=\"" #stage "\"", "reason=\"" #reason "\""));
#include "../bpf/drops.def"
#undef DROP
	assert_true(value("process_resident_memory_bytes", NULL) > 100000);
	assert_true(is_there("process_cpu_seconds_total"));
	assert_true(value("spanhook_build_info", NULL) == 1);
}

static _Atomic bool done;

/* What is read while spans are counted holds together, and counts never go back. */
static void *read_on(void *arg)
{
	double *ret_reads = arg, last = 0;

	while (!done) {
		double now;

		read_samples();
		now = sum("http_requests_total");
		if (now < last)
			fail_msg("%.0f requests after %.0f", now, last);
		last = now;
		++*ret_reads;
	}
	return NULL;
}

static void *count_on(void *arg)
{
	uint64_t seed = 11;

	(void)arg;
	for (int i = 0; i < 40000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/c/x%u", draw_below(&seed, 60));
		add(SPAN_SERVER, path, 200, NULL, MS_NS);
	}
	done = true;
	return NULL;
}

static void concurrent_reader(void **state)
{
	pthread_t thread;
	double reads = 0;

	(void)state;
	start(true, true, 50);
	done = false;
	assert_int_equal(pthread_create(&thread, NULL, count_on, NULL), 0);
	read_on(&reads); /* what fails fails in this thread */
	pthread_join(thread, NULL);
	read_samples();
	assert_true(sum("http_requests_total") == 40000);
	assert_true(sum("http_server_request_duration_seconds_count") == 40000);
}

#define metric_test(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		metric_test(semconv),       metric_test(classic),
		metric_test(buckets),       metric_test(label_values),
		metric_test(long_values),   metric_test(methods),
		metric_test(label_limit),   metric_test(random_spans),
		metric_test(service_graph), metric_test(what_is_not_counted),
		metric_test(own),           metric_test(concurrent_reader),
	};

	return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
