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

#define CONNECTIONS_MAX 64
#define TIMEOUT_S       10

static struct MHD_Daemon *daemon_;
static _Atomic bool ready;

struct http_answer http_answer(const char *method, const char *path)
{
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return (struct http_answer){ 405, "only GET and HEAD\n" };
	/* The library would end a body of unknown length, which an answer to HEAD does not have. */
	if (strcmp(path, "/metrics") == 0)
		return (struct http_answer){ 200, strcmp(method, "HEAD") ? NULL : "" };
	if (strcmp(path, "/healthz") == 0)
		return atomic_load(&ready) ? (struct http_answer){ 200, "ok\n" }
					   : (struct http_answer){ 503, "starting\n" };
	if (strcmp(path, "/") == 0)
		return (struct http_answer){ 200, "Spanhook: /metrics /healthz\n" };
	return (struct http_answer){ 404, "not found; there are /metrics and /healthz\n" };
}

size_t http_read_metrics(struct http_metrics *page, char *buf, size_t max)
{
	size_t n;

	if (page->at == page->len) {
		page->at = 0;
		page->len = metrics_read(&page->reader, page->part);
	}
	n = page->len - page->at < max ? page->len - page->at : max;
	memcpy(buf, page->part + page->at, n);
	page->at += n;
	return n;
}

static ssize_t read_metrics(void *page, uint64_t pos, char *buf, size_t max)
{
	size_t n = http_read_metrics(page, buf, max);

	(void)pos;
	return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static struct MHD_Response *metrics_response(void)
{
	struct http_metrics *page = calloc(1, sizeof(*page));
	struct MHD_Response *response =
		page ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_metrics, page, free)
		     : NULL;

	if (!response)
		free(page);
	return response;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload, size_t *upload_len,
			      void **state)
{
	struct http_answer answer = http_answer(method, url);
	struct MHD_Response *response =
		answer.text ? MHD_create_response_from_buffer(strlen(answer.text), (char *)answer.text,
							      MHD_RESPMEM_PERSISTENT)
			    : metrics_response();
	enum MHD_Result result;

	(void)ctx, (void)version, (void)upload, (void)upload_len, (void)state;
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
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
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD;

	if (http_parse_listen(config->listen, &address)) {
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
