/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small HTTP servers that do their work in the ways that servers do, a backend that takes its time, and a
 * client that keeps a number of requests open. Each request has an id in its query, which is passed on to
 * every call that is made for it, so that the true tree of requests can be told from the paths alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BACKENDS 4
#define HEAD_MAX 2048
#define WORKERS  8

static uint16_t backends[BACKENDS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listen_on(uint16_t port, int flags)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1024))
		die("listen");
	return fd;
}

static int connect_to(uint16_t port, int flags)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0 || (connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno != EINPROGRESS))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void watch(int epoll, int fd, void *p, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = p };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) &&
	    (errno != EEXIST || epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e)))
		die("epoll_ctl");
}

static void send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

static void send_request(int fd, const char *path, long id)
{
	char head[256];
	int n = snprintf(head, sizeof(head), "GET %s?id=%ld HTTP/1.1\r\nHost: backend\r\n\r\n", path, id);

	send_all(fd, head, (size_t)n);
}

static void send_response(int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

	send_all(fd, text, sizeof(text) - 1);
}

/* A head without a body, read piece by piece. Returns 1 when it is complete, 0 for more, -1 at the end. */
struct reader {
	char text[HEAD_MAX];
	size_t len;
};

static int read_some(int fd, struct reader *r, const char *end)
{
	ssize_t n = recv(fd, r->text + r->len, sizeof(r->text) - 1 - r->len, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	r->len += (size_t)n;
	r->text[r->len] = '\0';
	return strstr(r->text, end) != NULL;
}

static long take_id(struct reader *r)
{
	const char *id = strstr(r->text, "id=");

	r->len = 0;
	return id ? atol(id + 3) : -1;
}

static int read_request(int fd, struct reader *r)
{
	int done;

	while ((done = read_some(fd, r, "\r\n\r\n")) == 0)
		;
	return done;
}

/* Blocks until the backend has answered. */
static void call(int *fd, int backend, long id)
{
	static const char *const paths[BACKENDS] = { "/one", "/two", "/three", "/four" };
	struct reader r = { .len = 0 };

	if (*fd <= 0)
		*fd = connect_to(backends[backend], 0);
	send_request(*fd, paths[backend], id);
	while (read_some(*fd, &r, "ok\n") == 0)
		;
}

/* A thread a connection. */
static void *serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg, calls[BACKENDS] = { 0 };
	struct reader r = { .len = 0 };

	while (read_request(fd, &r) == 1) {
		long id = take_id(&r);

		for (int i = 0; i < 3; i++)
			call(&calls[i], i, id);
		send_response(fd);
	}
	for (int i = 0; i < BACKENDS; i++)
		if (calls[i])
			close(calls[i]);
	close(fd);
	return NULL;
}

static void run_threads(uint16_t port)
{
	int listener = listen_on(port, 0);

	for (;;) {
		int fd = accept(listener, NULL, NULL), one = 1;
		pthread_t thread;

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fd < 0 || pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd))
			die("accept");
		pthread_detach(thread);
	}
}

/* A pool: one thread reads, a queue hands on, workers call; they answer themselves or hand the result back.
 */
struct job {
	int fd;
	long id;
	struct job *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **end;
} queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first },
  results = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &results.first };
static int results_fd = -1; /* >= 0: the acceptor's thread answers */

static void *work(void *arg)
{
	int calls[BACKENDS] = { 0 };
	uint64_t one = 1;

	(void)arg;
	for (;;) {
		struct job *job;

		pthread_mutex_lock(&queue.lock);
		while (!queue.first)
			pthread_cond_wait(&queue.more, &queue.lock);
		job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&queue.lock);

		for (int i = 0; i < 3; i++)
			call(&calls[i], i, job->id);
		if (results_fd < 0) {
			send_response(job->fd);
			free(job);
			continue;
		}
		job->next = NULL;
		pthread_mutex_lock(&results.lock);
		*results.end = job;
		results.end = &job->next;
		pthread_mutex_unlock(&results.lock);
		if (write(results_fd, &one, sizeof(one)) < 0)
			die("eventfd");
	}
	return NULL;
}

struct client {
	int fd;
	bool waits; /* for an answer */
	struct reader r;
};

