/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* The backend answers after up to 4 ms, in another order than it was asked. */
struct delayed {
	struct client *c;
	uint64_t due_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void run_backend(struct sockaddr_in address, uint64_t max_ns)
{
	static struct delayed delayed[65536];
	int listener = listen_on(address, SOCK_NONBLOCK), epoll = epoll_create1(0), len = 0;
	struct epoll_event events[64];

	watch(epoll, listener, &listener, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, len ? 1 : -1);
		uint64_t now = now_ns();

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			int done;

			if (events[i].data.ptr == &listener) {
				accept_client(epoll, listener);
				continue;
			}
			done = read_some(c->fd, &c->r, "\r\n\r\n");
			if (done < 0) {
				close(c->fd);
				free(c);
			} else if (done && max_ns == 0) {
				c->r.len = 0;
				send_response(c->fd);
			} else if (done) {
				c->r.len = 0;
				delayed[len++] = (struct delayed){ c, now + (uint64_t)rand() % max_ns };
			}
		}
		for (int i = 0; i < len;) {
			if (delayed[i].due_ns > now) {
				i++;
				continue;
			}
			send_response(delayed[i].c->fd);
			delayed[i] = delayed[--len];
		}
	}
}

static void ask(int fd, long id, bool orders)
{
	if (orders)
		send_order(fd, id);
	else
		send_request(fd, "/work", id);
}

void run_load(struct sockaddr_in address, int connections, long requests, long id, const char *manner)
{
	bool closes = strcmp(manner, "closes") == 0, orders = strcmp(manner, "orders") == 0;
	const char *end = orders ? "Z\"}" : "ok\n"; /* of an answer */
	struct client *clients = calloc((size_t)connections, sizeof(*clients));
	int epoll = epoll_create1(0);
	long sent = 0, answered = 0;
	struct epoll_event events[64];

	for (int i = 0; i < connections; i++) {
		clients[i].fd = connect_to(address, 0);
		watch(epoll, clients[i].fd, &clients[i], EPOLLIN);
		if (sent < requests) {
			clients[i].waits = true;
			ask(clients[i].fd, id + sent++, orders);
		}
	}
	while (answered < requests) {
		int n = epoll_wait(epoll, events, 64, 20000);

		if (n == 0) {
			fprintf(stderr, "no answer for 20 s: %ld of %ld\n", answered, requests);
			exit(1);
		}
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			int done = read_some(c->fd, &c->r, end);

			/* A server may close a connection once it has answered. */
			if (done < 0 && c->waits) {
				fprintf(stderr, "the server closed a connection\n");
				exit(1);
			}
			if (done < 0) {
				close(c->fd);
				c->fd = -1;
			} else if (!done) {
				continue;
			} else {
				c->r.len = 0;
				c->waits = false;
				answered++;
			}
			if (sent < requests && c->fd < 0) {
				c->fd = connect_to(address, 0);
				watch(epoll, c->fd, c, EPOLLIN);
			}
			if (sent < requests && !(closes && c->fd >= 0 && done > 0)) {
				c->waits = true;
				ask(c->fd, id + sent++, orders);
			}
		}
	}
	printf("%ld\n", id + sent);
}
