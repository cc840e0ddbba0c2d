/* SPDX-License-Identifier: Apache-2.0 */
/* The queues before the exporters; the exporter is the JSON log, which a full pipe holds up. */
#include "spans.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "export.h"

#define QUEUE_LEN 8192 /* user/export.c */
#define SPANS_MAX 20000

static uint64_t queue_full, send_failed, exported;

static int setup(void **state)
{
	(void)state;
	queue_full = drop_get(DROP_queue_full);
	send_failed = drop_get(DROP_send_failed);
	exported = stat_get(STAT_exported);
	return work_init(SPANS_MAX);
}

/* Nothing holds a span any more. */
static int teardown(void **state)
{
	size_t n = 0;

	(void)state;
	while (work_new())
		n++;
	assert_int_equal(n, SPANS_MAX);
	work_fini();
	return 0;
}

static void start(const char *path)
{
	struct config config = { .log_path = path };

	assert_int_equal(export_start(&config), 0);
}

static void send_spans(uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id < to; id++) {
		struct span *span = span_make(SPAN_SERVER, "/a", 200, id);

		export_span(span);
		span_unref(span);
		export_wake();
	}
}

/* Reads the ids of the spans that come out of a pipe, until its last writer is gone. */
struct reader {
	int fd;
	size_t len;
	uint64_t ids[SPANS_MAX];
};

static uint64_t id_of(const char *line)
{
	const char *hex = strstr(line, "\"span_id\":\"");
	uint64_t id = 0;

	for (int i = 7; hex && i >= 0; i--) {
		unsigned byte = 0;

		sscanf(hex + strlen("\"span_id\":\"") + 2 * i, "%2x", &byte);
		id = id << 8 | byte;
	}
	return id;
}

static void *read_ids(void *arg)
{
	struct reader *r = arg;
	FILE *in = fdopen(r->fd, "r");
	char line[8192];

	while (in && r->len < SPANS_MAX && fgets(line, sizeof(line), in))
		r->ids[r->len++] = id_of(line);
	if (in)
		fclose(in);
	return NULL;
}

/* While nobody reads, the oldest are dropped and counted, and the sender does not wait. */
static void drops_the_oldest(void **state)
{
	enum { SENT = QUEUE_LEN + 6000 };
	static struct reader reader;
	pthread_t thread;
	char path[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	start(path);
	close(ends[1]);
	send_spans(0, SENT);
	assert_true(drop_get(DROP_queue_full) > queue_full);

	reader.fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, read_ids, &reader), 0);
	export_stop();
	pthread_join(thread, NULL);
	assert_int_equal(reader.len + (drop_get(DROP_queue_full) - queue_full), SENT);
	assert_int_equal(stat_get(STAT_exported) - exported, reader.len);
	assert_int_equal(drop_get(DROP_send_failed), send_failed);
	for (size_t i = 1; i < reader.len; i++)
		assert_true(reader.ids[i] > reader.ids[i - 1]);
	/* What the queue could hold is all there. */
	for (size_t i = 1; i <= QUEUE_LEN; i++)
		assert_int_equal(reader.ids[reader.len - i], SENT - i);
}

static void *count_losses(void *arg)
{
	struct reader *r = arg;
	FILE *in = fdopen(r->fd, "r");
	char line[8192];

	while (in && fgets(line, sizeof(line), in))
		r->len += strstr(line, " losses") != NULL;
	if (in)
		fclose(in);
	return NULL;
}

/* A console that nobody reads: the traces that had begun when a span was dropped say so, later ones do not.
 */
static void traces_show_it(void **state)
{
	enum { SENT = QUEUE_LEN + 6000 };
	static struct reader reader;
	struct config config = { .output = OUTPUT_TEXT };
	int ends[2], out = dup(STDOUT_FILENO);
	uint64_t dropped;
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	assert_int_equal(export_start(&config), 0);
	send_spans(0, SENT);
	dropped = drop_get(DROP_queue_full) - queue_full;
	for (uint64_t id = SENT; id < SENT + 10; id++) {
		struct span *span = span_make(SPAN_SERVER, "/later", 200, id);

		span->start_ns += 10 * MS_NS;
		span->end_ns += 10 * MS_NS;
		export_span(span);
		span_unref(span);
	}
	reader.fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, count_losses, &reader), 0);
	export_stop();
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	pthread_join(thread, NULL);
	assert_true(dropped > 0);
	/* All that was in the queue then, but the last ones. */
	assert_in_range(reader.len, QUEUE_LEN - 10, SENT - dropped);
}

/* A lone span comes out without more of them, and all that is queued comes out at the end. */
static void delivers(void **state)
{
	static struct reader reader;
	struct pollfd wait;
	char path[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	start(path);
	close(ends[1]);
	for (uint64_t id = 0; id < 3; id++) {
		char line[8192];
		ssize_t n;

		send_spans(id, id + 1);
		wait = (struct pollfd){ .fd = ends[0], .events = POLLIN };
		assert_int_equal(poll(&wait, 1, 10000), 1);
		n = read(ends[0], line, sizeof(line) - 1);
		assert_true(n > 0);
		line[n] = '\0';
		assert_int_equal(id_of(line), id);
		assert_int_equal(line[n - 1], '\n');
	}
	send_spans(3, 1000);
	export_stop();
	reader.fd = ends[0];
	read_ids(&reader);
	assert_int_equal(reader.len, 997);
	assert_int_equal(reader.ids[996], 999);
	assert_int_equal(stat_get(STAT_exported) - exported, 1000);
	assert_int_equal(drop_get(DROP_queue_full), queue_full);
	/* Stopped, it takes nothing. */
	send_spans(0, 1);
	export_stop();
}

static void counts_what_fails(void **state)
{
	(void)state;
	start("/dev/full");
	send_spans(0, 700);
	export_stop();
	assert_int_equal(drop_get(DROP_send_failed) - send_failed, 700);
	assert_int_equal(stat_get(STAT_exported), exported);
	assert_false(export_broken());
}

static void reader_gone(void **state)
{
	char path[32];
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	start(path);
	close(ends[1]);
	close(ends[0]);
	send_spans(0, 10);
	export_stop();
	assert_true(export_broken());
	assert_int_equal(drop_get(DROP_send_failed) - send_failed, 10);
}

/* The pipe is full and stays so: the end does not wait for it. */
static void nobody_reads(void **state)
{
	char path[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	start(path);
	send_spans(0, 3000);
	export_stop();
	assert_int_equal(drop_get(DROP_send_failed) - send_failed + stat_get(STAT_exported) - exported, 3000);
	assert_true(drop_get(DROP_send_failed) > send_failed);
	assert_int_equal(drop_get(DROP_queue_full), queue_full);
	close(ends[0]);
	close(ends[1]);
}

static void cannot_start(void **state)
{
	struct config config = { .log_path = "/nonexistent/log" };

	(void)state;
	assert_int_equal(export_start(&config), -ENOENT);
	export_stop();
}

#define export_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		export_test(drops_the_oldest),  export_test(delivers),    export_test(traces_show_it),
		export_test(counts_what_fails), export_test(reader_gone), export_test(cannot_start),
		export_test(nobody_reads),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
