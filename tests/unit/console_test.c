/* SPDX-License-Identifier: Apache-2.0 */
/* What people see: trees of spans on standard output, which is a file here, or a terminal of a known width.
 */
#include "spans.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "exporter.h"
#include "trace.h"

extern const struct exporter console_exporter;

#define SPANS_MAX 4096 /* user/exporters/console.c */

static int saved_out = -1;

static int setup(void **state)
{
	(void)state;
	setenv("LC_ALL", "C", 1);
	setenv("TZ", "UTC", 1);
	return work_init(10000);
}

static void restore_output(void)
{
	if (saved_out < 0)
		return;
	fflush(stdout);
	dup2(saved_out, STDOUT_FILENO);
	close(saved_out);
	saved_out = -1;
}

static int teardown(void **state)
{
	(void)state;
	restore_output();
	work_fini();
	return 0;
}

/* From here to restore_output() standard output is fd. */
static void redirect_output(int fd)
{
	assert_true(fd >= 0);
	fflush(stdout);
	saved_out = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

static int output_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	redirect_output(dup(fd));
	return fd;
}

/* What was written to the file since, terminated; for the caller to free. */
static char *take_output(int fd)
{
	off_t len;
	char *text;

	restore_output();
	len = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

static void *open_console(enum output output, bool color)
{
	struct config config = { .output = output, .color = color };
	void *self = NULL;

	assert_true(console_exporter.wanted(&config));
	assert_int_equal(console_exporter.open(&config, &self), 0);
	return self;
}

static int send_spans(void *self, struct span **spans, size_t n)
{
	int err = console_exporter.send(self, spans, n);

	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
	return err;
}

/* The wall-clock times at the start of lines become T. */
static void mask_times(char *text)
{
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		int h, m, s, ms;

		if (sscanf(line, "%2d:%2d:%2d.%3d", &h, &m, &s, &ms) == 4)
			memcpy(line, "TT:TT:TT.TTT", 12);
	}
}

static void check_output(int fd, const char *expected)
{
	char *text = take_output(fd);

	mask_times(text);
	if (strcmp(text, expected))
		fail_msg("expected\n%sgot\n%s", expected, text);
	free(text);
}

/* Those lines that hold this. */
static void check_lines(int fd, const char *holding, const char *expected)
{
	char *text = take_output(fd), *to = text;

	mask_times(text);
	for (char *line = text, *next; *line; line = next) {
		char *end = strchr(line, '\n');

		next = end ? end + 1 : line + strlen(line);
		if (!memmem(line, (size_t)(next - line), holding, strlen(holding)))
			continue;
		memmove(to, line, (size_t)(next - line));
		to += next - line;
	}
	*to = '\0';
	assert_string_equal(text, expected);
	free(text);
}

/* A request with two calls, one of which another traced service answered with a call of its own. */
struct tree {
	struct span *request, *users, *stock, *stock_served, *refused;
};

static struct tree make_tree(void)
{
	struct tree t = {
		.request = span_make(SPAN_SERVER, "/orders", 201, 1),
		.users = span_make(SPAN_CLIENT, "/users/7", 200, 2),
		.stock = span_make(SPAN_CLIENT, "/stock", 503, 3),
		.stock_served = span_make(SPAN_SERVER, "/stock", 503, 4),
		.refused = &work_new()->span,
	};

	span_set_parent(t.users, t.request, EVIDENCE_THREAD);
	span_set_parent(t.stock, t.request, EVIDENCE_THREAD);
	span_set_parent(t.stock_served, t.stock, EVIDENCE_SOCKET);
	t.request->request_len = 12345;
	t.request->response_len = 5;
	t.request->truncated = true;
	t.users->incomplete = true;
	set_text(t.users, TEXT_HOST, "users:9000");
	t.stock->start_ns += MS_NS;
	set_text(t.stock, TEXT_PEER_SERVICE, "stock-service");
	t.stock_served->start_ns += MS_NS + MS_NS / 2;
	t.refused->kind = SPAN_CLIENT;
	t.refused->protocol = "tcp";
	t.refused->error_type = "connect_refused";
	t.refused->start_ns = t.stock_served->start_ns + 100000;
	t.refused->end_ns = t.refused->start_ns + 200000;
	t.refused->peer = (struct address){ AF_INET6, 80, { [15] = 1 } };
	memset(t.refused->span_id, 5, sizeof(t.refused->span_id));
	span_set_parent(t.refused, t.stock_served, EVIDENCE_THREAD);
	return t;
}

static size_t end(void *console)
{
	size_t lost = console_exporter.finish(console);

	console_exporter.close(console);
	return lost;
}

