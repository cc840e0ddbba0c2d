/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what is read of a request's headers. The lines of the input: the names for --baggage; baggage,
 * traceparent, tracestate; then method, target, Host, User-Agent, X-Request-ID. The span has a line of JSON
 * whatever they say.
 */
#include "fuzz.h"

#include <cjson/cJSON.h>

#include "baggage.h"
#include "request.h"
#include "span_json.h"
#include "traceparent.h"

static void check_traceparent(struct slice header)
{
	uint8_t trace_id[16], span_id[8];
	char again[56] = "";
	size_t len = 0;

	if (traceparent_parse(header, trace_id, span_id))
		return;
	for (size_t i = 0; i < 16; i++)
		len += (size_t)sprintf(again + len, "%02x", trace_id[i]);
	again[len++] = '-';
	for (size_t i = 0; i < 8; i++)
		len += (size_t)sprintf(again + len, "%02x", span_id[i]);
	HOLD(header.len >= 55 && memcmp(header.p + 3, again, len) == 0);
	HOLD(memcmp(again, "00000000000000000000000000000000", 32) != 0);
	HOLD(memcmp(again + 33, "0000000000000000", 16) != 0);
}

static void check_json(const struct span *span)
{
	static struct wall wall;
	static char line[SPAN_JSON_MAX];
	size_t len = span_json(span, &wall, line, sizeof(line));
	cJSON *object = cJSON_ParseWithLength(line, len);

	HOLD(cJSON_IsObject(object) && line[len - 1] == '\n');
	HOLD(fuzz_is_utf8((struct slice){ line, len - 1 }));
	HOLD(cJSON_GetArraySize(cJSON_GetObjectItem(object, "attributes")) == span->attributes_len);
	cJSON_Delete(object);
}

/* Only what its length says is set, as work_new() leaves it. */
static struct span *new_span(void)
{
	struct span *span = malloc(sizeof(*span));

	HOLD(span);
	memset(span, 0, offsetof(struct span, attributes));
	return span;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct parser http = { .name = "http" };
	static const struct conn conn = { .parser = &http };
	struct slice rest = { (const char *)data, size };
	char *names = fuzz_string(fuzz_line(&rest)), *headers = fuzz_copy(rest);
	struct span *span = new_span();
	struct message m = { 0 };

	rest.p = headers;
	baggage_select(names);
	m.baggage = fuzz_line(&rest);
	m.traceparent = fuzz_line(&rest);
	m.tracestate = fuzz_line(&rest);
	m.method = fuzz_line(&rest);
	m.target = fuzz_line(&rest);
	m.host = fuzz_line(&rest);
	m.user_agent = fuzz_line(&rest);
	m.request_id = rest;
	check_traceparent(m.traceparent);
	span->protocol = conn.parser->name;
	request_describe(span, &conn, &m);
	check_json(span);
	free(span);
	free(headers);
	free(names);
	return 0;
}
