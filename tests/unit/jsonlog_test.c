/* SPDX-License-Identifier: Apache-2.0 */
#include "spans.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "exporter.h"
#include "span_json.h"

extern const struct exporter jsonlog_exporter;

static char folder[] = "/tmp/jsonlog_test.XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	unlink(path);
	return work_init(1024);
}

static int teardown(void **state)
{
	(void)state;
	work_fini();
	return 0;
}

static void *open_log(const char *log_path)
{
	struct config config = { .log_path = log_path };
	void *self = NULL;

	assert_true(jsonlog_exporter.wanted(&config));
	assert_int_equal(jsonlog_exporter.open(&config, &self), 0);
	return self;
}

static int send_one(void *self, const char *span_path)
{
	struct span *span = span_make(SPAN_SERVER, span_path, 200, 1);
	int err = jsonlog_exporter.send(self, &span, 1);

	span_unref(span);
	return err;
}

static size_t read_log(char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, size - 1, file);
	fclose(file);
	text[len] = '\0';
	return len;
}

/* Every line is an object; returns how many there are. */
static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (const char *end; *text; text = end + 1, lines++) {
		cJSON *object;

		end = strchr(text, '\n');
		assert_non_null(end);
		object = cJSON_ParseWithLength(text, (size_t)(end - text));
		assert_true(cJSON_IsObject(object));
		cJSON_Delete(object);
	}
	return lines;
}

static const char *string_of(const cJSON *object, const char *name)
{
	const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsString(field))
		fail_msg("no text %s", name);
	return field->valuestring;
}

static double number_of(const cJSON *object, const char *name)
{
	const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(field))
		fail_msg("no number %s", name);
	return field->valuedouble;
}

static cJSON *line_of(const struct span *span)
{
	struct wall wall = { 0 };
	char *buf = guarded_end(SPAN_JSON_MAX) - SPAN_JSON_MAX;
	size_t len;
	cJSON *object;

	wall_sample(&wall);
	len = span_json(span, &wall, buf, SPAN_JSON_MAX);
	assert_true(len <= SPAN_JSON_MAX);
	assert_int_equal(buf[len - 1], '\n');
	assert_null(memchr(buf, '\n', len - 1));
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_len(buf + i, len - i);
		assert_true(n > 0);
	}
	object = cJSON_ParseWithLength(buf, len);
	assert_true(cJSON_IsObject(object));
	for (const cJSON *field = object->child; field; field = field->next)
		for (const cJSON *other = object->child; other != field; other = other->next)
			assert_string_not_equal(field->string, other->string);
	return object;
}

static void all_fields(void **state)
{
	static const struct {
		const char *name, *text;
	} texts[] = {
		{ "level", "error" },
		{ "message", "GET /orders/{id} 503 connection_reset in 2.000000 ms" },
		{ "service", "order-service" },
		{ "kind", "client" },
		{ "name", "GET /orders/{id}" },
		{ "trace_id", "abababababababababababababababab" },
		{ "span_id", "0100000000000000" },
		{ "parent_span_id", "0200000000000000" },
		{ "evidence", "thread" },
		{ "request_id", "r-1" },
		{ "protocol", "http" },
		{ "method", "GET" },
		{ "path", "/orders/7" },
		{ "query", "a=1" },
		{ "route", "/orders/{id}" },
		{ "host", "shop" },
		{ "error_type", "connection_reset" },
		{ "peer", "10.0.0.2:9000" },
		{ "local", "127.0.0.1:8080" },
		{ "peer_service", "user-service" },
		{ "user_agent", "curl" },
		{ "command", "orderd" },
	};
	static const struct {
		const char *name;
		double value;
	} numbers[] = {
		{ "status", 503 },        { "duration_ms", 2 }, { "ttfb_ms", 1 }, { "request_bytes", 10 },
		{ "response_bytes", 20 }, { "pid", 77 },        { "tid", 78 },    { "adjusted_count", 10 },
	};
	struct span span = { 0 }, parent = { .span_id = { 2 } };
	cJSON *object;
	int year;

	(void)state;
	span_fill(&span, SPAN_CLIENT, "/orders/7", 503, 1);
	set_text(&span, TEXT_ROUTE, "/orders/{id}");
	set_text(&span, TEXT_QUERY, "a=1");
	set_text(&span, TEXT_HOST, "shop");
	set_text(&span, TEXT_USER_AGENT, "curl");
	set_text(&span, TEXT_REQUEST_ID, "r-1");
	set_text(&span, TEXT_PEER_SERVICE, "user-service");
	span_set_parent(&span, &parent, EVIDENCE_THREAD);
	span.error_type = "connection_reset";
	span.incomplete = span.truncated = span.sampled = span.losses = true;
	span.request_len = 10;
	span.response_len = 20;
	object = line_of(&span);
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_string_equal(string_of(object, texts[i].name), texts[i].text);
	for (size_t i = 0; i < COUNT(numbers); i++)
		assert_true(number_of(object, numbers[i].name) == numbers[i].value);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(object, "incomplete")));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(object, "truncated")));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(object, "losses")));
	assert_int_equal(strlen(string_of(object, "timestamp")), strlen("2026-01-01T00:00:00.000000000Z"));
	assert_int_equal(sscanf(string_of(object, "timestamp"), "%d-%*2d-%*2dT%*2d:%*2d:%*2d.%*9dZ", &year),
			 1);
	assert_true(year > 2000);
	assert_int_equal(cJSON_GetArraySize(object), COUNT(texts) + COUNT(numbers) + 4);
	cJSON_Delete(object);
}

