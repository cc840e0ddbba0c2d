/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl: each curl_easy_perform() is a client span, and sends the trace context. */
#include "trace.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo

enum { HEADER_MAX = 1024 };

/* What was asked of the handle that this thread set up last; a handle is used by one thread. */
static _Thread_local struct {
	CURL *curl;
	const char *method;
	struct curl_slist *headers;
	char url[1024];
} asked;

CURLcode __real_curl_easy_perform(CURL *curl);
CURLcode __real_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __wrap_curl_easy_perform(CURL *curl);
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...);

static void remember(CURL *curl, CURLoption option, void *value)
{
	if (asked.curl != curl) {
		memset(&asked, 0, sizeof(asked));
		asked.curl = curl;
		asked.method = "GET";
	}
	if (option == CURLOPT_URL)
		snprintf(asked.url, sizeof(asked.url), "%s", (const char *)value);
	else if (option == CURLOPT_HTTPHEADER)
		asked.headers = value;
	else if (option == CURLOPT_HTTPGET)
		asked.method = "GET";
	else if (option == CURLOPT_POSTFIELDS)
		asked.method = "POST";
}

CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
	CURLcode code;
	va_list args;

	va_start(args, option);
	if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
		code = __real_curl_easy_setopt(curl, option, va_arg(args, curl_off_t));
	} else if (option < CURLOPTTYPE_OBJECTPOINT) {
		code = __real_curl_easy_setopt(curl, option, va_arg(args, long));
		remember(curl, option, NULL);
	} else {
		void *value = va_arg(args, void *);

		code = __real_curl_easy_setopt(curl, option, value);
		remember(curl, option, value);
	}
	va_end(args);
	return code;
}

/* Headers of the trace context in front of the program's own; they live as long as the call. */
struct context {
	char traceparent[sizeof("traceparent: ") + TRACEPARENT_LEN];
	char tracestate[HEADER_MAX], baggage[HEADER_MAX];
	struct curl_slist list[3];
};

static struct curl_slist *with_context(struct context *c, const struct trace_span *span,
				       struct curl_slist *headers)
{
	char *texts[3] = { c->traceparent };
	struct curl_slist *first = headers;
	int n = 1;

	memcpy(c->traceparent, "traceparent: ", 13);
	trace_parent_text(span, c->traceparent + 13);
	if (span->tracestate &&
	    snprintf(c->tracestate, HEADER_MAX, "tracestate: %s", span->tracestate) < HEADER_MAX)
		texts[n++] = c->tracestate;
	if (span->baggage && snprintf(c->baggage, HEADER_MAX, "baggage: %s", span->baggage) < HEADER_MAX)
		texts[n++] = c->baggage;
	while (n--) {
		c->list[n] = (struct curl_slist){ texts[n], first };
		first = &c->list[n];
	}
	return first;
}

static void add_request(struct trace_span *span)
{
	const char *authority = strstr(asked.url, "://");

	trace_text(span, "http.request.method", asked.method);
	trace_text(span, "url.full", asked.url);
	trace_thread(span);
	if (authority)
		trace_endpoint(span, "server.address", "server.port", authority + 3,
			       strcspn(authority + 3, "/?"));
}

static const char *error_type(CURLcode code)
{
	return code == CURLE_OPERATION_TIMEDOUT ? "timeout"
	       : code == CURLE_COULDNT_CONNECT  ? "connect_refused"
						: "connection";
}

static void add_response(struct trace_span *span, CURL *curl, CURLcode code)
{
	curl_off_t sent = 0, received = 0;
	long status = 0, port = 0, local_port = 0;
	char *address = NULL;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
	curl_easy_getinfo(curl, CURLINFO_PRIMARY_PORT, &port);
	curl_easy_getinfo(curl, CURLINFO_LOCAL_PORT, &local_port);
	curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &received);
	if (status)
		trace_integer(span, "http.response.status_code", status);
	trace_text(span, "network.peer.address", address && *address ? address : NULL);
	if (port > 0)
		trace_integer(span, "network.peer.port", port);
	if (local_port > 0)
		trace_integer(span, "network.local.port", local_port);
	trace_integer(span, "http.request.body.size", sent);
	trace_integer(span, "http.response.body.size", received);
	if (code != CURLE_OK) {
		trace_text(span, "error.type", error_type(code));
		trace_text(span, "error.message", curl_easy_strerror(code));
	}
	span->failed = code != CURLE_OK || status >= 400;
}

CURLcode __wrap_curl_easy_perform(CURL *curl)
{
	struct curl_slist *headers = asked.headers;
	struct context context;
	struct trace_span span;
	CURLcode code;

	if (!trace_on() || !trace_current() || asked.curl != curl)
		return __real_curl_easy_perform(curl);
	trace_begin(&span, TRACE_CLIENT, asked.method);
	add_request(&span);
	__real_curl_easy_setopt(curl, CURLOPT_HTTPHEADER, with_context(&context, &span, headers));
	trace_restart(&span);
	code = __real_curl_easy_perform(curl);
	trace_stop(&span);
	__real_curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	add_response(&span, curl, code);
	trace_end(&span);
	return code;
}
