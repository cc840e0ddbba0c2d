/* SPDX-License-Identifier: Apache-2.0 */
#include "ring.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../bpf/event.h"
#include "conn.h"
#include "context.h"
#include "function.h"
#include "sqlite.h"
#include "stats.h"
#include "target.h"

/* Events, and their bytes, after which the loop gets to export and to its timers. */
#define BATCH       2048
#define BATCH_BYTES (128 << 10)

static struct ring_buffer *ring;
static int wait_fd = -1;
static size_t batch, batch_used, batch_bytes;
static bool more;         /* the ring holds more than the last batch */
static uint64_t batch_ns; /* when the last event of it was */
static void (*tapped)(const void *record, size_t size);

static bool data_fits(const struct event_data *e, size_t size)
{
	size_t captured = (size_t)e->head_len + e->tail_len;

	return size >= sizeof(*e) + captured && captured <= e->len;
}

static bool process_fits(const struct event_process *e, size_t size)
{
	return size >= sizeof(*e) && !e->path[PROCESS_PATH_LEN - 1];
}

static bool call_fits(const struct event_call *e, size_t size)
{
	return size >= sizeof(*e) + e->values_len;
}

static bool sql_fits(const struct event_sql *e, size_t size)
{
	return e->text_len < SQL_TEXT_LEN && size >= sizeof(*e) + e->text_len;
}

bool ring_dispatch(const void *record, size_t size)
{
	const struct event *e = record;
	bool of_socket = size >= sizeof(*e) && e->sock;

	if (size >= sizeof(*e)) {
		function_returns_lost(e->returns_lost);
		losses += !!(e->flags & EVENT_LOST);
	}
	if (of_socket && size >= sizeof(struct event_data) && e->type == EVENT_DATA &&
	    data_fits(record, size))
		return conn_data(record);
	if (of_socket && size >= sizeof(struct event_conn) && e->type == EVENT_CONN)
		return conn_announced(record);
	if (of_socket && size >= sizeof(struct event_state) && e->type == EVENT_STATE) {
		conn_state(record);
		return true;
	}
	if (size >= sizeof(*e) && e->type == EVENT_PROCESS && process_fits(record, size))
		return target_event(record);
	if (size >= sizeof(struct event_call) && e->type >= EVENT_CALL && e->type <= EVENT_UNWIND &&
	    call_fits(record, size))
		return function_event(record);
	if (size >= sizeof(struct event_sql) && (e->type == EVENT_SQL_ROW || e->type == EVENT_SQL_END) &&
	    sql_fits(record, size))
		return sqlite_event(record);
	if (size >= sizeof(struct event_context) && e->type == EVENT_CONTEXT) {
		context_event(record);
		return true;
	}
	loss_add(DROP_event_malformed, 1);
	return false;
}

/* What a record holds of its room, which may be larger: what is behind it was never written. */
static size_t used(const void *record, size_t size)
{
	const struct event_data *e = record;
	bool data = size >= sizeof(*e) && e->h.type == EVENT_DATA && data_fits(e, size);

	return data ? sizeof(*e) + e->head_len + e->tail_len : size;
}

static int sample(void *ctx, void *record, size_t size)
{
	(void)ctx;
	size = used(record, size);
	batch_bytes += size;
	if (tapped)
		tapped(record, size);
	batch_used += ring_dispatch(record, size);
	if (size >= sizeof(struct event))
		batch_ns = ((const struct event *)record)->time_ns;
	more = ++batch == BATCH || batch_bytes >= BATCH_BYTES;
	return more ? -ECANCELED : 0;
}

void ring_tap(void (*tap)(const void *record, size_t size))
{
	tapped = tap;
}

int ring_open(int map_fd)
{
	/* Edge-triggered: only the kernel's wake-ups end a wait, not every event that comes meanwhile. */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	ring = ring_buffer__new(map_fd, sample, NULL, NULL);
	if (!ring)
		return -errno;
	wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (wait_fd < 0 || epoll_ctl(wait_fd, EPOLL_CTL_ADD, map_fd, &ev))
		return -errno;
	return 0;
}

void ring_close(void)
{
	ring_buffer__free(ring);
	ring = NULL;
	if (wait_fd >= 0)
		close(wait_fd);
	wait_fd = -1;
}

void ring_wait(int timeout_ms)
{
	struct epoll_event ev;

	/* The kernel speaks of what comes, not of what was left. */
	if (more)
		return;
	epoll_wait(wait_fd, &ev, 1, timeout_ms);
}

size_t ring_poll(void)
{
	batch = batch_used = batch_bytes = 0;
	more = false;
	ring_buffer__consume(ring);
	stat_add(STAT_events, batch);
	stat_add(STAT_events_used, batch_used);
	stat_add(STAT_event_bytes, batch_bytes);
	return batch;
}

uint64_t ring_seen_ns(uint64_t now_ns)
{
	static uint64_t seen_ns;
	uint64_t until_ns = more && batch_ns < now_ns ? batch_ns : now_ns;

	/* An event tells when something happened, which may be a little before others that were seen. */
	if (until_ns > seen_ns)
		seen_ns = until_ns;
	return seen_ns;
}
