/* SPDX-License-Identifier: Apache-2.0 */
/* rule, rules/ and body: a configuration and what passes on connections in, metrics out. */
#include "feed.h"

#include <errno.h>

#include "body.h"
#include "config.h"
#include "metric.h"
#include "rule.h"

static struct config config;
static char *text; /* of all metrics */

static int load(const char *yaml)
{
	static char path[] = "/tmp/spanhook-rule-XXXXXX";
	char *argv[] = { "agent", "-p", "1", "--config", path, "--label-sets", "40", NULL };
	int fd, err;

	strcpy(path, "/tmp/spanhook-rule-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	err = config_parse(COMMAND_AGENT, 7, argv, &config);
	unlink(path);
	return err;
}

static void start(const char *yaml)
{
	if (load(yaml))
		fail_msg("refused: %s", yaml);
	rules_init(config.rules);
	assert_int_equal(bodies_init(&config), 0);
	assert_int_equal(metrics_init(&config), 0);
}

static int setup(void **state)
{
	return feed_setup(state);
}

static int teardown(void **state)
{
	feed_stop(state);
	metrics_free();
	rules_init(NULL);
	bodies_fini();
	config_free(&config);
	free(text);
	text = NULL;
	return 0;
}

static void sink(struct span *span)
{
	strcpy(((struct process *)span->process)->service, "shop");
	rules_add((struct work *)span);
	bodies_release((struct work *)span);
}

static void settle_all(void)
{
	targets_resolve(feed_ns);
	links_tick(feed_ns);
	settle_flush(sink);
}

static void read_metrics(void)
{
	struct metrics_reader reader = { 0 };
	static char part[METRICS_PART_MAX];
	size_t size, n;
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &size);
	while ((n = metrics_read(&reader, part)))
		fwrite(part, 1, n, out);
	fclose(out);
}

/* Is the line there? A number of its value; -1: no. */
static double metric(const char *line)
{
	size_t len = strlen(line);

	read_metrics();
	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, line, len) == 0 && p[len] == ' ')
			return strtod(p + len + 1, NULL);
	return -1;
}

