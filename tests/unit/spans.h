/* SPDX-License-Identifier: Apache-2.0 */
/* Finished spans to hand to metrics, exporters and the summary. */
#pragma once

#include "check.h"

#include "span.h"
#include "stats.h"
#include "target.h"
#include "work.h"

#define MS_NS 1000000ULL

static struct process spans_process = {
	.pid = 77, .refs = 1, .command = "orderd", .service = "order-service"
};

static inline void set_text(struct span *span, enum span_text which, const char *text)
{
	span_set_text(span, which, slice_of(text));
}

/* Writes what the spine would; the id is a number. */
static inline void span_fill(struct span *span, enum span_kind kind, const char *path, int status,
			     uint64_t id)
{
	span->kind = kind;
	span->protocol = "http";
	span->process = &spans_process;
	process_ref(&spans_process);
	span->pid = 77;
	span->tid = 78;
	span->status = status;
	span->start_ns = 1000 * MS_NS;
	span->first_byte_ns = span->start_ns + MS_NS;
	span->end_ns = span->start_ns + 2 * MS_NS;
	span->local = (struct address){ AF_INET, 8080, { 127, 0, 0, 1 } };
	span->peer = (struct address){ AF_INET, 9000, { 10, 0, 0, 2 } };
	memset(span->trace_id, 0xab, sizeof(span->trace_id));
	memcpy(span->span_id, &id, sizeof(id));
	set_text(span, TEXT_METHOD, "GET");
	set_text(span, TEXT_PATH, path);
	set_text(span, TEXT_ROUTE, path);
}

/* From the pool, with one reference; work_init() comes before. */
static inline struct span *span_make(enum span_kind kind, const char *path, int status, uint64_t id)
{
	struct work *w = work_new();

	assert_non_null(w);
	span_fill(&w->span, kind, path, status, id);
	return &w->span;
}

static inline void span_set_parent(struct span *span, const struct span *parent, enum evidence evidence)
{
	span->has_parent = span->parent_local = true;
	span->evidence = evidence;
	memcpy(span->parent_id, parent->span_id, sizeof(span->parent_id));
}