/* As they end: what is called ends before its caller. */
static void print_tree(void *console, struct tree t)
{
	send_spans(console, (struct span *[]){ t.refused, t.stock_served }, 2);
	send_spans(console, (struct span *[]){ t.users, t.stock, t.request }, 3);
	end(console);
}

#define HEAD                                                                                                 \
	"TIME         REQUEST                                   STATUS     DURATION REQ BODY RESP BODY  "    \
	"SERVICE AND PEER (ITS TIME)\n"

static void tree(void **state)
{
	int fd = output_file();

	(void)state;
	print_tree(open_console(OUTPUT_TEXT, false), make_tree());
	check_output(fd, HEAD "TT:TT:TT.TTT GET  /orders                                 201     2.000 ms  "
			      "12.3 kB       5 B  "
			      "order-service <- 10.0.0.2:9000 truncated\n"
			      "     +0.0 ms |- GET  /users/7                             200     2.000 ms    "
			      "    -         -  "
			      "-> users:9000 incomplete\n"
			      "     +1.0 ms `- GET  /stock                               503     1.000 ms    "
			      "    -         -  "
			      "-> stock-service:9000 (0.500 ms)\n"
			      "     +0.1 ms    `- connect                                ---     0.200 ms    "
			      "    -         -  "
			      "-> [::1]:80 connect_refused\n");
}

static void tree_utf8(void **state)
{
	int fd = output_file();

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	print_tree(open_console(OUTPUT_TEXT, false), make_tree());
	check_output(fd, HEAD "TT:TT:TT.TTT GET  /orders                                 201     2.000 ms  "
			      "12.3 kB       5 B  "
			      "order-service ← 10.0.0.2:9000 truncated\n"
			      "     +0.0 ms ├─ GET  /users/7                             200     2.000 ms    "
			      "    -         -  "
			      "→ users:9000 incomplete\n"
			      "     +1.0 ms └─ GET  /stock                               503     1.000 ms    "
			      "    -         -  "
			      "→ stock-service:9000 (0.500 ms)\n"
			      "     +0.1 ms    └─ connect                                ---     0.200 ms    "
			      "    -         -  "
			      "→ [::1]:80 connect_refused\n");
}

/* Without its escape sequences it is the same. */
static void tree_in_color(void **state)
{
	int fd = output_file();
	char *text, *plain, *to;

	(void)state;
	print_tree(open_console(OUTPUT_TEXT, true), make_tree());
	text = take_output(fd);
	assert_non_null(strstr(text, "\033[32m201\033[0m"));
	assert_non_null(strstr(text, "\033[31m503\033[0m"));
	assert_non_null(strstr(text, "\033[31mconnect_refused\033[0m"));
	for (const char *from = to = text; *from; from++)
		if (*from == '\033')
			from = strchr(from, 'm');
		else
			*to++ = *from;
	*to = '\0';
	mask_times(text);

	fd = output_file();
	print_tree(open_console(OUTPUT_TEXT, false), make_tree());
	plain = take_output(fd);
	mask_times(plain);
	assert_string_equal(text, plain);
	free(text);
	free(plain);
}

/* What cannot stand under its request says so. */
static void notes(void **state)
{
	int fd = output_file();
	void *console = open_console(OUTPUT_TEXT, false);
	struct span *request = span_make(SPAN_SERVER, "/a", 200, 1),
		    *alone = span_make(SPAN_CLIENT, "/b", 200, 2),
		    *late = span_make(SPAN_CLIENT, "/c", 200, 3),
		    *open = span_make(SPAN_CLIENT, "/d", 200, 4),
		    *remote = span_make(SPAN_SERVER, "/e", 200, 5);
	struct span unfinished = { .span_id = { 99 } };

	(void)state;
	span_set_parent(late, request, EVIDENCE_THREAD);
	span_set_parent(open, &unfinished, EVIDENCE_THREAD);
	span_set_parent(remote, &unfinished, EVIDENCE_TRACEPARENT);
	remote->parent_local = false;
	send_spans(console, (struct span *[]){ open, request, alone, late, remote }, 5);
	end(console);
	check_output(fd,
		     HEAD "TT:TT:TT.TTT GET  /a                                      200     2.000 ms    "
			  "    -         -  "
			  "order-service <- 10.0.0.2:9000\n"
			  "TT:TT:TT.TTT GET  /b                                      200     2.000 ms    "
			  "    -         -  "
			  "order-service -> 10.0.0.2:9000  (parent unknown)\n"
			  "TT:TT:TT.TTT GET  /c                                      200     2.000 ms    "
			  "    -         -  "
			  "order-service -> 10.0.0.2:9000  (its request is above)\n"
			  "TT:TT:TT.TTT GET  /e                                      200     2.000 ms    "
			  "    -         -  "
			  "order-service <- 10.0.0.2:9000\n"
			  "TT:TT:TT.TTT GET  /d                                      200     2.000 ms    "
			  "    -         -  "
			  "order-service -> 10.0.0.2:9000  (orphan: its request is not over, or was lost)\n");
}

