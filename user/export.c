/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/queue.h"
#include "stats.h"

#define QUEUE_LEN       8192
#define BATCH           512
#define TICK_MS         50
#define RETRIES_AT_STOP 20
#define STUCK_S         3 /* without progress: then the stop waits no longer */
#define CUT_OFF_MS      10
#define SIGCUT          SIGRTMIN /* interrupts the system call that an exporter is stuck in */

#define EXPORTER(symbol) extern const struct exporter symbol##_exporter;
#include "exporters.def"
#undef EXPORTER

struct lane {
	const struct exporter *exporter;
	void *self;
	struct queue queue;
	pthread_t thread;
	int wake_fd;
	bool running;
	unsigned news; /* the spine's: spans that were queued since the last wake-up */
	_Atomic bool stopping, ended;
	_Atomic uint64_t lost_ns; /* the latest end of a span that was dropped; 0: none was */
	_Atomic size_t batches;   /* delivered, or lost */
};

static struct lane lanes[] = {
#define EXPORTER(symbol) { .exporter = &symbol##_exporter, .wake_fd = -1 },
#include "exporters.def"
#undef EXPORTER
};
#define LANES_LEN (sizeof(lanes) / sizeof(lanes[0]))

static _Atomic bool broken;
static int nowhere_fd = -1; /* cannot be written */

bool export_broken(void)
{
	return atomic_load(&broken);
}

static size_t take(struct lane *lane, struct span **spans)
{
	size_t n = 0;
	void *span;

	while (n < BATCH && queue_take(&lane->queue, &span))
		spans[n++] = span;
	return n;
}

static void deliver(struct lane *lane, struct span **spans, size_t n)
{
	uint64_t lost_ns = atomic_load(&lane->lost_ns);
	int err, tries = 0;

	if (lost_ns && lane->exporter->lost)
		lane->exporter->lost(lane->self, lost_ns);
	while ((err = lane->exporter->send(lane->self, spans, n)) == -EAGAIN) {
		if (atomic_load(&lane->stopping) && ++tries > RETRIES_AT_STOP)
			break;
		poll(NULL, 0, TICK_MS);
	}
	if (err == -EPIPE)
		atomic_store(&broken, true);
	if (err)
		drop_add(DROP_send_failed, n);
	else
		stat_add(STAT_exported, n);
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
	atomic_fetch_add(&lane->batches, 1);
}

static void finish(struct lane *lane)
{
	size_t lost = lane->exporter->finish ? lane->exporter->finish(lane->self) : 0;

	drop_add(DROP_send_failed, lost);
	stat_add(STAT_exported, -lost);
}

static void *work(void *arg)
{
	struct lane *lane = arg;
	struct pollfd wait = { .fd = lane->wake_fd, .events = POLLIN };
	struct span *spans[BATCH];
	uint64_t count;
	size_t n;

	for (;;) {
		bool stopping = atomic_load(&lane->stopping);

		n = take(lane, spans);
		if (n) {
			deliver(lane, spans, n);
			continue;
		}
		if (stopping) {
			finish(lane);
			atomic_store(&lane->ended, true);
			return NULL;
		}
		lane->exporter->send(lane->self, NULL, 0);
		if (poll(&wait, 1, TICK_MS) > 0 && read(lane->wake_fd, &count, sizeof(count)) < 0)
			continue;
	}
}

static int lane_start(struct lane *lane, const struct config *config)
{
	int err = queue_init(&lane->queue, QUEUE_LEN);

	if (err)
		return err;
	lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lane->wake_fd < 0) {
		err = -errno;
		goto no_fd;
	}
	if ((err = lane->exporter->open(config, &lane->self)))
		goto not_open;
	atomic_store(&lane->stopping, false);
	atomic_store(&lane->ended, false);
	atomic_store(&lane->lost_ns, 0);
	err = -pthread_create(&lane->thread, NULL, work, lane);
	if (err)
		goto no_thread;
	lane->running = true;
	return 0;

no_thread:
	lane->exporter->close(lane->self);
