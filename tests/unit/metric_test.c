/* SPDX-License-Identifier: Apache-2.0 */
/* metric, series, family and metric_text: spans in, the Prometheus text format 0.0.4 out. */
#include "samples.h"
#include "spans.h"

#include <pthread.h>

#include "base/random.h"
#include "metric.h"

static struct config config;

static void start(bool classic, bool semconv, uint32_t label_sets)
{
	config = (struct config){ .metrics_classic = classic,
				  .metrics_semconv = semconv,
				  .label_sets_max = label_sets };
	assert_int_equal(random_init(), 0);
	assert_int_equal(metrics_init(&config), 0);
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
