/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <errno.h>
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
	_Atomic bool stopping;
	_Atomic uint64_t lost_ns; /* the latest end of a span that was dropped; 0: none was */
};

static struct lane lanes[] = {
#define EXPORTER(symbol) { .exporter = &symbol##_exporter, .wake_fd = -1 },
#include "exporters.def"
#undef EXPORTER
};
#define LANES_LEN (sizeof(lanes) / sizeof(lanes[0]))

static _Atomic bool broken;

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
		lane->exporter->send(lane->self, NULL, 0);
		if (stopping)
			return NULL;
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
	if (lane->wake_fd < 0)
		return -errno;
	if ((err = lane->exporter->open(config, &lane->self)))
		return err;
	atomic_store(&lane->stopping, false);
	atomic_store(&lane->lost_ns, 0);
	err = pthread_create(&lane->thread, NULL, work, lane);
	lane->running = !err;
	return -err;
}

int export_start(const struct config *config)
{
	sigset_t all, old;
	int err = 0;

	sigfillset(&all);
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

void export_stop(void)
{
	for (size_t i = 0; i < LANES_LEN; i++) {
		struct lane *lane = &lanes[i];

		if (!lane->running)
			continue;
		atomic_store(&lane->stopping, true);
		wake(lane);
		pthread_join(lane->thread, NULL);
		lane->exporter->close(lane->self);
		queue_free(&lane->queue);
		close(lane->wake_fd);
		lane->running = false;
	}
}
