/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd: each request is a server span, from its request line until its response is sent. The
 * daemon's own handler is called through ours, with a state of its own.
 */
#include "../order/endpoints.h"
#include "otlp.h"
#include "trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 32, BAGGAGE_MAX = 8 };

/* There is one daemon. */
static struct {
	MHD_AccessHandlerCallback handle;
	void *handle_cls;
	MHD_RequestCompletedCallback completed;
	void *completed_cls;
} app;

struct request {
	struct trace_span span;
	void *state; /* the handler's own */
	uint64_t body_len;
	bool headed;
};

static _Thread_local uint64_t response_len;

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void add_peer(struct trace_span *span, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info ? info->client_addr : NULL;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	char text[INET6_ADDRSTRLEN];

	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	inet_ntop(sa->sa_family, sa->sa_family == AF_INET ? (const void *)&in4->sin_addr : &in6->sin6_addr,
		  text, sizeof(text));
	trace_text(span, "network.peer.address", text);
	trace_integer(span, "network.peer.port",
		      ntohs(sa->sa_family == AF_INET ? in4->sin_port : in6->sin6_port));
}

/* key=value;properties,key=value (W3C Baggage, section 3.1) */
static void add_baggage(struct trace_span *span, const char *baggage)
{
	char text[512], key[128], *rest = text, *entry;

	snprintf(text, sizeof(text), "%s", baggage);
	for (int i = 0; i < BAGGAGE_MAX && (entry = strsep(&rest, ",")); i++) {
		char *value = strchr(entry, '=');

		if (!value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "; ")] = '\0';
		entry += strspn(entry, " ");
		entry[strcspn(entry, " \"\\")] = '\0';
		snprintf(key, sizeof(key), "baggage.%s", entry);
		trace_text(span, key, value);
	}
}

/* The route that the service itself would take; NULL: none. */
static const char *route_of(const char *path, char *buf, size_t size)
{
	for (const struct http_route *route = order_routes; route->method; route++) {
		size_t len = strlen(route->path);

		if (strcmp(route->path, path) == 0)
			return route->path;
		if (route->path[len - 1] != '/' || strncmp(path, route->path, len) != 0 ||
		    strchr(path + len, '/'))
			continue;
		snprintf(buf, size, "%s{id}", route->path);
		return buf;
	}
	return NULL;
}

static void add_head(struct request *request, struct MHD_Connection *connection, const char *path,
		     const char *method)
{
	struct trace_span *span = &request->span;
	char buf[64];
	const char *route = route_of(path, buf, sizeof(buf)), *host = header(connection, "Host");

	trace_continue(span, header(connection, "traceparent"));
	span->tracestate = span->has_parent ? header(connection, "tracestate") : NULL;
	span->baggage = header(connection, "baggage");
	snprintf(span->name, sizeof(span->name), "%s%s%s", method, route ? " " : "", route ? route : "");
	trace_text(span, "http.request.method", method);
	trace_text(span, "url.path", path);
	trace_text(span, "url.scheme", "http");
	trace_text(span, "http.route", route);
	trace_text(span, "user_agent.original", header(connection, "User-Agent"));
	trace_text(span, "http.request.header.x-request-id", header(connection, "X-Request-ID"));
	if (host)
		trace_endpoint(span, "server.address", "server.port", host, strlen(host));
	if (span->baggage)
		add_baggage(span, span->baggage);
	add_peer(span, connection);
	trace_thread(span);
}

