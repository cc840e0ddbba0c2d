/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the HTTP endpoints of the agent: the first line of the input is the method, the path and the
 * arguments of a request, each after a tab, the second one an address to listen on, and each of the others a
 * span that is counted: s (server), c (client) or d (of a database), then what it says, each after a tab:
 * service, method, path, Host, status. The metrics are in the text format that Prometheus reads, whatever the
 * spans say, and however few bytes of them a client takes at a time.
 */
#include "fuzz.h"

#include <arpa/inet.h>

#include "http.h"
#include "http_answer.h"
#include "metric.h"
#include "route.h"
#include "target.h"

#define PAGE_MAX (4 << 20)

static const struct config config = { .label_sets_max = 8, .metrics_classic = true, .metrics_semconv = true };

/* Takes what comes before the next tab off the line. */
static struct slice field(struct slice *line)
{
	const char *tab = line->len ? memchr(line->p, '\t', line->len) : NULL;
	struct slice s = { line->p, tab ? (size_t)(tab - line->p) : line->len };

	*line = slice_from(*line, s.len + 1);
	return s;
}

static void count_span(struct slice line)
{
	static struct span span;
	struct process process = { .pid = 1 };
	struct slice kind = field(&line), service = field(&line), path;
	char route[512];

	memset(&span, 0, sizeof(span));
	span.kind = slice_eq(kind, SLICE("s")) ? SPAN_SERVER : SPAN_CLIENT;
	span.protocol = "http";
	if (slice_eq(kind, SLICE("d")))
		span.protocol = span.db_system = "postgresql";
	span.process = &process;
	slice_put(process.service, (struct slice){ service.p, service.len < 63 ? service.len : 63 });
	span_set_text(&span, TEXT_METHOD, field(&line));
	path = field(&line);
	span_set_text(&span, TEXT_PATH, path);
	span_set_text(&span, TEXT_ROUTE, (struct slice){ route, route_of(path, route, sizeof(route)) });
	span_set_text(&span, TEXT_NAMESPACE, path);
	span_set_text(&span, TEXT_COLLECTION, path);
	span_set_text(&span, TEXT_HOST, field(&line));
	span_set_text(&span, TEXT_STATUS_CODE, line);
	span.status = line.len ? (unsigned char)line.p[0] * 5 : 0;
	span.request_len = span.response_len = line.len;
	span.end_ns = line.len * line.len * 1000000;
	metrics_add(&span);
}

/* A name of a metric or label: [a-zA-Z_][a-zA-Z0-9_]*. */
static const char *pass_name(const char *p)
{
	const char *start = p;

	while ((*p | 0x20) >= 'a' ? (*p | 0x20) <= 'z' || *p == '_' : *p >= '0' && *p <= '9' && p > start)
		p++;
	HOLD(p > start);
	return p;
}

static const char *pass_labels(const char *p)
{
	do {
		p = pass_name(p + 1);
		HOLD(p[0] == '=' && p[1] == '"');
		for (p += 2; *p != '"'; p++) {
			HOLD(*p && *p != '\n');
			if (*p == '\\')
				HOLD(*++p == '\\' || *p == '"' || *p == 'n');
		}
		p++;
	} while (*p == ',');
	HOLD(*p == '}');
	return p + 1;
}

static void check_sample(const char *p)
{
	char *end;

	p = pass_name(p);
	if (p[0] == '{')
		p = p[1] == '}' ? p + 2 : pass_labels(p);
	HOLD(*p == ' ' && p[1] != ' ');
	strtod(p + 1, &end);
	HOLD(*end == '\0');
}

static void check_page(struct slice page)
{
	while (page.len) {
		struct slice line = fuzz_line(&page);
		char *text = fuzz_string(line);

		HOLD(line.len && fuzz_is_utf8(line));
		if (!slice_starts(line, SLICE("# HELP ")) && !slice_starts(line, SLICE("# TYPE ")))
			check_sample(text);
		free(text);
	}
}

static void read_page(struct http_page *page, size_t step)
{
	static char text[PAGE_MAX];
	size_t len = 0, n;

	while ((n = http_page_read(page, text + len, step))) {
		HOLD(n <= step);
		len += n;
		HOLD(len < sizeof(text) - METRICS_PART_MAX);
	}
	HOLD(len && text[len - 1] == '\n');
	check_page((struct slice){ text, len });
}

static void read_metrics(size_t step)
{
	struct http_request request = { .method = "GET", .path = "/metrics" };
	struct http_answer answer = http_answer(&request);

	HOLD(answer.page);
	read_page(answer.page, step);
	free(answer.page);
}

/* An argument of a query is a name, = and a value. */
static void take_argument(struct http_request *request, struct slice line)
{
	char *name = fuzz_string(line), *value = strchr(name, '=');

	if (value) {
		*value = '\0';
		request->filter_err = trace_filter_take(&request->filter, name, value + 1);
	}
	free(name);
}

static void ask(struct slice line)
{
	char *method = fuzz_string(field(&line)), *path = fuzz_string(field(&line));
	struct http_request request = { .method = method, .path = path };
	bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	struct http_answer answer;

	while (line.len && !request.filter_err)
		take_argument(&request, field(&line));
	answer = http_answer(&request);
	HOLD((answer.status == 405) == !reads);
	HOLD(!answer.text == !!answer.page);
	HOLD(answer.text || answer.status == 200);
	HOLD(!answer.text || answer.status != 200 || path[0] == '/');
	free(answer.page);
	free(method);
	free(path);
}

/* What is taken is an address and a port as they are written. */
static void listen_on(struct slice line)
{
	char *text = fuzz_string(line), host[INET6_ADDRSTRLEN] = "";
	struct sockaddr_storage address;
	bool taken = http_parse_listen(text, &address) == 0;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;

	if (taken) {
		const char *digit = strrchr(text, ':') + 1;

		HOLD(strspn(digit, "0123456789") == strlen(digit));
		HOLD(address.ss_family == AF_INET6
			     ? text[0] == '[' && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) &&
				       ntohs(v6->sin6_port) == atoi(digit)
			     : inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) &&
				       ntohs(v4->sin_port) == atoi(digit));
		HOLD(text[0] == ':' || address.ss_family == AF_INET6 ||
		     (size_t)(digit - 1 - text) == strlen(host));
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = { (const char *)data, size };

	ask(fuzz_line(&rest));
	listen_on(fuzz_line(&rest));
	HOLD(metrics_init(&config) == 0);
	while (rest.len)
		count_span(fuzz_line(&rest));
	read_metrics(1 + size * 37 % 4096);
	metrics_free();
	return 0;
}
