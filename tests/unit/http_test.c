/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/random.h"
#include "http.h"
#include "metric.h"
#include "trace_store.h"

/* A socket that is bound to a free port of this address, and the address's text. */
static int bind_free(bool v6, bool listening, char *ret_text, size_t size)
{
	struct sockaddr_in v4_address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6_address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *address = v6 ? (struct sockaddr *)&v6_address : (struct sockaddr *)&v4_address;
	socklen_t len = v6 ? sizeof(v6_address) : sizeof(v4_address);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, len) || (listening && listen(fd, 1)) ||
	    getsockname(fd, address, &len)) {
		close(fd);
		return -1;
	}
	snprintf(ret_text, size, v6 ? "[::1]:%u" : "127.0.0.1:%u",
		 ntohs(v6 ? v6_address.sin6_port : v4_address.sin_port));
	return fd;
}

/* Starts the server; false: there is no such address here. */
static bool start(bool v6, char *listen_at, size_t size)
{
	struct config config = { .metrics_classic = true, .metrics_semconv = true, .label_sets_max = 10 };
	int err = -EADDRINUSE;

	assert_int_equal(random_init(), 0);
	assert_int_equal(metrics_init(&config), 0);
	/* Somebody else may take the port meanwhile. */
	for (int tries = 0; err == -EADDRINUSE && tries < 10; tries++) {
		int fd = bind_free(v6, false, listen_at, size);

		if (fd < 0)
			return false;
		close(fd);
		config.listen = listen_at;
		err = http_start(&config);
	}
	assert_int_equal(err, 0);
	return true;
}

static int stop(void **state)
{
	(void)state;
	http_stop();
	http_stop();
	http_set_ready(false);
	metrics_free();
	trace_store_fini();
	return 0;
}

/* One request; the answer, head and body, until the server closes. For the caller to free. */
static char *ask(const char *listen_at, const char *method, const char *path)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool is_v6 = listen_at[0] == '[';
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 20 };
	char buf[4096], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	ssize_t n;

	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(strrchr(listen_at, ':') + 1));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
			       : connect(fd, (struct sockaddr *)&v4, sizeof(v4)),
			 0);
	n = snprintf(buf, sizeof(buf), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method,
		     path);
	assert_int_equal(send(fd, buf, (size_t)n, MSG_NOSIGNAL), n);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		fwrite(buf, 1, (size_t)n, out);
	assert_int_equal(n, 0);
	close(fd);
	fclose(out);
	return text;
}

static void check_answer(const char *listen_at, const char *method, const char *path, int status,
			 const char *holds)
{
	char *text = ask(listen_at, method, path);

	assert_int_equal(strncmp(text, "HTTP/1.1 ", 9), 0);
	assert_int_equal(atoi(text + 9), status);
	if (!strstr(text, holds))
		fail_msg("%s %s: no \"%s\" in\n%s", method, path, holds, text);
	free(text);
}

static void paths(void **state)
{
	char at[64], *head;

	(void)state;
	assert_true(start(false, at, sizeof(at)));
	check_answer(at, "GET", "/healthz", 503, "starting");
	http_set_ready(true);
	check_answer(at, "GET", "/healthz", 200, "\r\n\r\nok\n");
	http_set_ready(false);
	check_answer(at, "GET", "/healthz", 503, "starting");
	check_answer(at, "GET", "/", 200, "/metrics");
	check_answer(at, "GET", "/metrics", 200,
		     "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	check_answer(at, "GET", "/metrics?a=b", 200, "spanhook_spans_total");
	check_answer(at, "GET", "/metrics/", 404, "not found");
	check_answer(at, "GET", "/../etc/passwd", 404, "not found");
	check_answer(at, "POST", "/metrics", 405, "only GET and HEAD");
	check_answer(at, "DELETE", "/", 405, "only GET and HEAD");
	head = ask(at, "HEAD", "/metrics");
	assert_int_equal(strncmp(head, "HTTP/1.1 200 ", 13), 0);
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	free(head);
}

static void traces(void **state)
{
	static const char empty[] = "\r\n\r\n", no_traces[] = "{\"traces\":[]}\n";
	static const char *const bad[] = { "/traces?limit=0", "/traces?a=1", "/traces?limit", "/traces/1",
					   "/traces/?status=ok" };
	char at[64], path[64], *head;

	(void)state;
	assert_true(start(false, at, sizeof(at)));
	check_answer(at, "GET", "/traces", 404, "--traces 0");
	assert_int_equal(trace_store_init(4), 0);
	check_answer(at, "GET", "/traces", 200, "Content-Type: application/json\r\n");
	check_answer(at, "GET", "/traces", 200, no_traces);
	check_answer(at, "GET", "/traces?limit=3&service=a%20b&status=error", 200, no_traces);
	for (size_t i = 0; i < COUNT(bad); i++)
		check_answer(at, "GET", bad[i], 400, "/traces?limit=N");
	snprintf(path, sizeof(path), "/traces/%032d", 0);
	check_answer(at, "GET", path, 404, "not kept");
	check_answer(at, "GET", "/tracesandmore", 404, "not found");
	check_answer(at, "POST", "/traces", 405, "only GET and HEAD");
	head = ask(at, "HEAD", "/traces");
	assert_int_equal(strncmp(head, "HTTP/1.1 200 ", 13), 0);
	assert_string_equal(strstr(head, empty), empty);
	free(head);
}

static void over_ipv6(void **state)
{
	char at[64];

	(void)state;
	if (start(true, at, sizeof(at)))
		check_answer(at, "GET", "/metrics", 200, "spanhook_build_info");
}

static void bad_addresses(void **state)
{
	static const char *const cases[] = {
		"",
		"9090",
		"localhost:9090",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:x",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+80",
		"127.0.0.1: 80",
		"127.0.0.1:-18446744073709551536",
		"256.0.0.1:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1:80",
		"[127.0.0.1]:80",
		"[]:80",
		"127.0.0.1:80 ",
		"a-host-name-that-is-longer-than-any-address-could-ever-be-in-its-text-form:80",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config = { .listen = cases[i] };

		if (http_start(&config) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
	}
}

static void port_in_use(void **state)
{
	char at[64];
	struct config config = { .listen = at };
	int fd = bind_free(false, true, at, sizeof(at));

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(http_start(&config), -EADDRINUSE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(paths, stop),
		cmocka_unit_test_teardown(traces, stop),
		cmocka_unit_test_teardown(over_ipv6, stop),
		cmocka_unit_test(bad_addresses),
		cmocka_unit_test(port_in_use),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