/* What does not apply is left out. */
static void absent_fields(void **state)
{
	static const char *const names[] = { "parent_span_id", "request_id", "method",    "path",
					     "query",          "route",      "host",      "status",
					     "ttfb_ms",        "peer",       "local",     "peer_service",
					     "user_agent",     "incomplete", "truncated", "adjusted_count",
					     "losses",         "service" };
	struct span span = { .kind = SPAN_CLIENT, .protocol = "tcp", .error_type = "connect_refused" };
	cJSON *object = line_of(&span);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_null(cJSON_GetObjectItemCaseSensitive(object, names[i]));
	assert_string_equal(string_of(object, "name"), "connect");
	assert_string_equal(string_of(object, "error_type"), "connect_refused");
	assert_string_equal(string_of(object, "evidence"), "unknown");
	assert_true(number_of(object, "request_bytes") == 0);
	cJSON_Delete(object);
}

static void levels(void **state)
{
	static const struct {
		enum span_kind kind;
		int status;
		const char *level;
	} cases[] = {
		{ SPAN_SERVER, 200, "info" }, { SPAN_SERVER, 404, "warn" },  { SPAN_SERVER, 500, "error" },
		{ SPAN_CLIENT, 302, "info" }, { SPAN_CLIENT, 404, "error" }, { SPAN_CLIENT, 0, "info" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span span = { .kind = cases[i].kind, .protocol = "http", .status = cases[i].status };
		cJSON *object = line_of(&span);

		assert_string_equal(string_of(object, "level"), cases[i].level);
		cJSON_Delete(object);
	}
}

/* Whatever was on the wire, the line is JSON and UTF-8 and has room. */
static void any_bytes(void **state)
{
	static const char *const fillers[] = {
		"\xff", "\"", "\\", "\x01", "\x7f", "\xe2\x82\xac", "\xf0\x9f\x98\x80"
	};

	(void)state;
	for (size_t i = 0; i < COUNT(fillers); i++) {
		struct span span = { .kind = SPAN_SERVER,
				     .protocol = "http",
				     .local = { .family = AF_UNIX },
				     .peer = { .family = AF_UNIX } };
		char text[601] = "";
		cJSON *object;

		while (strlen(text) + strlen(fillers[i]) < sizeof(text))
			strcat(text, fillers[i]);
		for (enum span_text which = 0; which < SPAN_TEXTS; which++)
			set_text(&span, which, text);
		object = line_of(&span);
		string_of(object, "path");
		string_of(object, "trace_id");
		cJSON_Delete(object);
	}
}

static void lines_are_appended(void **state)
{
	static char text[1 << 20];
	struct span *spans[700];
	struct stat file;
	void *log = open_log(path);

	(void)state;
	assert_int_equal(jsonlog_exporter.send(log, NULL, 0), 0);
	for (size_t i = 0; i < COUNT(spans); i++)
		spans[i] = span_make(SPAN_SERVER, "/many", 200, i);
	assert_int_equal(jsonlog_exporter.send(log, spans, COUNT(spans)), 0);
	for (size_t i = 0; i < COUNT(spans); i++)
		span_unref(spans[i]);
	read_log(text, sizeof(text));
	assert_int_equal(count_lines(text), COUNT(spans));
	jsonlog_exporter.close(log);

	/* Opened again, by the next run, it goes on where it ended. */
	log = open_log(path);
	assert_int_equal(send_one(log, "/again"), 0);
	jsonlog_exporter.close(log);
	read_log(text, sizeof(text));
	assert_int_equal(count_lines(text), COUNT(spans) + 1);
	assert_non_null(strstr(text, "\"path\":\"/again\""));
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777 & ~0640, 0);
}

