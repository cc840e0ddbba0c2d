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
#include "metric.h"

#define CONNECTIONS_MAX 64
#define TIMEOUT_S       10

static struct MHD_Daemon *daemon_;
static _Atomic bool ready;

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
			      struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status,
		      MHD_create_response_from_buffer(strlen(text), (char *)text, MHD_RESPMEM_PERSISTENT));
}

/* The metrics as far as one client has read them: however many there are, a part at a time is held. */
struct page {
	struct metrics_reader reader;
	size_t at, len;
	char part[METRICS_PART_MAX];
};

static ssize_t read_page(void *ctx, uint64_t pos, char *buf, size_t max)
{
	struct page *page = ctx;
	size_t n;

	(void)pos;
	if (page->at == page->len) {
		page->at = 0;
		page->len = metrics_read(&page->reader, page->part);
		if (!page->len)
			return MHD_CONTENT_READER_END_OF_STREAM;
	}
	n = page->len - page->at < max ? page->len - page->at : max;
	memcpy(buf, page->part + page->at, n);
	page->at += n;
	return (ssize_t)n;
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection)
{
	struct page *page = calloc(1, sizeof(*page));
	struct MHD_Response *response =
		page ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_page, page, free)
		     : NULL;

	if (!response)
		free(page);
	return answer(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload, size_t *upload_len,
			      void **state)
{
	(void)ctx, (void)version, (void)upload, (void)upload_len, (void)state;
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	/* The library would end a body of unknown length, which an answer to HEAD does not have. */
	if (strcmp(url, "/metrics") == 0)
		return strcmp(method, "HEAD") ? answer_metrics(connection)
					      : answer_text(connection, MHD_HTTP_OK, "");
	if (strcmp(url, "/healthz") == 0)
		return atomic_load(&ready)
			       ? answer_text(connection, MHD_HTTP_OK, "ok\n")
			       : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
	if (strcmp(url, "/") == 0)
		return answer_text(connection, MHD_HTTP_OK, "Spanhook: /metrics /healthz\n");
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "not found; there are /metrics and /healthz\n");
}

/* "127.0.0.1:9090", "[::1]:9090"; the port alone, ":9090", is that of 127.0.0.1. */
static int parse_listen(const char *listen, struct sockaddr_storage *ret_address)
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
	if (*end || end == colon + 1 || port > 65535)
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
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD;

	if (parse_listen(config->listen, &address)) {
		log_error("--listen %s: not an address and port, such as 127.0.0.1:9090 or [::1]:9090",
			  config->listen);
		return -EINVAL;
	}
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	daemon_ = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &address,
				   MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				   MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, MHD_OPTION_END);
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
