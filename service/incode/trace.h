/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing of the program from its own code, as an OpenTelemetry SDK does it: spans with attributes, the W3C
 * trace context taken and sent, OTLP JSON lines in the file that TRACE_FILE names. Without that variable
 * nothing is traced.
 *
 * A span belongs to one thread at a time. Its memory is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_kind { /* numbers of OTLP's SpanKind */
		  TRACE_INTERNAL = 1,
		  TRACE_SERVER = 2,
		  TRACE_CLIENT = 3,
};

enum { TRACEPARENT_LEN = 55, TRACE_NAME_MAX = 128, TRACE_ATTRIBUTES_MAX = 2560 };

struct trace_span {
	uint8_t trace_id[16], id[8], parent_id[8];
	bool has_parent, sampled, failed;
	enum trace_kind kind;
	uint64_t start_ns;      /* CLOCK_REALTIME */
	uint64_t start_mono_ns; /* CLOCK_MONOTONIC: what durations are measured with */
	uint64_t end_ns;        /* 0: not yet */
	char name[TRACE_NAME_MAX];
	char attributes[TRACE_ATTRIBUTES_MAX]; /* JSON: {"key":...},... */
	size_t attributes_len;
	unsigned int dropped;             /* attributes that had no room */
	const char *tracestate, *baggage; /* to be passed on; NULL: none */
	struct trace_span *outer;         /* the thread's current span before this one */
};

/* Whether anything is traced. */
bool trace_on(void);

/* The calling thread's current span, NULL outside of all. */
struct trace_span *trace_current(void);
void trace_set_current(struct trace_span *span);

/* Starts a span below the thread's current one, or a trace; it becomes the current one. */
void trace_begin(struct trace_span *span, enum trace_kind kind, const char *name);

/* What was done for the span until now is not part of it. */
void trace_restart(struct trace_span *span);

/* Its time is over; attributes may follow before trace_end(), which does this when nobody has. */
void trace_stop(struct trace_span *span);

/* Ends it: it is handed to the writer, and the one before it is current again if it was current. */
void trace_end(struct trace_span *span);

/* Makes the span a child of the caller's, whose traceparent (NULL: none) came with the request. */
void trace_continue(struct trace_span *span, const char *traceparent);

/* The value of the header to send on behalf of the span. */
void trace_parent_text(const struct trace_span *span, char ret[static TRACEPARENT_LEN + 1]);

/* thread.id of the calling thread. */
void trace_thread(struct trace_span *span);

/* Lower-case digits, terminated. */
void trace_hex(char *to, const uint8_t *bytes, size_t len);

/* A NULL text is no attribute. */
void trace_text(struct trace_span *span, const char *key, const char *value);
void trace_integer(struct trace_span *span, const char *key, int64_t value);
void trace_real(struct trace_span *span, const char *key, double value);

/* "127.0.0.1:80" or "host" → address and port under the two keys. */
void trace_endpoint(struct trace_span *span, const char *address_key, const char *port_key,
		    const char *endpoint, size_t len);