static void check_line(const char *line)
{
	const char *at;

	read_metrics();
	at = strstr(text, line);
	if (!at || (at > text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line %s in\n%s", line, strstr(text, "orders") ? strstr(text, "orders") : text);
}

static double skipped(const char *metric_name, const char *reason)
{
	char line[200];

	snprintf(line, sizeof(line), "spanhook_rule_skipped_total{metric=\"%s\",reason=\"%s\"}", metric_name,
		 reason);
	return metric(line);
}

#define SPANS "    spans: { kind: server, method: POST, route: /orders"

static const char orders[] =
	"rules:\n"
	"  - name: orders_total\n"
	"    type: counter\n" SPANS " }\n"
	"    labels:\n"
	"      status: { field: status, below: { 200: failed, 300: created }, else: rejected }\n"
	"      segment: { field: request.body.user_id, modulo: 10, below: { 2: premium, 6: "
	"standard }, else: basic }\n"
	"  - name: order_amount\n"
	"    type: histogram\n"
	"    unit: USD\n" SPANS ", status: 2xx }\n"
	"    value: response.body.total\n"
	"    buckets: [10, 99.5, 1000]\n"
	"    labels: { currency: response.body.currency, shop: { constant: north } }\n";

static struct end conn;

static void connect_now(void)
{
	conn = server_end(1);
	feed_conn(&conn);
}

static void post(const char *head, const char *body)
{
	char request[32768];

	snprintf(request, sizeof(request),
		 "POST /orders HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s", head, strlen(body),
		 body);
	feed_recv(&conn, request);
}

static void answer(int status, const char *head, const char *body)
{
	char response[32768];

	snprintf(response, sizeof(response), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, head,
		 strlen(body), body);
	feed_send(&conn, response);
	settle_all();
}

static void counts(void **state)
{
	(void)state;
	start(orders);
	connect_now();
	post("", "{\"user_id\":11}");
	answer(201, "", "{\"total\":29.99,\"currency\":\"USD\"}");
	post("", "{\"user_id\":15}");
	answer(201, "", "{\"total\":0.01,\"currency\":\"USD\"}");
	post("", "{\"user_id\":-3}"); /* 7 from below */
	answer(400, "", "{\"error\":\"unknown user\"}");
	post("", "{\"user_id\":1e1}");
	answer(201, "", "{\"total\":99.5,\"currency\":\"USD\"}");
	feed_recv(&conn, GET("/orders"));
	answer(200, "", "{\"total\":1}");

	check_line("orders_total{status=\"created\",segment=\"premium\"} 2");
	check_line("orders_total{status=\"created\",segment=\"standard\"} 1");
	check_line("orders_total{status=\"rejected\",segment=\"basic\"} 1");
	check_line("# HELP order_amount Spans counted by a rule (USD)");
	check_line("# TYPE order_amount histogram");
	check_line("order_amount_bucket{currency=\"USD\",shop=\"north\",le=\"10\"} 1");
	check_line("order_amount_bucket{currency=\"USD\",shop=\"north\",le=\"99.5\"} 3");
	check_line("order_amount_bucket{currency=\"USD\",shop=\"north\",le=\"1000\"} 3");
	check_line("order_amount_bucket{currency=\"USD\",shop=\"north\",le=\"+Inf\"} 3");
	check_line("order_amount_sum{currency=\"USD\",shop=\"north\"} 129.5");
	check_line("order_amount_count{currency=\"USD\",shop=\"north\"} 3");
	assert_true(skipped("orders_total", "missing") == 0);
}

/* As the body arrives, in whatever pieces and framing. */
static void pieces(void **state)
{
	static const char request[] = "POST /orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "5;x=y\r\n{\"use\r\n8\r\nr_id\": 1\r\n1\r\n}\r\n0\r\n\r\n";
	static const char response[] = "HTTP/1.1 201 X\r\nContent-Length: 30\r\n\r\n"
				       "{\"total\":5.25,\"currency\":\"EU\"}";

	(void)state;
	start(orders);
	connect_now();
	for (size_t step = 1; step <= 7; step += 2) {
		for (size_t i = 0; i < sizeof(request) - 1; i += step)
			feed_bytes(&conn, RX, request + i,
				   step < sizeof(request) - 1 - i ? step : sizeof(request) - 1 - i);
		for (size_t i = 0; i < sizeof(response) - 1; i += step)
			feed_bytes(&conn, TX, response + i,
				   step < sizeof(response) - 1 - i ? step : sizeof(response) - 1 - i);
		settle_all();
	}
	check_line("orders_total{status=\"created\",segment=\"premium\"} 4");
	check_line("order_amount_sum{currency=\"EU\",shop=\"north\"} 21");
}

/* A response that ends with its connection. */
static void to_close(void **state)
{
	(void)state;
	start(orders);
	connect_now();
	post("", "{\"user_id\":1}");
	feed_send(&conn, "HTTP/1.1 201 X\r\n\r\n{\"total\":5,\"curr");
	feed_send(&conn, "ency\":\"USD\"}");
	feed_state(&conn, ESTABLISHED, FIN_WAIT1, RCV_SHUT | SEND_SHUT, true, 0);
	settle_all();
	check_line("order_amount_sum{currency=\"USD\",shop=\"north\"} 5");
}

static void reasons(void **state)
{
	static char deep[400], nested[1000];
	const struct {
		const char *head, *body, *reason;
	} cases[] = {
		{ "", "", "no_body" },
		{ "", "{}", "missing" },
		{ "", "{\"user_id\":null}", "missing" },
		{ "", "{\"user_id\":\"12\"}", "not_a_number" },
		{ "", "{\"user_id\":true}", "not_a_number" },
		{ "", "{\"user_id\":1.5}", "not_whole" },
		{ "", "{\"user_id\":1e300}", "out_of_range" },
		{ "", "{\"user_id\":[1]}", "wrong_type" },
		{ "", "{\"user_id\":1,\"user_id\":2}", "ambiguous" },
		{ "", "user_id=1", "not_json" },
		{ "Content-Encoding: gzip\r\n", "\x1f\x8b", "body_encoded" },
		{ "Content-Encoding: identity\r\n", "{}", "missing" },
		{ "", nested, "too_deep" },
	};

	(void)state;
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	snprintf(nested, sizeof(nested), "{\"a\":%s,\"user_id\":1}", deep);
	start(orders);
	connect_now();
	for (size_t i = 0; i < COUNT(cases); i++) {
		double before = skipped("orders_total", cases[i].reason);

		post(cases[i].head, cases[i].body);
		answer(400, "", "{}");
		if (skipped("orders_total", cases[i].reason) != before + 1)
			fail_msg("not counted as %s: %s", cases[i].reason, cases[i].body);
	}
	assert_true(metric("orders_total{status=\"rejected\",segment=\"basic\"}") == -1);
}

/* A body that is longer than the limit, one of which bytes were lost, and an answer before its end. */
static void cut_bodies(void **state)
{
	static char body[20000];

	(void)state;
	start(orders);
	connect_now();
	snprintf(body, sizeof(body), "{\"user_id\":1,\"x\":\"%*s\"}", 16384 - 20, "");
	assert_int_equal(strlen(body), 16384);
	post("", body);
	answer(400, "", "{}");
	check_line("orders_total{status=\"rejected\",segment=\"premium\"} 1");
	snprintf(body, sizeof(body), "{\"user_id\":1,\"x\":\"%*s\"}", 16384 - 18, "");
	post("", body);
	answer(400, "", "{}");
	assert_true(skipped("orders_total", "body_cut") == 1);

	feed_recv(&conn, "POST /orders HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"use");
	feed_lost(&conn, RX, 4);
	feed_recv(&conn, "\":11}");
	answer(400, "", "{}");
	assert_true(skipped("orders_total", "body_cut") == 2);

	feed_recv(&conn, "POST /orders HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"use");
	answer(400, "", "{}");
	feed_recv(&conn, "r_id\":11}");
	post("", "{\"user_id\":2}");
	answer(400, "", "{}");
	assert_true(skipped("orders_total", "body_cut") == 3);
	check_line("orders_total{status=\"rejected\",segment=\"premium\"} 1");
	check_line("orders_total{status=\"rejected\",segment=\"standard\"} 1");
}

/* Buffers come back, whatever becomes of their requests; when all are in use, that is the reason. */
static void buffers(void **state)
{
	static char many[sizeof(orders) + 100];
	struct end ends[20];

	(void)state;
	snprintf(many, sizeof(many), "max-bodies: 16\nbody-limit: 1K\n%s", orders);
	start(many);
	connect_now();
	for (int i = 0; i < 100; i++) {
		post("", "{\"user_id\":1}");
		answer(201, "", "{\"total\":1,\"currency\":\"USD\"}");
	}
	check_line("order_amount_count{currency=\"USD\",shop=\"north\"} 100");
	assert_true(skipped("orders_total", "body_not_captured") == 0);
	for (size_t i = 0; i < 20; i++) {
		ends[i] = conn = server_end(10 + i);
		feed_conn(&conn);
		post("", "{\"user_id\":1}");
		ends[i] = conn;
	}
	for (size_t i = 0; i < 20; i++) {
		conn = ends[i];
		answer(400, "", "{}");
	}
	assert_true(skipped("orders_total", "body_not_captured") == 4);
	check_line("orders_total{status=\"rejected\",segment=\"premium\"} 16");
}

/* Attributes of function spans, facts, lengths, texts with escapes, and values for what is missing. */
static void fields(void **state)
{
	static const char yaml[] =
		"rules:\n"
		"  - name: f_total\n"
		"    type: counter\n"
		"    spans: { kind: internal, function: create_*, service: sh?p, failed: false }\n"
		"    labels: { user: attribute.user.id, fast: attribute.fast, name: attribute.name, fn: "
		"function,\n"
		"              none: { field: attribute.none, missing: unknown } }\n"
		"  - name: f_amount\n"
		"    type: histogram\n"
		"    spans: { kind: internal, function: create_order }\n"
		"    value: attribute.amount\n"
		"    buckets: [-1, 0.1]\n"
		"  - name: items_total\n"
		"    type: counter\n" SPANS ", service: \"*\" }\n"
		"    labels:\n"
		"      len: length(request.body.items)\n"
		"      first: request.body.items.0.n\n"
		"      dotted: request.body.a\\.b\n"
		"      method: method\n";
	struct work *w;
	struct process shop = { .refs = 10, .service = "shop" };

	(void)state;
	start(yaml);
	for (int i = 0; i < 3; i++) {
		w = work_new();
		w->span.kind = SPAN_INTERNAL;
		w->span.protocol = "function";
		w->span.function = "create_order";
		w->span.process = &shop;
		w->span.failed = i == 2;
		span_add_attribute(&w->span, "user.id")->integer = -7;
		*span_add_attribute(&w->span, "fast") =
			(struct attribute){ .name = "fast", .type = ATTRIBUTE_BOOL, .truth = true };
		*span_add_attribute(&w->span, "amount") = (struct attribute){ .name = "amount",
									      .type = ATTRIBUTE_DOUBLE,
									      .number = i ? 0.1 : -2.5 };
		span_add_text_attribute(&w->span, "name", SLICE("a\"b"), 20);
		rules_add(w);
		work_unref(w);
	}
	check_line(
		"f_total{user=\"-7\",fast=\"true\",name=\"a\\\"b\",fn=\"create_order\",none=\"unknown\"} 2");
	assert_true(skipped("f_total", "missing") == 2);
	check_line("f_amount_bucket{le=\"-1\"} 1");
	check_line("f_amount_bucket{le=\"0.1\"} 3");
	check_line("f_amount_bucket{le=\"+Inf\"} 3");
	check_line("f_amount_sum{} -2.3");

	connect_now();
	post("", "{\"items\":[{\"n\":\"\\u00e5\\n\"},2,3],\"a.b\":0.5}");
	answer(201, "", "");
	check_line("items_total{len=\"3\",first=\"\xc3\xa5\\n\",dotted=\"0.5\",method=\"POST\"} 1");
	post("", "{\"items\":{\"0\":{\"n\":1}},\"a.b\":0.5}");
	answer(201, "", "");
	assert_true(skipped("items_total", "wrong_type") == 1);
}

/* Sums are exact, and never wrap. */
static void sums(void **state)
{
	static const char amount[] = "{\"total\":9000000000000,\"currency\":\"USD\"}";

	(void)state;
	start(orders);
	connect_now();
	for (int i = 0; i < 1000; i++) {
		post("", "{\"user_id\":1}");
		answer(201, "", "{\"total\":0.1,\"currency\":\"EUR\"}");
	}
	check_line("order_amount_sum{currency=\"EUR\",shop=\"north\"} 100");
	post("", "{\"user_id\":1}");
	answer(201, "", amount);
	post("", "{\"user_id\":1}");
	answer(201, "", amount);
	assert_true(skipped("order_amount", "out_of_range") == 1);
	check_line("order_amount_sum{currency=\"USD\",shop=\"north\"} 9000000000000");
	check_line("order_amount_count{currency=\"USD\",shop=\"north\"} 1");
}

/* More currencies than there may be sets of labels. */
static void label_sets(void **state)
{
	(void)state;
	start(orders);
	connect_now();
	for (int i = 0; i < 100; i++) {
		char body[64];

		snprintf(body, sizeof(body), "{\"total\":1,\"currency\":\"C%02d\"}", i);
		post("", "{\"user_id\":1}");
		answer(201, "", body);
	}
	check_line("order_amount_count{currency=\"C39\",shop=\"north\"} 1");
	check_line("order_amount_count{currency=\"other\",shop=\"other\"} 60");
	check_line("spanhook_metric_label_sets_overflow_total{metric=\"order_amount\"} 60");
}

/* Bodies of which no rule reads anything are not kept. */
static void not_kept(void **state)
{
	struct work *w;

	(void)state;
	start(orders);
	w = work_new();
	w->span.kind = SPAN_SERVER;
	span_set_text(&w->span, TEXT_METHOD, SLICE("POST"));
	span_set_text(&w->span, TEXT_ROUTE, SLICE("/payments"));
	body_begin(w, FLOW_REQUEST, 0);
	assert_null(w->bodies[FLOW_REQUEST]);
	span_set_text(&w->span, TEXT_ROUTE, SLICE("/orders"));
	w->span.status = 404;
	body_begin(w, FLOW_RESPONSE, 0);
	assert_null(w->bodies[FLOW_RESPONSE]);
	w->span.status = 201;
	body_begin(w, FLOW_RESPONSE, 0);
	assert_non_null(w->bodies[FLOW_RESPONSE]);
	w->span.kind = SPAN_CLIENT;
	body_begin(w, FLOW_REQUEST, 0);
	assert_null(w->bodies[FLOW_REQUEST]);
	work_unref(w);
	w = work_new(); /* takes back what was dropped, its bodies too */
	assert_null(w->bodies[FLOW_RESPONSE]);
	work_unref(w);
}

#define RULE "rules:\n  - name: a\n    type: counter\n    spans: { kind: server, route: /x }\n"

/* What is refused: the line, and a word of the message. */
static void refused(void **state)
{
	static const struct {
		const char *yaml;
		int line;
		const char *word;
	} cases[] = {
		{ "rules: 3", 1, "list" },
		{ "rules:\n  - a", 2, "the keys are" },
		{ "rules:\n  - name: a\n    nam: b", 3, "'nam'" },
		{ "rules:\n  - name: a\n    name: b", 3, "twice" },
		{ "rules:\n  - name: a\n    type: counter", 2, "lacks the key spans" },
		{ "rules:\n  - type: counter\n    spans: { kind: server }", 2, "lacks the key name" },
		{ "rules:\n  - name: 1a", 2, "letters" },
		{ "rules:\n  - name: a_count", 2, "_count" },
		{ "rules:\n  - name: http_requests_total", 2, "already" },
		{ "rules:\n  - name: spanhook_x", 2, "already" },
		{ RULE "  - name: a", 5, "already" },
		{ "rules:\n  - name: a\n    type: gauge", 3, "histogram" },
		{ "rules:\n  - name: a\n    help: \"x\\ny\"", 3, "one line" },
		{ "rules:\n  - name: a\n    spans: { route: /x }", 3, "lacks the key kind" },
		{ "rules:\n  - name: a\n    spans: { kind: producer }", 3, "internal" },
		{ "rules:\n  - name: a\n    spans: { kind: server, route: x }", 3, "path" },
		{ "rules:\n  - name: a\n    spans: { kind: server, status: 20 }", 3, "2xx" },
		{ "rules:\n  - name: a\n    spans: { kind: server, status: 2x1 }", 3, "2xx" },
		{ "rules:\n  - name: a\n    spans: { kind: server, failed: 1 }", 3, "true or false" },
		{ RULE "    labels: [a]", 5, "names" },
		{ RULE "    labels: { le: status }", 5, "le" },
		{ RULE "    labels: { __a: status }", 5, "__" },
		{ RULE "    labels: { a-b: status }", 5, "letters" },
		{ RULE "    labels: { b: status, b: status }", 5, "twice" },
		{ RULE "    labels: { b: stat }", 5, "there are status, " },
		{ RULE "    labels: { b: request.body }", 5, "no field" },
		{ RULE "    labels: { b: request.bodyx }", 5, "no field" },
		{ RULE "    labels: { b: request.body. }", 5, "no field" },
		{ RULE "    labels: { b: request.body.a..b }", 5, "no field" },
		{ RULE "    labels: { b: request.body.a\\ }", 5, "no field" },
		{ RULE "    labels: { b: request.body.1.2.3.4.5.6.7.8.9 }", 5, "no field" },
		{ RULE "    labels: { b: length(status) }", 5, "no field" },
		{ RULE "    labels: { b: length(request.body.a }", 5, "no field" },
		{ RULE "    labels: { b: attribute. }", 5, "no field" },
		{ RULE "    labels: { b: {} }", 5, "either" },
		{ RULE "    labels: { b: { field: status, constant: a } }", 5, "either" },
		{ RULE "    labels: { b: { constant: a, missing: c } }", 5, "nothing else" },
		{ RULE "    labels: { b: { field: status, below: { 2: a } } }", 5, "belong together" },
		{ RULE "    labels: { b: { field: status, modulo: 2 } }", 5, "belong together" },
		{ RULE "    labels: { b: { field: status, modulo: 0 } }", 5, "from 1" },
		{ RULE "    labels: { b: { field: status, modulo: 1.5 } }", 5, "whole" },
		{ RULE "    labels: { b: { field: status, modulo: -1 } }", 5, "from 1" },
		{ RULE "    labels: { b: { field: status, below: {}, else: a } }", 5, "1 to 16" },
		{ RULE "    labels: { b: { field: status, below: [2], else: a } }", 5, "1 to 16" },
		{ RULE "    labels: { b: { field: status, below: { x: a }, else: a } }", 5, "number" },
		{ RULE "    labels: { b: { field: status, below: { 2: a, 2: b }, else: a } }", 5, "ascend" },
		{ RULE "    value: status", 2, "neither" },
		{ RULE "    buckets: [1]", 2, "neither" },
		{ "rules:\n  - name: a\n    type: histogram\n    spans: { kind: server }\n    value: status",
		  2, "value and buckets" },
		{ "rules:\n  - name: a\n    type: histogram\n    spans: { kind: server }\n    value: status\n"
		  "    buckets: [1, 1]",
		  6, "ascend" },
		{ "rules:\n  - name: a\n    type: histogram\n    spans: { kind: server }\n    value: status\n"
		  "    buckets: [1, 1e15]",
		  6, "too large" },
		{ "rules:\n  - name: a\n    type: histogram\n    spans: { kind: server }\n    value: status\n"
		  "    buckets: []",
		  6, "1 to 24" },
		{ "rules:\n  - name: a\n    type: counter\n    spans: { kind: server }\n"
		  "    labels: { b: request.body.a }",
		  2, "route" },
		{ "rules:\n  - name: a\n    type: counter\n    spans: { kind: internal, route: /a }\n"
		  "    labels: { b: request.body.a }",
		  2, "kind" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char said[2048] = "", line[32];
		int pipes[2], saved = dup(STDERR_FILENO), err;

		assert_int_equal(pipe(pipes), 0);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[1]);
		err = load(cases[i].yaml);
		dup2(saved, STDERR_FILENO);
		close(saved);
		assert_true(read(pipes[0], said, sizeof(said) - 1) >= 0);
		close(pipes[0]);
		snprintf(line, sizeof(line), ":%d: ", cases[i].line);
		if (!err)
			config_free(&config);
		if (err != -EINVAL || !strstr(said, line) || !strstr(said, cases[i].word) ||
		    strchr(said, '\n') != said + strlen(said) - 1)
			fail_msg("%d: %s%s", err, said, cases[i].yaml);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(to_close, setup, teardown),
		cmocka_unit_test_setup_teardown(reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(fields, setup, teardown),
		cmocka_unit_test_setup_teardown(sums, setup, teardown),
		cmocka_unit_test_setup_teardown(label_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(not_kept, setup, teardown),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
