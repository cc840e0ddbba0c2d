/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts finished spans together to traces, for whoever wants them whole. A trace is handed over when the span
 * on top of it has ended; what is below a span that has not come within TRACE_WAIT_NS goes without it, as an
 * orphan. All memory is reserved at the start. One thread only.
 */
#pragma once

#include "span.h"

#define TRACE_WAIT_NS   2000000000ULL
#define TRACE_SPANS_MAX 1024 /* that wait for the top of a trace; those beyond are counted */

struct trace_node {
	struct span *span;
	struct trace_node *child; /* in the order in which they began */
	struct trace_node *next;  /* with the same parent */
};

/* What is above the top. */
enum trace_top {
	TRACE_ROOT,   /* no span of ours, as far as is known */
	TRACE_LATE,   /* a span that was handed over before */
	TRACE_ORPHAN, /* a span of ours that has not come: it is not over, or was lost */
};

struct trace {
	const struct trace_node *top;
	enum trace_top above;
	uint32_t missing; /* spans that were beyond the limit */
	bool losses;      /* something was lost while it was open: spans may be missing */
};

/* Borrows the trace for the call; span_ref() to keep a span longer. */
typedef void (*trace_sink)(void *ctx, const struct trace *trace);

struct traces;

/* Reserves room for spans_max spans that wait; the oldest do not when more come. Returns 0 or -ENOMEM. */
int traces_new(uint32_t spans_max, trace_sink sink, void *ctx, struct traces **ret);

/* Drops what waits. */
void traces_free(struct traces *t);

/* Takes a reference to a span that waits. now_ns: CLOCK_MONOTONIC. */
void traces_add(struct traces *t, struct span *span, uint64_t now_ns);

/* Hands over what has waited for long enough; UINT64_MAX: all. */
void traces_tick(struct traces *t, uint64_t now_ns);

/* How many spans wait. */
size_t traces_waiting(const struct traces *t);

/* Spans that ended at end_ns or before were dropped on their way here. */
void traces_lost(struct traces *t, uint64_t end_ns);
