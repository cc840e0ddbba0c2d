/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of any number of processes: echo PORT [PROCESSES [EACH [FILE]]]. It answers what one read returns
 * with the same bytes, or with those of FILE. A process has at most EACH connections at a time (0: any
 * number).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 65536

static char answer[BYTES_MAX];
static ssize_t answer_len; /* 0: the same bytes */
static int listen_fd, epoll_fd, each, open_now;

static void fail(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
}

/* One of the processes that wait for a connection is woken for it. */
static void watch_listener(void)
{
	watch(listen_fd, EPOLLIN | EPOLLEXCLUSIVE);
}

static void take_connection(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return; /* another process was faster, or the client gave up */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	watch(fd, EPOLLIN);
	if (++open_now == each)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, listen_fd, NULL);
}

static void give_back(int fd)
{
	if (open_now-- == each)
		watch_listener();
	close(fd);
}

static void serve(int fd)
{
	static char bytes[BYTES_MAX];
	ssize_t n = read(fd, bytes, sizeof(bytes));
	ssize_t len = answer_len ? answer_len : n;

	if (n <= 0 || write(fd, answer_len ? answer : bytes, (size_t)len) != len)
		give_back(fd);
}

static void work(void)
{
	struct epoll_event events[64];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		fail("epoll_create1");
	watch_listener();
	for (;;) {
		/* One at a time where EACH could be exceeded: the listener may be among what is ready. */
		int n = epoll_wait(epoll_fd, events, each ? 1 : 64, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listen_fd)
				take_connection();
			else
				serve(events[i].data.fd);
	}
}

static void open_listener(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) || listen(listen_fd, 8192))
		fail("listen");
}

static void read_answer(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		fail(path);
	answer_len = (ssize_t)fread(answer, 1, sizeof(answer), f);
	fclose(f);
}

int main(int argc, char **argv)
{
	int processes = argc > 2 ? atoi(argv[2]) : 1;

	if (argc < 2 || processes < 1) {
		fputs("usage: echo PORT [PROCESSES [EACH [FILE]]]\n", stderr);
		return 2;
	}
	each = argc > 3 ? atoi(argv[3]) : 0;
	if (argc > 4)
		read_answer(argv[4]);
	open_listener(atoi(argv[1]));
	/* The first process is one of them; the others end with it. */
	for (int i = 1; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			break;
		}
	}
	work();
	return 0;
}
