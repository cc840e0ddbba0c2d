/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of servers on this host: so many connections with one request open on each, either at a constant
 * rate or as fast as the answers come. At a rate a request is due at its time whether or not earlier ones
 * were answered, and its latency counts from then, so a server that stalls cannot hide it. Connections take
 * turns. Ends when every request was answered. Prints an object of JSON.
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS 10000000000LL /* beyond the time of the last request */
#define HEAD_MAX    4096
#define REQUEST_MAX 65536
#define SOURCES     16  /* addresses, each with ports of its own, for those who connect often */
#define STEPS       128 /* of a power of two: latencies are told apart to 1/128 */
#define BUCKETS     (58 * STEPS)
#define USAGE                                                                                                \
	"usage: pace [OPTIONS] PORT [PATH]\n"                                                                \
	"  -c N     connections (default 1)\n"                                                               \
	"  -r RATE  requests a second (default: each when the one before is answered)\n"                     \
	"  -d TIME  for so many seconds (default 1)\n"                                                       \
	"  -n N     so many requests instead\n"                                                              \
	"  -k N     requests on a connection before it is closed and another one opened (default: no "       \
	"limit)\n"                                                                                           \
	"  -f FILE  the bytes of a request (default: GET PATH of HTTP/1.1)\n"                                \
	"  -l LEN   bytes of each answer, which then is not HTTP\n"

struct connection {
	int fd; /* -1: opened when its next request is due */
	long requests;
	long long due_ns; /* of its open request */
	long left_len;    /* of the answer's body; -1: its head is not complete */
	long head_len;
	char head[HEAD_MAX];
};

static struct {
	int port, connections;
	double rate, seconds;
	long total, each, answer_len;
	char request[REQUEST_MAX];
	size_t request_len;
} load = { .connections = 1, .seconds = 1 };

static struct connection *connections, **idle; /* a queue */
static long idle_first, idle_len;
static int epoll_fd;
static long sent, done, failed; /* requests; failed: another status than 2xx */
static long buckets[BUCKETS];
static long long start_ns, max_ns;

static void fail(const char *what)
{
	fprintf(stderr, "pace: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void idle_push(struct connection *c)
{
	idle[(idle_first + idle_len++) % load.connections] = c;
}

static struct connection *idle_pop(void)
{
	struct connection *c = idle[idle_first];

	idle_first = (idle_first + 1) % load.connections;
	idle_len--;
	return c;
}

static void open_connection(struct connection *c)
{
	static unsigned int opened;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)load.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr =
					    htonl(INADDR_LOOPBACK + (load.each ? opened++ % SOURCES : 0)) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
	c->requests = 0;
}

static void count_latency(long long ns)
{
	int shift = 57 - __builtin_clzll((unsigned long long)ns | STEPS) - 1;

	buckets[shift * STEPS + (ns >> shift)]++;
	if (ns > max_ns)
		max_ns = ns;
}

/* The middle of a bucket. */
static long long bucket_ns(int i)
{
	int shift = i < 2 * STEPS ? 0 : i / STEPS - 1;

	return ((long long)(i - shift * STEPS) << shift) + ((1LL << shift) >> 1);
}

/* Takes the head apart. Returns whether it is complete. */
static int end_head(struct connection *c)
{
	char *end, *length;

	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		errno = 0;
		if (c->head_len == HEAD_MAX - 1)
			fail("head of a response too long");
		return 0;
	}
	if (strncmp(c->head, "HTTP/1.1 2", strlen("HTTP/1.1 2")) != 0)
		failed++;
	*end = '\0';
	length = strcasestr(c->head, "\r\ncontent-length:");
	c->left_len = length ? atol(length + strlen("\r\ncontent-length:")) : 0;
	c->left_len -= c->head_len - (end + 4 - c->head);
	return 1;
}

/* Reads what is there. Returns whether the answer is whole. */
static int receive(struct connection *c)
{
	ssize_t n;

	if (c->left_len < 0) {
		n = read(c->fd, c->head + c->head_len, (size_t)(HEAD_MAX - 1 - c->head_len));
		if (n > 0) {
			c->head_len += n;
			return end_head(c) && c->left_len <= 0;
		}
	} else {
		/* Of no interest, and not copied. */
		n = recv(c->fd, NULL, (size_t)c->left_len, MSG_TRUNC);
		if (n > 0) {
			c->left_len -= n;
			return c->left_len == 0;
		}
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n == 0)
		errno = ECONNRESET;
	fail("read");
	return 0;
}

static void send_request(struct connection *c, long long due_ns)
{
	if (c->fd < 0)
		open_connection(c);
	c->due_ns = due_ns;
	c->head_len = 0;
	c->left_len = load.answer_len ? load.answer_len : -1;
	if (write(c->fd, load.request, load.request_len) != (ssize_t)load.request_len)
		fail("write");
	c->requests++;
	sent++;
}

