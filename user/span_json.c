/* SPDX-License-Identifier: Apache-2.0 */
#include "span_json.h"

#include "../bpf/event.h"
#include "base/decimal.h"
#include "base/json.h"
#include "target.h"

static void text_field(struct json *j, const char *name, const struct span *span, enum span_text which)
{
	struct slice s = span_text(span, which);

	if (s.len)
		json_string(j, name, s);
}

/* "GET /orders/{id} 200 in 1.234567 ms" */
static struct slice message(const struct span *span, struct slice name, char *buf)
{
	struct slice error = span_error(span);
	char *p = slice_put(buf, name);

	if (span->status) {
		*p++ = ' ';
		p = put_decimal(p, (uint64_t)span->status);
	}
	if (error.len) {
		*p++ = ' ';
		p = slice_put(p, error);
	}
	p = put_ms(slice_put(p, SLICE(" in ")), span->end_ns - span->start_ns);
	p = slice_put(p, SLICE(" ms"));
	return (struct slice){ buf, (size_t)(p - buf) };
}

static struct slice level(const struct span *span)
{
	return span_failed(span) ? SLICE("error") : span->status >= 400 ? SLICE("warn") : SLICE("info");
}

/* Names of the OpenTelemetry semantic conventions for databases, flat. */
static void database_fields(struct json *j, const struct span *span)
{
	json_string(j, "db_system_name", slice_of(span->db_system));
	text_field(j, "db_namespace", span, TEXT_NAMESPACE);
	text_field(j, "db_operation_name", span, TEXT_METHOD);
	text_field(j, "db_collection_name", span, TEXT_COLLECTION);
	text_field(j, "db_query_summary", span, TEXT_SUMMARY);
	text_field(j, "db_query_text", span, TEXT_STATEMENT);
	text_field(j, "db_response_status_code", span, TEXT_STATUS_CODE);
	if (span->has_rows)
		json_number(j, "db_rows", span->rows);
	if (span_text(span, TEXT_DESTINATION).len) {
		json_string(j, "messaging_system", slice_of(span->db_system));
		text_field(j, "messaging_destination_name", span, TEXT_DESTINATION);
	}
}

static void http_fields(struct json *j, const struct span *span)
{
	text_field(j, "method", span, TEXT_METHOD);
	text_field(j, "path", span, TEXT_PATH);
	text_field(j, "query", span, TEXT_QUERY);
	text_field(j, "route", span, TEXT_ROUTE);
	text_field(j, "host", span, TEXT_HOST);
	if (span->status)
		json_number(j, "status", (uint64_t)span->status);
}

static void address_field(struct json *j, const char *name, const struct span *span, const struct address *a)
{
	char text[SPAN_ADDRESS_MAX];
	struct slice s = span_address(span, a, text);

	if (s.len)
		json_string(j, name, s);
}

static void attribute_field(struct json *j, const struct span *span, const struct attribute *a)
{
	switch (a->type) {
	case ATTRIBUTE_INTEGER:
		json_signed(j, a->name, a->integer);
		break;
	case ATTRIBUTE_DOUBLE:
		json_double(j, a->name, a->number);
		break;
	case ATTRIBUTE_BOOL:
		json_bool(j, a->name, a->truth);
		break;
	case ATTRIBUTE_TEXT:
		json_string(j, a->name, span_attribute_text(span, a));
		break;
	}
}

static void attributes_field(struct json *j, const struct span *span)
{
	if (!json_open(j, "attributes"))
		return;
	if (span->function)
		json_string(j, "code.function.name", slice_of(span->function));
	for (int i = 0; i < span->attributes_len; i++)
		attribute_field(j, span, &span->attributes[i]);
	json_close(j);
}

size_t span_json(const struct span *span, struct wall *wall, char *buf, size_t size)
{
	char text[SPAN_NAME_MAX + 160], name_text[SPAN_NAME_MAX];
	struct slice name = span_name(span, name_text);
	struct json j;

	json_begin(&j, buf, size);
	json_string(&j, "timestamp", (struct slice){ wall_text(wall, span->end_ns), WALL_TEXT_LEN });
	json_string(&j, "level", level(span));
	json_string(&j, "message", message(span, name, text));
	if (span->process) {
		json_string(&j, "service", slice_of(span->process->service));
		json_string(&j, "command", slice_of(span->process->command));
	}
	json_string(&j, "kind", slice_of(span_kind_name(span->kind)));
	json_string(&j, "name", name);
	json_hex(&j, "trace_id", span->trace_id, 16);
	json_hex(&j, "span_id", span->span_id, 8);
	if (span->has_parent)
		json_hex(&j, "parent_span_id", span->parent_id, 8);
	json_string(&j, "evidence", slice_of(evidence_name(span->evidence)));
	if (span->contradicted)
		json_bool(&j, "contradicted", true);
	text_field(&j, "request_id", span, TEXT_REQUEST_ID);
	text_field(&j, "tracestate", span, TEXT_TRACESTATE);
	json_string(&j, "protocol", slice_of(span->protocol));
	if (span->db_system)
		database_fields(&j, span);
	else
		http_fields(&j, span);
	if (span_error(span).len)
		json_string(&j, "error_type", span_error(span));
	json_ms(&j, "duration_ms", span->end_ns - span->start_ns);
	if (span->first_byte_ns > span->start_ns)
		json_ms(&j, "ttfb_ms", span->first_byte_ns - span->start_ns);
	if (span->kind != SPAN_INTERNAL) {
		json_number(&j, "request_bytes", span->request_len);
		json_number(&j, "response_bytes", span->response_len);
	}
	address_field(&j, "peer", span, &span->peer);
	address_field(&j, "local", span, &span->local);
	text_field(&j, "peer_service", span, TEXT_PEER_SERVICE);
	text_field(&j, "user_agent", span, TEXT_USER_AGENT);
	attributes_field(&j, span);
	json_number(&j, "pid", span->pid);
	json_number(&j, "tid", span->tid);
	if (span->incomplete)
		json_bool(&j, "incomplete", true);
	if (span->truncated)
		json_bool(&j, "truncated", true);
	if (span->sampled)
		json_number(&j, "adjusted_count", SAMPLED_ONE_OF);
	if (span->orphan)
		json_bool(&j, "orphan", true);
	if (span->losses)
		json_bool(&j, "losses", true);
	return json_end(&j);
}
