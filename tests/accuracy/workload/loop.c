/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* An event loop: three calls at once, then one more; connections are kept, and with a limit calls queue for
 * them. */
enum kind { LISTENER, CLIENT, UPSTREAM, TIMER };

struct request {
	int fd;
	long id;
	int waiting; /* for so many answers */
	bool last;   /* the one more is made */
	bool timer;  /* nobody's: the timer's own call */
};

struct end {
	enum kind kind;
	int fd;
	int backend;
	bool connecting;
	struct reader r;
	struct request *request;
	struct end *next; /* idle */
};

struct waiting {
	struct request *request;
	struct waiting *next;
};

static int loop_epoll, upstream_limit, upstream_len[BACKENDS];
static struct end *idle[BACKENDS];
static struct waiting *calls_first[BACKENDS], **calls_end[BACKENDS];

static void start_call(struct end *e, struct request *request)
{

	e->request = request;
	if (!e->connecting)
		send_request(e->fd, paths[e->backend], request->id);
}

static void loop_call(struct request *request, int backend)
{
	struct end *e = idle[backend];

	if (e) {
		idle[backend] = e->next;
		start_call(e, request);
	} else if (!upstream_limit || upstream_len[backend] < upstream_limit) {
		e = calloc(1, sizeof(*e));
		*e = (struct end){ .kind = UPSTREAM, .backend = backend, .connecting = true };
		e->fd = connect_to(backends[backend], SOCK_NONBLOCK);
		upstream_len[backend]++;
		start_call(e, request);
		watch(loop_epoll, e->fd, e, EPOLLIN | EPOLLOUT);
	} else {
		struct waiting *w = calloc(1, sizeof(*w));

		w->request = request;
		*calls_end[backend] = w;
		calls_end[backend] = &w->next;
	}
}

static void call_answered(struct request *request)
{
	if (request->timer) {
		free(request);
	} else if (--request->waiting == 0 && !request->last) {
		request->last = true;
		request->waiting = 1;
		loop_call(request, 0);
	} else if (request->waiting == 0) {
		send_response(request->fd);
		free(request);
	}
}

static void upstream_ready(struct end *e, uint32_t events)
{
	struct request *request = e->request;
	struct waiting *w;

	if (e->connecting && (events & EPOLLOUT)) {
		e->connecting = false;
		watch(loop_epoll, e->fd, e, EPOLLIN);
		start_call(e, request);
		return;
	}
	if (read_some(e->fd, &e->r, "ok\n") != 1)
		return;
	e->r.len = 0;
	e->request = NULL;
	/* First whoever waits longest, as pools do. */
	w = calls_first[e->backend];
	if (w) {
		calls_first[e->backend] = w->next;
		if (!w->next)
			calls_end[e->backend] = &calls_first[e->backend];
		start_call(e, w->request);
		free(w);
	} else {
		e->next = idle[e->backend];
		idle[e->backend] = e;
	}
	call_answered(request);
}

static void client_ready(struct end *e)
{
	int done = read_some(e->fd, &e->r, "\r\n\r\n");
	struct request *request;

	if (done < 0) {
		close(e->fd);
		free(e);
	}
	if (done <= 0)
		return;
	request = calloc(1, sizeof(*request));
	*request = (struct request){ .fd = e->fd, .id = take_id(&e->r), .waiting = 3 };
	for (int i = 0; i < 3; i++)
		loop_call(request, i);
}

void run_loop(struct sockaddr_in address, int limit)
{
	struct itimerspec period = { { 0, 20000000 }, { 0, 20000000 } };
	struct end listener = { .kind = LISTENER, .fd = listen_on(address, SOCK_NONBLOCK) };
	struct end timer = { .kind = TIMER, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK) };
	struct epoll_event events[64];
	long ticks = 0;

	upstream_limit = limit;
	loop_epoll = epoll_create1(0);
	for (int i = 0; i < BACKENDS; i++)
		calls_end[i] = &calls_first[i];
	timerfd_settime(timer.fd, 0, &period, NULL);
	watch(loop_epoll, listener.fd, &listener, EPOLLIN);
	watch(loop_epoll, timer.fd, &timer, EPOLLIN);
	for (;;) {
		int n = epoll_wait(loop_epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct end *e = events[i].data.ptr;
			uint64_t count;

			if (e->kind == LISTENER) {
				struct end *client = calloc(1, sizeof(*client));
				int one = 1;

				client->kind = CLIENT;
				client->fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK);
				if (client->fd < 0) {
					free(client);
					continue;
				}
				setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
				watch(loop_epoll, client->fd, client, EPOLLIN);
			} else if (e->kind == CLIENT) {
				client_ready(e);
			} else if (e->kind == UPSTREAM) {
				upstream_ready(e, events[i].events);
			} else if (read(e->fd, &count, sizeof(count)) == sizeof(count)) {
				struct request *request = calloc(1, sizeof(*request));

				/* Ids of the timer's calls are nobody's. */
				*request = (struct request){ .id = 1000000000 + ticks++, .timer = true };
				loop_call(request, 3);
			}
		}
	}
}
