/* SPDX-License-Identifier: Apache-2.0 */
#include "span_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "target.h"

const char *address_text(const struct span *span, const struct address *a, char *buf, size_t size)
{
	struct slice path = span_text(span, TEXT_SOCKET_PATH);
	char ip[INET6_ADDRSTRLEN] = "";

	buf[0] = '\0';
	if (a->family == AF_UNIX)
		snprintf(buf, size, "unix:%.*s", (int)path.len, path.p);
	else if (a->family && inet_ntop(a->family, a->ip, ip, sizeof(ip)))
		snprintf(buf, size, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, a->port);
	return buf;
}

const char *time_text(uint64_t time_ns, char *buf, size_t size)
{
	struct timespec wall, mono;
	struct tm tm;
	uint64_t ns;
	time_t s;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &wall);
	ns = (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec -
	     ((uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec) + time_ns;
	s = (time_t)(ns / 1000000000);
	gmtime_r(&s, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%09lluZ", (unsigned long long)(ns % 1000000000));
	return buf;
}

static void text_field(struct json *j, const char *name, const struct span *span, enum span_text which)
{
	struct slice s = span_text(span, which);

	if (s.len)
		json_string(j, name, s);
}

size_t span_json(const struct span *span, char *buf, size_t size)
{
	char text[512], name[512];
	struct json j;

	span_name(span, name, sizeof(name));
	json_begin(&j, buf, size);
	json_string(&j, "timestamp", slice_of(time_text(span->end_ns, text, sizeof(text))));
	json_string(&j, "level",
		    slice_of(span_failed(span)     ? "error"
			     : span->status >= 400 ? "warn"
						   : "info"));
	snprintf(text, sizeof(text), "%.400s %d%s%s in %.3f ms", name, span->status,
		 span->error_type ? " " : "", span->error_type ? span->error_type : "",
		 (double)(span->end_ns - span->start_ns) / 1e6);
	json_string(&j, "message", slice_of(text));
	if (span->process) {
		json_string(&j, "service", slice_of(span->process->service));
		json_string(&j, "command", slice_of(span->process->command));
	}
	json_string(&j, "kind", slice_of(span_kind_name(span->kind)));
	json_string(&j, "name", slice_of(name));
	json_hex(&j, "trace_id", span->trace_id, 16);
	json_hex(&j, "span_id", span->span_id, 8);
	if (span->has_parent)
		json_hex(&j, "parent_span_id", span->parent_id, 8);
	json_string(&j, "evidence", slice_of(evidence_name(span->evidence)));
	text_field(&j, "request_id", span, TEXT_REQUEST_ID);
	json_string(&j, "protocol", slice_of(span->protocol));
	text_field(&j, "method", span, TEXT_METHOD);
	text_field(&j, "path", span, TEXT_PATH);
	text_field(&j, "query", span, TEXT_QUERY);
	text_field(&j, "route", span, TEXT_ROUTE);
	text_field(&j, "host", span, TEXT_HOST);
	if (span->status)
		json_number(&j, "status", (uint64_t)span->status);
	if (span->error_type)
		json_string(&j, "error_type", slice_of(span->error_type));
	json_ms(&j, "duration_ms", span->end_ns - span->start_ns);
	if (span->first_byte_ns > span->start_ns)
		json_ms(&j, "ttfb_ms", span->first_byte_ns - span->start_ns);
	json_number(&j, "request_bytes", span->request_len);
	json_number(&j, "response_bytes", span->response_len);
	if (address_text(span, &span->peer, text, sizeof(text))[0])
		json_string(&j, "peer", slice_of(text));
	if (address_text(span, &span->local, text, sizeof(text))[0])
		json_string(&j, "local", slice_of(text));
	text_field(&j, "peer_service", span, TEXT_PEER_SERVICE);
	text_field(&j, "user_agent", span, TEXT_USER_AGENT);
	json_number(&j, "pid", span->pid);
	json_number(&j, "tid", span->tid);
	if (span->incomplete)
		json_bool(&j, "incomplete", true);
	if (span->truncated)
		json_bool(&j, "truncated", true);
	return json_end(&j);
}
