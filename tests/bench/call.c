/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a connection in one thread, which sends a request of HTTP and its answer from one to the
 * other: nobody is waited for or woken, so its processor time tells what a socket call costs. For each line
 * of input, prints that in nanoseconds: the median of many batches.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCHES     40
#define ROUNDS      2000 /* of a batch */
#define CALLS       4    /* of a round */
#define MESSAGE_MAX 1024
#define REQUEST     "GET /1k HTTP/1.1\r\nHost: localhost\r\nUser-Agent: call\r\nAccept: */*\r\n\r\n"
#define ANSWER                                                                                               \
	"HTTP/1.1 200 OK\r\nServer: call\r\nDate: Mon, 30 Nov 2026 00:00:00 GMT\r\nContent-Type: "           \
	"text/plain\r\n"                                                                                     \
	"Content-Length: 0\r\nLast-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nConnection: "                  \
	"keep-alive\r\n\r\n"

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void connect_ends(int *ret_client, int *ret_server)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	socklen_t len = sizeof(address);

	*ret_client = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(*ret_client, (struct sockaddr *)&address, len) ||
	    (*ret_server = accept(listener, NULL, NULL)) < 0)
		abort();
	close(listener);
	setsockopt(*ret_client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(*ret_server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void pass(int from, int to, const char *message, size_t len)
{
	char buffer[MESSAGE_MAX];

	if (send(from, message, len, 0) != (ssize_t)len ||
	    recv(to, buffer, sizeof(buffer), 0) != (ssize_t)len)
		abort();
}

static double batch_ns(int client, int server)
{
	double start = now_ns();

	for (int i = 0; i < ROUNDS; i++) {
		pass(client, server, REQUEST, strlen(REQUEST));
		pass(server, client, ANSWER, strlen(ANSWER));
	}
	return (now_ns() - start) / ROUNDS / CALLS;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(void)
{
	double ns[BATCHES];
	int client, server;
	char line[16];

	connect_ends(&client, &server);
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < BATCHES; i++)
			ns[i] = batch_ns(client, server);
		qsort(ns, BATCHES, sizeof(*ns), by_value);
		printf("%.1f\n", ns[BATCHES / 2]);
		fflush(stdout);
	}
	return 0;
}
