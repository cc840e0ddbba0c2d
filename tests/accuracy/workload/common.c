/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct sockaddr_in backends[BACKENDS];
const char *const paths[BACKENDS] = { "/one", "/two", "/three", "/four" };

void die(const char *what)
{
	perror(what);
	exit(1);
}

struct sockaddr_in address_of(const char *text)
{
	const char *colon = strchr(text, ':');
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char ip[16];

	if (colon) {
		snprintf(ip, sizeof(ip), "%.*s", (int)(colon - text), text);
		inet_pton(AF_INET, ip, &a.sin_addr);
		text = colon + 1;
	}
	a.sin_port = htons((uint16_t)atoi(text));
	return a;
}

int listen_on(struct sockaddr_in a, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1024))
		die("listen");
	return fd;
}

int connect_to(struct sockaddr_in a, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1;

	if (fd < 0 || (connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno != EINPROGRESS))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void watch(int epoll, int fd, void *p, uint32_t events)
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

void send_request(int fd, const char *path, long id)
{
	char head[256];
	int n = snprintf(head, sizeof(head), "GET %s?id=%ld HTTP/1.1\r\nHost: backend\r\n\r\n", path, id);

	send_all(fd, head, (size_t)n);
}

void send_order(int fd, long id)
{
	char body[160], text[320];
	int len = snprintf(body, sizeof(body),
			   "{\"user_id\":%ld,\"items\":[{\"product_id\":%ld,\"quantity\":1}],"
			   "\"shipping_address\":{\"city\":\"Oslo\"}}",
			   id, id);
	int n = snprintf(text, sizeof(text),
			 "POST /orders?id=%ld HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n%s", id,
			 len, body);

	send_all(fd, text, (size_t)n);
}

void send_response(int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

	send_all(fd, text, sizeof(text) - 1);
}

int read_some(int fd, struct reader *r, const char *end)
{
	ssize_t n = recv(fd, r->text + r->len, sizeof(r->text) - 1 - r->len, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	r->len += (size_t)n;
	r->text[r->len] = '\0';
	return strstr(r->text, end) != NULL;
}

long take_id(struct reader *r)
{
	const char *id = strstr(r->text, "id=");

	r->len = 0;
	return id ? atol(id + 3) : -1;
}

int read_request(int fd, struct reader *r)
{
	int done;

	while ((done = read_some(fd, r, "\r\n\r\n")) == 0)
		;
	return done;
}

void call(int *fd, int backend, long id)
{
	struct reader r = { .len = 0 };

	if (*fd <= 0)
		*fd = connect_to(backends[backend], 0);
	send_request(*fd, paths[backend], id);
	while (read_some(*fd, &r, "ok\n") == 0)
		;
}

void accept_client(int epoll, int listener)
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