/* What may lack spans says so, and so does what has more than is shown. */
static void incomplete_traces(void **state)
{
	int fd = output_file();
	void *console = open_console(OUTPUT_TEXT, false);
	struct span *request = span_make(SPAN_SERVER, "/a", 200, 1),
		    *after = span_make(SPAN_SERVER, "/b", 200, 2), *call;

	(void)state;
	console_exporter.lost(console, request->start_ns);
	for (uint64_t i = 0; i < TRACE_SPANS_MAX; i++) {
		call = span_make(SPAN_CLIENT, "/c", 200, 100 + i);
		span_set_parent(call, request, EVIDENCE_THREAD);
		send_spans(console, &call, 1);
	}
	after->start_ns++;
	after->losses = true;
	call = span_make(SPAN_SERVER, "/d", 200, 3);
	call->start_ns++;
	send_spans(console, (struct span *[]){ request, after, call }, 3);
	end(console);
	check_lines(fd, "losses",
		    "TT:TT:TT.TTT GET  /a                                      200     2.000 ms    "
		    "    -         -  "
		    "order-service <- 10.0.0.2:9000 losses  (256 more spans are not shown)\n"
		    "TT:TT:TT.TTT GET  /b                                      200     2.000 ms    "
		    "    -         -  "
		    "order-service <- 10.0.0.2:9000 losses\n");
}

/* The request is not over, but what is below it stays together. */
static void part_of_a_tree(void **state)
{
	int fd = output_file();
	struct tree t = make_tree();
	void *console = open_console(OUTPUT_TEXT, false);

	(void)state;
	send_spans(console, (struct span *[]){ t.refused, t.stock_served, t.stock }, 3);
	end(console);
	span_unref(t.users);
	span_unref(t.request);
	check_output(fd, HEAD "TT:TT:TT.TTT GET  /stock                                  503     1.000 ms    "
			      "    -         -  "
			      "order-service -> stock-service:9000 (0.500 ms)  (orphan: its request is not "
			      "over, or was lost)\n"
			      "     +0.1 ms `- connect                                   ---     0.200 ms    "
			      "    -         -  "
			      "-> [::1]:80 connect_refused\n");
}

/* Nothing foreign steers the terminal. */
static void hostile(void **state)
{
	static const char *const locales[] = { "C", "C.UTF-8" };

	(void)state;
	for (size_t i = 0; i < COUNT(locales); i++) {
		int fd = output_file();
		struct span *span = span_make(SPAN_CLIENT, "/\033[2J\n\xff\xe2\x80\xae\xc2\x9b\x7f", 200, 1);
		void *console;
		char *text;

		setenv("LC_ALL", locales[i], 1);
		console = open_console(OUTPUT_TEXT, false);
		set_text(span, TEXT_HOST, "evil\r\033]0;title\007");
		send_spans(console, &span, 1);
		end(console);
		text = take_output(fd);
		assert_null(strpbrk(text, "\033\r\007\x7f"));
		assert_null(strstr(text, "\xe2\x80\xae"));
		assert_null(strstr(text, "\xc2\x9b"));
		assert_non_null(strstr(text, "GET  /.[2J....."));
		assert_non_null(strstr(text, "evil..]0;title."));
		free(text);
	}
}

static size_t columns_of(const char *line, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)line[i] & 0xc0) != 0x80;
	return n;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* On a terminal no line is longer than it is wide. */