/* The request line is there (MHD_OPTION_URI_LOG_CALLBACK); what is returned is the request's state. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct request *request = malloc(sizeof(*request));
	const char *query = strchr(uri, '?');

	(void)cls;
	(void)connection;
	if (!request)
		return NULL;
	request->state = NULL;
	request->body_len = 0;
	request->headed = false;
	trace_set_current(NULL);
	trace_begin(&request->span, TRACE_SERVER, "HTTP");
	trace_text(&request->span, "url.query", query ? query + 1 : NULL);
	trace_set_current(NULL);
	return request;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *data_len,
				  void **state)
{
	struct request *request = *state;
	enum MHD_Result result;
	size_t given;

	(void)cls;
	if (!request)
		return MHD_NO;
	if (!request->headed)
		add_head(request, connection, path, method);
	request->headed = true;
	given = *data_len;
	trace_set_current(&request->span);
	result = app.handle(app.handle_cls, connection, path, method, version, data, data_len,
			    &request->state);
	request->body_len += given - *data_len;
	trace_set_current(NULL);
	return result;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode how)
{
	struct request *request = *state;

	(void)cls;
	if (!request)
		return;
	trace_stop(&request->span);
	if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK) {
		trace_text(&request->span, "error.type", "connection");
		request->span.failed = true;
	}
	trace_integer(&request->span, "http.request.body.size", (int64_t)request->body_len);
	trace_end(&request->span);
	if (app.completed)
		app.completed(app.completed_cls, connection, &request->state, how);
	free(request);
	*state = NULL;
}

struct MHD_Response *__real_MHD_create_response_from_buffer(size_t size, void *buffer,
							    enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t size, void *buffer,
							    enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t size, void *buffer,
							    enum MHD_ResponseMemoryMode mode)
{
	response_len = size;
	return __real_MHD_create_response_from_buffer(size, buffer, mode);
}

enum MHD_Result __real_MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
					  struct MHD_Response *response);
enum MHD_Result __wrap_MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
					  struct MHD_Response *response);
enum MHD_Result __wrap_MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
					  struct MHD_Response *response)
{
	struct trace_span *span = trace_current();

	if (span) {
		trace_integer(span, "http.response.status_code", status);
		trace_integer(span, "http.response.body.size", (int64_t)response_len);
		span->failed = status >= 500;
	}
	return __real_MHD_queue_response(connection, status, response);
}

/* How the arguments of an option go into a struct MHD_OptionItem. */
static int read_option(int option, va_list args, struct MHD_OptionItem *item)
{
	item->option = (enum MHD_OPTION)option;
	switch (option) {
	case MHD_OPTION_LISTEN_SOCKET:
		item->value = va_arg(args, int);
		return 0;
	case MHD_OPTION_CONNECTION_LIMIT:
	case MHD_OPTION_CONNECTION_TIMEOUT:
	case MHD_OPTION_THREAD_POOL_SIZE:
		item->value = (intptr_t)va_arg(args, unsigned int);
		return 0;
	case MHD_OPTION_ARRAY:
		item->ptr_value = va_arg(args, void *);
		return 0;
	case MHD_OPTION_NOTIFY_COMPLETED:
		app.completed = va_arg(args, MHD_RequestCompletedCallback);
		app.completed_cls = va_arg(args, void *);
		item->value = (intptr_t)on_completed;
		return 0;
	default:
		return -EINVAL;
	}
}

struct MHD_Daemon *__real_MHD_start_daemon(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept,
					   void *accept_cls, MHD_AccessHandlerCallback handle,
					   void *handle_cls, ...);
struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept,
					   void *accept_cls, MHD_AccessHandlerCallback handle,
					   void *handle_cls, ...);
struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept,
					   void *accept_cls, MHD_AccessHandlerCallback handle,
					   void *handle_cls, ...)
{
	struct MHD_OptionItem items[OPTIONS_MAX + 3] = { { MHD_OPTION_END, 0, NULL } };
	va_list args;
	int n = 0, option, err = 0;

	otlp_start();
	va_start(args, handle_cls);
	while (!err && n < OPTIONS_MAX && (option = va_arg(args, int)) != MHD_OPTION_END)
		err = read_option(option, args, &items[n++]);
	va_end(args);
	if (err) {
		fprintf(stderr, "in-code tracing: option %d of MHD_start_daemon() is not known\n", option);
		return NULL;
	}
	if (trace_on()) {
		app.handle = handle;
		app.handle_cls = handle_cls;
		items[n++] = (struct MHD_OptionItem){ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_request_line,
						      NULL };
		handle = on_request;
	} else {
		for (int i = 0; i < n; i++)
			if (items[i].option == MHD_OPTION_NOTIFY_COMPLETED)
				items[i] =
					(struct MHD_OptionItem){ MHD_OPTION_NOTIFY_COMPLETED,
								 (intptr_t)app.completed, app.completed_cls };
	}
	items[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	return __real_MHD_start_daemon(flags, port, accept, accept_cls, handle, handle_cls, MHD_OPTION_ARRAY,
				       items, MHD_OPTION_END);
}
