/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests at a constant rate on kept-alive connections: pace PORT PATH CONNECTIONS RATE SECONDS. A request
 * is due at its time whether or not earlier ones were answered, and its latency counts from then. Prints how
 * many were answered and their latencies.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define PATIENCE_NS     10000000000LL /* beyond the last request's time */

static struct connection {
	int fd;
	long long due_ns; /* of its open request */
	long got_len;
} connections[CONNECTIONS_MAX];
static struct connection *idle[CONNECTIONS_MAX];
static int idle_len, epoll_fd;
static long response_len; /* all are alike; 0: none was seen yet */

static void fail(const char *what)
{
	fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void open_connection(struct connection *c, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
	idle[idle_len++] = c;
}

static void learn_response_len(char *data, long len)
{
	char *end, *length;

	data[len] = '\0';
	end = strstr(data, "\r\n\r\n");
	length = strcasestr(data, "content-length:");
	if (!end || !length)
		fail("first response");
	response_len = end + 4 - data + atol(length + strlen("content-length:"));
}

/* Reads what is there. Returns whether the response is whole. */
static int receive(struct connection *c)
{
	static char data[1 << 16];
	ssize_t n = read(c->fd, data, sizeof(data) - 1);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		fail("read");
	if (!response_len)
		learn_response_len(data, n);
	c->got_len += n;
	return c->got_len >= response_len;
}

static int is_greater(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	char request[256];
	long total, sent = 0, done = 0;
	long long start, *latency_ns;
	double rate;
	int len;

	if (argc != 6 || atoi(argv[3]) > CONNECTIONS_MAX) {
		fputs("usage: pace PORT PATH CONNECTIONS RATE SECONDS\n", stderr);
		return 2;
	}
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: guest\r\n\r\n", argv[2]);
	rate = atof(argv[4]);
	total = (long)(rate * atof(argv[5]));
	latency_ns = calloc((size_t)total + 1, sizeof(*latency_ns));
	epoll_fd = epoll_create1(0);
	for (int i = 0; i < atoi(argv[3]); i++)
		open_connection(&connections[i], atoi(argv[1]));
	start = now_ns();
	while (done < total) {
		long long due = start + (long long)((double)sent / rate * 1e9), now = now_ns();
		struct epoll_event events[64];
		int wait_ms = 100, n;

		for (; sent < total && idle_len && due <= now;
		     due = start + (long long)((double)sent / rate * 1e9)) {
			struct connection *c = idle[--idle_len];

			c->due_ns = due;
			c->got_len = 0;
			if (write(c->fd, request, (size_t)len) != len)
				fail("write");
			sent++;
		}
		if (now > start + (long long)((double)total / rate * 1e9) + PATIENCE_NS)
			fail("late");
		if (sent < total && idle_len)
			wait_ms = (int)((due - now) / 1000000) + 1;
		n = epoll_wait(epoll_fd, events, 64, wait_ms);
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!receive(c))
				continue;
			latency_ns[done++] = now_ns() - c->due_ns;
			idle[idle_len++] = c;
		}
	}
	qsort(latency_ns, (size_t)done, sizeof(*latency_ns), is_greater);
	printf("%ld requests p50 %lld us p99 %lld us\n", done, latency_ns[done / 2] / 1000,
	       latency_ns[done * 99 / 100] / 1000);
	free(latency_ns);
	return 0;
}
