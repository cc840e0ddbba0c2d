/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http_answer.h"

#define CONNECTIONS_MAX 64
#define CROWDED         48 /* connections, from which on a new one has the oldest closed */
#define TIMEOUT_S       10

static struct MHD_Daemon *daemon_;
static struct client *oldest, *newest;
static unsigned clients_len;
static _Atomic bool ready;

/* A connection; those who hold theirs for long must not keep others out. */
struct client {
	int fd;
	bool shut;
	struct client *older, *newer;
};

static void leave(struct client *c)
{
	*(c->older ? &c->older->newer : &oldest) = c->newer;
	*(c->newer ? &c->newer->older : &newest) = c->older;
	clients_len--;
	free(c);
}

static void come_and_go(void *ctx, struct MHD_Connection *connection, void **state,
			enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct client *c = *state;

	(void)ctx;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c)
			leave(c);
		return;
	}
	*state = c = info ? malloc(sizeof(*c)) : NULL;
	if (!c)
		return;
	*c = (struct client){ .fd = info->connect_fd, .older = newest };
	*(newest ? &newest->newer : &oldest) = c;
	newest = c;
	if (++clients_len <= CROWDED)
		return;
	for (c = oldest; c->shut; c = c->newer)
		;
	c->shut = shutdown(c->fd, SHUT_RDWR) == 0;
}

static ssize_t read_page(void *page, uint64_t pos, char *buf, size_t max)
{
	size_t n = http_page_read(page, buf, max);

	(void)pos;
	return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

/* Takes the page over. */
static struct MHD_Response *page_response(struct http_page *page)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_page, page, free);

	if (!response)
		free(page);
	return response;
}

static enum MHD_Result take_argument(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_request *request = ctx;

	(void)kind;
	request->filter_err = trace_filter_take(&request->filter, name, value);
	return request->filter_err ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload, size_t *upload_len,
			      void **state)
{
	struct http_request request = { .method = method, .path = url, .ready = atomic_load(&ready) };
	struct MHD_Response *response;
	struct http_answer answer;
	enum MHD_Result result;

	(void)ctx, (void)version, (void)upload, (void)upload_len, (void)state;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, &request);
	answer = http_answer(&request);
	if (!answer.status)
		return MHD_NO;
	response = answer.page ? page_response(answer.page)
			       : MHD_create_response_from_buffer(strlen(answer.text), (char *)answer.text,
								 MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
	result = MHD_queue_response(connection, answer.status, response);
	MHD_destroy_response(response);
	return result;
}

int http_parse_listen(const char *listen, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
	const char *colon = strrchr(listen, ':');
	char host[64] = "127.0.0.1", *end;
	unsigned long port;
	size_t len;

	if (!colon || colon - listen >= (int)sizeof(host))
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || colon[1] < '0' || colon[1] > '9' || port > 65535)
		return -EINVAL;
	len = (size_t)(colon - listen);
	if (len)
		snprintf(host, sizeof(host), "%.*s", (int)len, listen);
	memset(ret_address, 0, sizeof(*ret_address));
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

int http_start(const struct config *config)
{
	struct sockaddr_storage address;
	unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD;

	if (http_parse_listen(config->listen, &address)) {
		log_error("--listen %s: not an address and port, such as 127.0.0.1:9090 or [::1]:9090",
			  config->listen);
		return -EINVAL;
	}
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	daemon_ =
		MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &address,
				 MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				 TIMEOUT_S, MHD_OPTION_NOTIFY_CONNECTION, come_and_go, NULL, MHD_OPTION_END);
	if (!daemon_) {
		int err = errno ? errno : EIO;

		log_error("cannot listen on %s: %s; choose another with --listen", config->listen,
			  strerror(err));
		return -err;
	}
	return 0;
}

void http_set_ready(bool value)
{
	atomic_store(&ready, value);
}

void http_stop(void)
{
	if (daemon_)
		MHD_stop_daemon(daemon_);
	daemon_ = NULL;
}