static void terminal(void **state)
{
	static const unsigned short widths[] = { 80, 100, 120, 200 };

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t i = 0; i < COUNT(widths); i++) {
		struct winsize size = { .ws_row = 50, .ws_col = widths[i] };
		int pty = posix_openpt(O_RDWR | O_NOCTTY);
		struct tree t = make_tree();
		struct termios mode;
		char text[16384] = "", *line = text;
		ssize_t n, len = 0;

		assert_true(pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0);
		redirect_output(open(ptsname(pty), O_RDWR | O_NOCTTY));
		assert_int_equal(ioctl(STDOUT_FILENO, TIOCSWINSZ, &size), 0);
		assert_int_equal(tcgetattr(STDOUT_FILENO, &mode), 0);
		cfmakeraw(&mode);
		assert_int_equal(tcsetattr(STDOUT_FILENO, TCSANOW, &mode), 0);
		set_text(t.request, TEXT_PATH,
			 "/a/very/long/path/of/many/segments/that/does/not/fit/anywhere/"
			 "at/all/and/goes/on/and/on/and/on/until/its/very/end");
		set_text(t.users, TEXT_HOST,
			 "a-very-long-host-name-of-a-service.that-does-not-fit.example.com:65535");
		t.request->truncated = t.users->incomplete = false;
		print_tree(open_console(OUTPUT_TEXT, false), t);
		restore_output();
		while (count_lines(text) < 5 &&
		       (n = read(pty, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
			len += n;
		close(pty);
		assert_int_equal(count_lines(text), 5);
		for (char *end; (end = strchr(line, '\n')); line = end + 1)
			if (columns_of(line, (size_t)(end - line)) > widths[i] &&
			    !strstr(line, "connect_refused"))
				fail_msg("more than %u columns: %.*s", widths[i], (int)(end - line), line);
		assert_non_null(strstr(text, "…"));
		assert_non_null(strstr(text, "very/end"));
	}
}

static void json(void **state)
{
	int fd = output_file();
	char *text;
	size_t lines = 0;

	(void)state;
	print_tree(open_console(OUTPUT_JSON, false), make_tree());
	text = take_output(fd);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		cJSON *object = cJSON_Parse(line);

		assert_true(cJSON_IsObject(object));
		assert_non_null(cJSON_GetObjectItem(object, "span_id"));
		cJSON_Delete(object);
	}
	assert_int_equal(lines, 5);
	free(text);
}

/* More spans than are held, whose parents never come, and a tree deeper than is indented: each has its line.
 */
static void limits(void **state)
{
	enum { MANY = SPANS_MAX + 500, DEPTH = 60 };
	int fd = output_file();
	void *console = open_console(OUTPUT_TEXT, false);
	struct span parent = { 0 }, *chain[DEPTH];
	size_t free_works = 0;
	char *text;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		struct span *span = span_make(SPAN_CLIENT, "/held", 200, 1000 + i);
		uint64_t id = 100000 + i / 3;

		memcpy(parent.span_id, &id, sizeof(id));
		memcpy(span->trace_id, &id, sizeof(id));
		span_set_parent(span, &parent, EVIDENCE_THREAD);
		send_spans(console, &span, 1);
	}
	for (uint64_t i = 0; i < DEPTH; i++) {
		chain[i] =
			span_make(i % 2 ? SPAN_CLIENT : SPAN_SERVER, i % 2 ? "/call" : "/deep", 200, 1 + i);
		if (i)
			span_set_parent(chain[i], chain[i - 1], EVIDENCE_THREAD);
	}
	for (int i = DEPTH; i--;)
		send_spans(console, &chain[i], 1);
	end(console);
	text = take_output(fd);
	assert_int_equal(count_lines(text), 1 + MANY + DEPTH);
	free(text);
	while (work_new())
		free_works++;
	assert_int_equal(free_works, 10000);
}

static void nobody_reads(void **state)
{
	struct span *span = span_make(SPAN_SERVER, "/a", 200, 1),
		    *held = span_make(SPAN_CLIENT, "/b", 200, 2);
	int ends[2], taken, first, again, idle;
	size_t lost;
	void *console;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	span_set_parent(held, &(struct span){ .span_id = { 9 } }, EVIDENCE_THREAD);
	span_ref(span);
	redirect_output(ends[1]);
	console = open_console(OUTPUT_TEXT, false);
	taken = send_spans(console, &held, 1);
	close(ends[0]);
	first = send_spans(console, &span, 1);
	again = send_spans(console, &span, 1);
	idle = console_exporter.send(console, NULL, 0);
	lost = end(console);
	restore_output();
	clearerr(stdout);
	assert_int_equal(taken, 0);
	assert_int_equal(first, -EPIPE);
	assert_int_equal(lost, 1);
	assert_int_equal(again, -EPIPE);
	assert_int_equal(idle, 0);
}

static void not_wanted(void **state)
{
	struct config config = { .output = OUTPUT_NONE };

	(void)state;
	assert_false(console_exporter.wanted(&config));
}

#define console_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		console_test(tree),    console_test(tree_utf8),      console_test(tree_in_color),
		console_test(notes),   console_test(part_of_a_tree), console_test(incomplete_traces),
		console_test(hostile), console_test(terminal),       console_test(json),
		console_test(limits),  console_test(nobody_reads),   console_test(not_wanted),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
