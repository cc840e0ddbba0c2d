/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends COUNT requests on one kept-alive connection, by one kind of system call, and checks that each is
 * answered with the status: client ADDRESS CALLS PATH STATUS COUNT. ADDRESS: PORT, 6:PORT or the path of a
 * unix socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static ssize_t write_plain(int fd, void *data, size_t len)
{
	return write(fd, data, len);
}

static ssize_t read_plain(int fd, void *data, size_t len)
{
	return read(fd, data, len);
}

static ssize_t send_plain(int fd, void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL);
}

static ssize_t recv_plain(int fd, void *data, size_t len)
{
	/* What is only looked at must not count twice. */
	if (recv(fd, data, len, MSG_PEEK) < 0)
		return -1;
	return recv(fd, data, len, 0);
}

/* Two vectors, so that a head is cut in its middle. */
static void split(struct iovec v[2], char *data, size_t len)
{
	v[0] = (struct iovec){ data, len / 2 };
	v[1] = (struct iovec){ data + len / 2, len - len / 2 };
}

static ssize_t write_vectors(int fd, void *data, size_t len)
{
	struct iovec v[2];

	split(v, data, len);
	return writev(fd, v, 2);
}

static ssize_t read_vectors(int fd, void *data, size_t len)
{
	struct iovec v[2];

	split(v, data, len);
	return readv(fd, v, 2);
}

static ssize_t send_message(int fd, void *data, size_t len)
{
	struct iovec v[2];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	split(v, data, len);
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static ssize_t receive_message(int fd, void *data, size_t len)
{
	struct iovec v[2];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	split(v, data, len);
	return recvmsg(fd, &m, 0);
}

static const struct calls {
	const char *name;
	ssize_t (*send)(int fd, void *data, size_t len);
	ssize_t (*receive)(int fd, void *data, size_t len);
} kinds[] = {
	{ "write", write_plain, read_plain },
	{ "send", send_plain, recv_plain },
	{ "vector", write_vectors, read_vectors },
	{ "message", send_message, receive_message },
};

static int open_connection(const char *address)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *to;
	socklen_t len;
	int fd;

	if (address[0] == '/') {
		snprintf(path.sun_path, sizeof(path.sun_path), "%s", address);
		to = (struct sockaddr *)&path;
		len = sizeof(path);
	} else if (strncmp(address, "6:", 2) == 0) {
		six.sin6_port = htons((uint16_t)atoi(address + 2));
		to = (struct sockaddr *)&six;
		len = sizeof(six);
	} else {
		four.sin_port = htons((uint16_t)atoi(address));
		to = (struct sockaddr *)&four;
		len = sizeof(four);
	}
	fd = socket(to->sa_family, SOCK_STREAM, 0);
	return fd >= 0 && connect(fd, to, len) == 0 ? fd : -1;
}

/* Reads one response whole. Returns its status, or -1. */
static int receive_response(int fd, const struct calls *calls)
{
	static char data[1 << 20];
	size_t got = 0, whole = 0;
	int status = -1;

	while (!whole || got < whole) {
		ssize_t n =
			got < sizeof(data) - 1 ? calls->receive(fd, data + got, sizeof(data) - 1 - got) : 0;
		char *end, *length;

		if (n <= 0)
			return -1;
		got += (size_t)n;
		data[got] = '\0';
		end = whole ? NULL : strstr(data, "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(data, "content-length: ");
		if (!length || sscanf(data, "HTTP/1.1 %d", &status) != 1)
			return -1;
		whole = (size_t)(end + 4 - data) + strtoul(length + strlen("content-length: "), NULL, 10);
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct calls *calls = NULL;
	char request[256];
	int fd, len;

	for (size_t i = 0; argc == 6 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[2]) == 0)
			calls = &kinds[i];
	if (!calls) {
		fputs("usage: client PORT|6:PORT|PATH write|send|vector|message PATH STATUS COUNT\n", stderr);
		return 2;
	}
	fd = open_connection(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "client: cannot connect to %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: guest\r\n\r\n", argv[3]);
	for (int i = 0; i < atoi(argv[5]); i++) {
		int status = -1;

		if (calls->send(fd, request, (size_t)len) == len)
			status = receive_response(fd, calls);
		if (status != atoi(argv[4])) {
			fprintf(stderr, "client: status %d of %s: %s\n", status, argv[3], strerror(errno));
			return 1;
		}
	}
	close(fd);
	return 0;
}