static void answer_results(void)
{
	struct job *job;
	uint64_t count;

	if (read(results_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&results.lock);
	job = results.first;
	results.first = NULL;
	results.end = &results.first;
	pthread_mutex_unlock(&results.lock);
	while (job) {
		struct job *next = job->next;

		send_response(job->fd);
		free(job);
		job = next;
	}
}

static void accept_client(int epoll, int listener)
{
	struct client *c = calloc(1, sizeof(*c));
	int one = 1;

	c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (c->fd < 0) {
		free(c);
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(epoll, c->fd, c, EPOLLIN);
}

static void run_pool(uint16_t port, bool hand_back)
{
	int listener = listen_on(port, SOCK_NONBLOCK), epoll = epoll_create1(0);
	struct epoll_event events[64];
	pthread_t thread;

	watch(epoll, listener, &listener, EPOLLIN);
	if (hand_back) {
		results_fd = eventfd(0, EFD_NONBLOCK);
		watch(epoll, results_fd, &results_fd, EPOLLIN);
	}
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			die("pthread_create");
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			int done;

			if (events[i].data.ptr == &listener) {
				accept_client(epoll, listener);
				continue;
			}
			if (events[i].data.ptr == &results_fd) {
				answer_results();
				continue;
			}
			done = read_some(c->fd, &c->r, "\r\n\r\n");
			if (done < 0) {
				close(c->fd);
				free(c);
			} else if (done) {
				struct job *job = calloc(1, sizeof(*job));

				*job = (struct job){ c->fd, take_id(&c->r), NULL };
				pthread_mutex_lock(&queue.lock);
				*queue.end = job;
				queue.end = &job->next;
				pthread_cond_signal(&queue.more);
				pthread_mutex_unlock(&queue.lock);
			}
		}
	}
}

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
	static const char *const paths[BACKENDS] = { "/one", "/two", "/three", "/four" };

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

static void run_loop(uint16_t port, int limit)
{
	struct itimerspec period = { { 0, 20000000 }, { 0, 20000000 } };
	struct end listener = { .kind = LISTENER, .fd = listen_on(port, SOCK_NONBLOCK) };
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

static void run_backend(uint16_t port, uint64_t max_ns)
{
	static struct delayed delayed[65536];
	int listener = listen_on(port, SOCK_NONBLOCK), epoll = epoll_create1(0), len = 0;
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

/* Keeps so many requests open until all are answered. Prints the first id that was not used. */
static void run_load(uint16_t port, int connections, long requests, long id, bool closes)
{
	struct client *clients = calloc((size_t)connections, sizeof(*clients));
	int epoll = epoll_create1(0);
	long sent = 0, answered = 0;
	struct epoll_event events[64];

	for (int i = 0; i < connections; i++) {
		clients[i].fd = connect_to(port, 0);
		watch(epoll, clients[i].fd, &clients[i], EPOLLIN);
		if (sent < requests) {
			clients[i].waits = true;
			send_request(clients[i].fd, "/work", id + sent++);
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
			int done = read_some(c->fd, &c->r, "ok\n");

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
				c->fd = connect_to(port, 0);
				watch(epoll, c->fd, c, EPOLLIN);
			}
			if (sent < requests && !(closes && c->fd >= 0 && done > 0)) {
				c->waits = true;
				send_request(c->fd, "/work", id + sent++);
			}
		}
	}
	printf("%ld\n", id + sent);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	uint16_t port = argc > 2 ? (uint16_t)atoi(argv[2]) : 0;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < BACKENDS && i + 3 < argc; i++)
		backends[i] = (uint16_t)atoi(argv[i + 3]);
	if (strcmp(mode, "backend") == 0)
		run_backend(port, argc > 3 ? strtoull(argv[3], NULL, 10) * 1000 : 4000000);
	else if (strcmp(mode, "load") == 0 && argc >= 6)
		run_load(port, atoi(argv[3]), atol(argv[4]), atol(argv[5]), argc > 6);
	else if (strcmp(mode, "threads") == 0)
		run_threads(port);
	else if (strcmp(mode, "pool") == 0)
		run_pool(port, false);
	else if (strcmp(mode, "pool-handback") == 0)
		run_pool(port, true);
	else if (strcmp(mode, "loop") == 0)
		run_loop(port, 0);
	else if (strcmp(mode, "loop-limited") == 0)
		run_loop(port, 4);
	else
		fprintf(stderr,
			"usage: workload threads|pool|pool-handback|loop|loop-limited PORT BACKEND-PORT...\n"
			"       workload backend PORT [MAX-DELAY-US] | load PORT CONNECTIONS REQUESTS "
			"FIRST-ID\n");
	return strcmp(mode, "load") != 0;
}
