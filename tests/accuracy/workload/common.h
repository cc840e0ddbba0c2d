/* SPDX-License-Identifier: Apache-2.0 */
/* What the small servers have in common: sockets, requests of one line, and clients that wait. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKENDS 4
#define HEAD_MAX 2048

extern struct sockaddr_in backends[BACKENDS];
extern const char *const paths[BACKENDS];

void die(const char *what);

/* "8080" on loopback, or "10.0.0.1:8080". */
struct sockaddr_in address_of(const char *text);
int listen_on(struct sockaddr_in a, int flags);
int connect_to(struct sockaddr_in a, int flags);
void watch(int epoll, int fd, void *p, uint32_t events);
void send_request(int fd, const char *path, long id);
void send_order(int fd, long id);
void send_response(int fd);

/* A head without a body, read piece by piece. */
struct reader {
	char text[HEAD_MAX];
	size_t len;
};

/* Returns 1 when the end has come, 0 for more, -1 when the other side has closed. */
int read_some(int fd, struct reader *r, const char *end);
int read_request(int fd, struct reader *r);
long take_id(struct reader *r);

/* Calls a backend and blocks until it has answered; connects *fd when need be. */
void call(int *fd, int backend, long id);

struct client {
	int fd;
	bool waits; /* for an answer */
	struct reader r;
};

void accept_client(int epoll, int listener);

/* The servers; none returns. */
void run_pool(struct sockaddr_in address, bool hand_back);
void run_loop(struct sockaddr_in address, int limit);
void run_backend(struct sockaddr_in address, uint64_t max_ns);

/*
 * Keeps so many requests open until all are answered. Prints the first id that was not used. manner: "closes"
 * if the server closes a connection after its answer, "orders" for those of the order service, or "".
 */
void run_load(struct sockaddr_in address, int connections, long requests, long id, const char *manner);
