/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local struct trace_span *current;

bool trace_on(void)
{
	return otlp_open();
}

struct trace_span *trace_current(void)
{
	return current;
}

void trace_set_current(struct trace_span *span)
{
	current = span;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood 2014), seeded by the kernel for each thread. */
static uint64_t draw(void)
{
	static _Thread_local uint64_t state;
	uint64_t z;

	while (!state)
		if (getrandom(&state, sizeof(state), 0) != sizeof(state))
			state = now_ns(CLOCK_MONOTONIC) ^ (uintptr_t)&state;
	z = state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) | 1; /* an id is not all zeros */
}

static void draw_id(uint8_t *id, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = draw();

		memcpy(id + at, &word, sizeof(word));
	}
}

void trace_begin(struct trace_span *span, enum trace_kind kind, const char *name)
{
	struct trace_span *outer = current;

	memset(span, 0, offsetof(struct trace_span, name));
	span->kind = kind;
	span->sampled = true;
	span->attributes_len = 0;
	span->dropped = 0;
	span->tracestate = span->baggage = NULL;
	snprintf(span->name, sizeof(span->name), "%s", name);
	draw_id(span->id, sizeof(span->id));
	if (outer) {
		memcpy(span->trace_id, outer->trace_id, sizeof(span->trace_id));
		memcpy(span->parent_id, outer->id, sizeof(span->parent_id));
		span->has_parent = true;
		span->sampled = outer->sampled;
		span->tracestate = outer->tracestate;
		span->baggage = outer->baggage;
	} else {
		draw_id(span->trace_id, sizeof(span->trace_id));
	}
	span->outer = outer;
	current = span;
	trace_restart(span);
}

void trace_restart(struct trace_span *span)
{
	span->start_ns = now_ns(CLOCK_REALTIME);
	span->start_mono_ns = now_ns(CLOCK_MONOTONIC);
}

void trace_stop(struct trace_span *span)
{
	if (!span->end_ns)
		span->end_ns = span->start_ns + now_ns(CLOCK_MONOTONIC) - span->start_mono_ns;
}

void trace_end(struct trace_span *span)
{
	trace_stop(span);
	if (current == span)
		current = span->outer;
	if (span->sampled)
		otlp_add(span);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *bytes, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
		any |= bytes[i];
	}
	return any;
}

/* W3C Trace Context, section 3.2.2: 00-<trace id>-<parent id>-<flags>. */
void trace_continue(struct trace_span *span, const char *traceparent)
{
	uint8_t trace_id[16], parent_id[8];
	size_t len = traceparent ? strlen(traceparent) : 0;
	int flags;

	if (len < TRACEPARENT_LEN || strncmp(traceparent, "ff", 2) == 0 || traceparent[2] != '-' ||
	    traceparent[35] != '-' || traceparent[52] != '-' ||
	    (strncmp(traceparent, "00", 2) == 0 && len != TRACEPARENT_LEN))
		return;
	flags = hex_value(traceparent[54]);
	if (flags < 0 || !read_hex(traceparent + 3, trace_id, 16) ||
	    !read_hex(traceparent + 36, parent_id, 8))
		return;
	memcpy(span->trace_id, trace_id, sizeof(trace_id));
	memcpy(span->parent_id, parent_id, sizeof(parent_id));
	span->has_parent = true;
	span->sampled = flags & 1;
}

void trace_hex(char *to, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	*to = '\0';
}

void trace_parent_text(const struct trace_span *span, char ret[static TRACEPARENT_LEN + 1])
{
	char trace_id[33], id[17];

	trace_hex(trace_id, span->trace_id, sizeof(span->trace_id));
	trace_hex(id, span->id, sizeof(span->id));
	snprintf(ret, TRACEPARENT_LEN + 1, "00-%s-%s-%02x", trace_id, id, span->sampled);
}

static void add(struct trace_span *span, const char *key, const char *type, const char *value)
{
	size_t room = sizeof(span->attributes) - span->attributes_len;
	int len = snprintf(span->attributes + span->attributes_len, room,
			   "%s{\"key\":\"%s\",\"value\":{\"%s\":%s}}", span->attributes_len ? "," : "", key,
			   type, value);

	if ((size_t)len < room)
		span->attributes_len += (size_t)len;
	else
		span->dropped++;
}

void trace_text(struct trace_span *span, const char *key, const char *value)
{
	char quoted[1024];
	size_t len;

	if (!value)
		return;
	len = otlp_escape(quoted + 1, sizeof(quoted) - 3, value);
	if (!len && *value) {
		span->dropped++;
		return;
	}
	quoted[0] = quoted[len + 1] = '"';
	quoted[len + 2] = '\0';
	add(span, key, "stringValue", quoted);
}

void trace_integer(struct trace_span *span, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "\"%" PRId64 "\"", value);
	add(span, key, "intValue", text);
}

void trace_real(struct trace_span *span, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.15g", value);
	add(span, key, "doubleValue", text);
}

void trace_thread(struct trace_span *span)
{
	static _Thread_local int64_t tid;

	if (!tid)
		tid = syscall(SYS_gettid);
	trace_integer(span, "thread.id", tid);
}

void trace_endpoint(struct trace_span *span, const char *address_key, const char *port_key,
		    const char *endpoint, size_t len)
{
	const char *colon = memrchr(endpoint, ':', len), *bracket = memchr(endpoint, ']', len);
	char address[256];
	int port = 0;

	if (colon && (!bracket || colon > bracket))
		for (const char *p = colon + 1; p < endpoint + len && *p >= '0' && *p <= '9' && port < 65536;
		     p++)
			port = 10 * port + *p - '0';
	snprintf(address, sizeof(address), "%.*s", (int)(port ? colon - endpoint : (ptrdiff_t)len), endpoint);
	trace_text(span, address_key, address);
	if (port)
		trace_integer(span, port_key, port);
}
