/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int bind_and_listen(int fd, const struct addrinfo *where)
{
	const int on = 1;

	/* A restart must not wait for the old connections' TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, where->ai_addr, where->ai_addrlen) || listen(fd, SOMAXCONN))
		return -errno;
	return 0;
}

static void print_endpoint(int fd, char ret[static ENDPOINT_LEN])
{
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);
	char host[48] = "", port[6] = "";

	getsockname(fd, (struct sockaddr *)&local, &len);
	getnameinfo((struct sockaddr *)&local, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(ret, ENDPOINT_LEN, local.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_tcp(const char *address, unsigned int port, char ret_endpoint[static ENDPOINT_LEN])
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	struct addrinfo *where;
	char service[6];
	int fd, err;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(address, service, &hints, &where))
		return -EINVAL;
	fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 ? -errno : bind_and_listen(fd, where);
	freeaddrinfo(where);
	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	print_endpoint(fd, ret_endpoint);
	return fd;
}