static void cannot_open(void **state)
{
	struct config config = { .log_path = "/nonexistent/spanhook.log" };
	void *self = &config;

	(void)state;
	assert_int_equal(jsonlog_exporter.open(&config, &self), -ENOENT);
	assert_ptr_equal(self, &config);
	config.log_path = NULL;
	assert_false(jsonlog_exporter.wanted(&config));
}

static void device_full(void **state)
{
	void *log = open_log("/dev/full");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_one(log, "/a"), -ENOSPC);
	jsonlog_exporter.close(log);
}

static void limit_file(rlim_t len)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = len;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file takes a part of what is written and then no more, as a disk that fills up does. */
static void no_room(void **state)
{
	static char text[1 << 20];
	struct span *spans[400];
	void *log = open_log(path);
	size_t sent = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < COUNT(spans); i++)
		spans[i] = span_make(SPAN_SERVER, "/a", 200, i);
	for (rlim_t len = 1000; len < 200000; len += 33331) {
		int err;

		limit_file(len);
		err = jsonlog_exporter.send(log, spans, COUNT(spans));
		limit_file(RLIM_INFINITY);
		if (err)
			assert_int_equal(err, -EFBIG);
		else
			sent += COUNT(spans);
		/* A batch that is said to be lost has left nothing. */
		read_log(text, sizeof(text));
		assert_int_equal(count_lines(text), sent);
		assert_int_equal(jsonlog_exporter.send(log, spans, 1), 0);
		sent++;
	}
	read_log(text, sizeof(text));
	assert_int_equal(count_lines(text), sent);
	assert_true(sent < 2 * COUNT(spans));
	for (size_t i = 0; i < COUNT(spans); i++)
		span_unref(spans[i]);
	jsonlog_exporter.close(log);
}

static void standard_output(void **state)
{
	static char text[1 << 16];
	int before = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), err;
	void *log;

	(void)state;
	fflush(stdout);
	assert_true(fd >= 0 && before >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	log = open_log("-");
	err = send_one(log, "/a");
	jsonlog_exporter.close(log);
	assert_true(dup2(before, STDOUT_FILENO) >= 0); /* still open */
	close(before);
	close(fd);
	assert_int_equal(err, 0);
	read_log(text, sizeof(text));
	assert_int_equal(count_lines(text), 1);
}

static void nobody_reads(void **state)
{
	char name[32];
	int ends[2];
	void *log;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[1]);
	log = open_log(name);
	assert_int_equal(send_one(log, "/a"), 0);
	close(ends[0]);
	assert_int_equal(send_one(log, "/a"), -EPIPE);
	jsonlog_exporter.close(log);
	close(ends[1]);
}

#define log_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(all_fields),
		log_test(absent_fields),
		log_test(levels),
		log_test(any_bytes),
		log_test(lines_are_appended),
		log_test(cannot_open),
		log_test(device_full),
		log_test(no_room),
		log_test(standard_output),
		log_test(nobody_reads),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/log", folder);
	failed = cmocka_run_group_tests_name("jsonlog", tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