not_open:
	close(lane->wake_fd);
no_fd:
	queue_free(&lane->queue);
	return err;
}

static void on_cut(int signal)
{
	(void)signal;
}

int export_start(const struct config *config)
{
	sigset_t all, old;
	int err = 0;

	nowhere_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nowhere_fd < 0) {
		log_error("cannot open /dev/null: %s", strerror(errno));
		return -errno;
	}
	sigaction(SIGCUT, &(struct sigaction){ .sa_handler = on_cut }, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGCUT);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (size_t i = 0; i < LANES_LEN && !err; i++) {
		if (!lanes[i].exporter->wanted(config))
			continue;
		err = lane_start(&lanes[i], config);
		if (err)
			log_error("cannot start the exporter %s: %s", lanes[i].exporter->name,
				  strerror(-err));
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void drop(struct lane *lane, struct span *span)
{
	if (span->end_ns > atomic_load(&lane->lost_ns))
		atomic_store(&lane->lost_ns, span->end_ns);
	drop_add(DROP_queue_full, 1);
	span_unref(span);
}

void export_span(struct span *span)
{
	for (size_t i = 0; i < LANES_LEN; i++) {
		struct lane *lane = &lanes[i];
		void *oldest;

		if (!lane->running)
			continue;
		span_ref(span);
		stat_add(STAT_queued, 1);
		while (!queue_put(&lane->queue, span))
			if (queue_take(&lane->queue, &oldest))
				drop(lane, oldest);
		lane->news++;
	}
}

static void wake(struct lane *lane)
{
	uint64_t one = 1;

	if (write(lane->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_warn("cannot wake the exporter %s: %s", lane->exporter->name, strerror(errno));
	lane->news = 0;
}

void export_wake(void)
{
	for (size_t i = 0; i < LANES_LEN; i++)
		if (lanes[i].news > lanes[i].exporter->patience)
			wake(&lanes[i]);
}

void export_drain(void)
{
	for (size_t i = 0; i < LANES_LEN; i++)
		if (lanes[i].news)
			wake(&lanes[i]);
	for (size_t i = 0; i < LANES_LEN; i++)
		while (lanes[i].running && !queue_is_empty(&lanes[i].queue) && !export_broken())
			poll(NULL, 0, 1);
}

/* Waits for a lane's end, so long without progress. Returns whether it has ended. */
static bool join(struct lane *lane, int patience_ms)
{
	size_t before = atomic_load(&lane->batches), now;

	for (int waited_ms = 0; !atomic_load(&lane->ended); waited_ms++) {
		if (waited_ms == patience_ms)
			return false;
		poll(NULL, 0, 1);
		now = atomic_load(&lane->batches);
		if (now != before)
			waited_ms = 0;
		before = now;
	}
	pthread_join(lane->thread, NULL);
	return true;
}

/* The call that it is stuck in ends, and whatever it writes from now on fails. */
static void cut_off(struct lane *lane)
{
	log_error("the exporter %s wrote nothing for %d s, nobody reads; what it holds is lost",
		  lane->exporter->name, STUCK_S);
	if (lane->exporter->output_fd &&
	    dup3(nowhere_fd, lane->exporter->output_fd(lane->self), O_CLOEXEC) < 0)
		log_warn("cannot shut the output of the exporter %s: %s", lane->exporter->name,
			 strerror(errno));
	do
		pthread_kill(lane->thread, SIGCUT);
	while (!join(lane, CUT_OFF_MS));
}

void export_stop(void)
{
	for (size_t i = 0; i < LANES_LEN; i++) {
		struct lane *lane = &lanes[i];

		if (!lane->running)
			continue;
		atomic_store(&lane->stopping, true);
		wake(lane);
		if (!join(lane, STUCK_S * 1000))
			cut_off(lane);
		lane->exporter->close(lane->self);
		queue_free(&lane->queue);
		close(lane->wake_fd);
		lane->running = false;
	}
	if (nowhere_fd >= 0)
		close(nowhere_fd);
	nowhere_fd = -1;
}