static void end_request(struct connection *c)
{
	count_latency(now_ns() - c->due_ns);
	done++;
	if (load.each && c->requests == load.each) {
		close(c->fd);
		c->fd = -1;
	}
	idle_push(c);
}

/* When the next request is due; 0: no other one is. */
static long long next_due_ns(void)
{
	if (load.total && sent == load.total)
		return 0;
	if (load.rate > 0)
		return start_ns + (long long)((double)sent / load.rate * 1e9);
	if (!load.total && (double)(now_ns() - start_ns) >= load.seconds * 1e9)
		return 0;
	return now_ns();
}

/* Waits until something can be done: an answer has come, or the next request is due. */
static void wait_for(long long due_ns)
{
	struct epoll_event events[256];
	long long wait_ns = 100000000;
	struct timespec timeout;
	int n;

	if (due_ns && idle_len)
		wait_ns = due_ns - now_ns();
	if (wait_ns < 0)
		wait_ns = 0;
	timeout.tv_sec = wait_ns / 1000000000;
	timeout.tv_nsec = wait_ns % 1000000000;
	n = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);
	for (int i = 0; i < n; i++)
		if (receive(events[i].data.ptr))
			end_request(events[i].data.ptr);
}

/* Until all is answered, or too much time has passed. */
static void run(void)
{
	long long last_ns = start_ns + (long long)(load.seconds * 1e9);
	long long due_ns;

	while ((due_ns = next_due_ns()) || sent > done) {
		for (; due_ns && idle_len && due_ns <= now_ns(); due_ns = next_due_ns())
			send_request(idle_pop(), due_ns);
		wait_for(due_ns);
		if ((load.rate > 0 || !load.total) && now_ns() > last_ns + PATIENCE_NS)
			return;
	}
}

static long long quantile_ns(double q)
{
	long rank = (long)(q * (double)done), seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += buckets[i];
		if (seen > rank)
			return bucket_ns(i);
	}
	return max_ns;
}

static void print(double seconds)
{
	struct rusage used;
	const char *comma = "";

	getrusage(RUSAGE_SELF, &used);
	printf("{\"requests\": %ld, \"failed\": %ld, \"late\": %ld, \"seconds\": %.6f, \"cpu_ns\": %lld, ",
	       done, failed, (load.total ? load.total : sent) - done, seconds,
	       (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000LL +
		       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000LL);
	printf("\"p50_ns\": %lld, \"p90_ns\": %lld, \"p99_ns\": %lld, \"p999_ns\": %lld, \"max_ns\": %lld, ",
	       quantile_ns(.5), quantile_ns(.9), quantile_ns(.99), quantile_ns(.999), max_ns);
	printf("\"histogram_ns\": [");
	for (int i = 0; i < BUCKETS; i++)
		if (buckets[i]) {
			printf("%s[%lld, %ld]", comma, bucket_ns(i), buckets[i]);
			comma = ", ";
		}
	printf("]}\n");
}

static void read_request(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		fail(path);
	load.request_len = fread(load.request, 1, sizeof(load.request), f);
	fclose(f);
}

static int parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:r:d:n:k:f:l:")) != -1)
		switch (option) {
		case 'c':
			load.connections = atoi(optarg);
			break;
		case 'r':
			load.rate = atof(optarg);
			break;
		case 'd':
			load.seconds = atof(optarg);
			break;
		case 'n':
			load.total = atol(optarg);
			break;
		case 'k':
			load.each = atol(optarg);
			break;
		case 'f':
			read_request(optarg);
			break;
		case 'l':
			load.answer_len = atol(optarg);
			break;
		default:
			return -EINVAL;
		}
	if (optind >= argc || load.connections < 1)
		return -EINVAL;
	load.port = atoi(argv[optind]);
	if (!load.request_len)
		load.request_len = (size_t)snprintf(load.request, sizeof(load.request),
						    "GET %.1024s HTTP/1.1\r\nHost: localhost\r\n\r\n",
						    optind + 1 < argc ? argv[optind + 1] : "/");
	if (load.rate > 0 && load.total)
		load.seconds = (double)load.total / load.rate;
	else if (load.rate > 0)
		load.total = (long)(load.rate * load.seconds);
	return 0;
}

int main(int argc, char **argv)
{
	long long end_ns;

	if (parse(argc, argv)) {
		fputs(USAGE, stderr);
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc((size_t)load.connections, sizeof(*connections));
	idle = calloc((size_t)load.connections, sizeof(struct connection *));
	if (!connections || !idle)
		fail("memory");
	for (int i = 0; i < load.connections; i++) {
		connections[i].fd = -1;
		if (load.each != 1)
			open_connection(&connections[i]);
		idle_push(&connections[i]);
	}
	start_ns = now_ns();
	run();
	end_ns = now_ns();
	print((double)(end_ns - start_ns) / 1e9);
	free(idle);
	free(connections);
	if (sent > done)
		fail("late");
	return 0;
}
