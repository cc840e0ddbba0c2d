/* SPDX-License-Identifier: Apache-2.0 */
/* The traces that are kept, as JSON, a piece at a time. Any thread. */
#pragma once

#include <stddef.h>

#include "base/wall.h"
#include "span_json.h"

/* Which traces are asked for; zeroed: all. */
struct trace_filter {
	uint32_t limit; /* 0: none */
	uint64_t min_duration_ns;
	bool failed; /* only those of which a span has */
	char service[64];
	bool one; /* only the one with this id, as an object of its own */
	uint8_t id[16];
};

/*
 * Takes limit, service, min_duration_ms or status out of a query. Returns 0, -ENOENT when the name is none of
 * them, -EINVAL when the value is none of its.
 */
int trace_filter_take(struct trace_filter *filter, const char *name, const char *value);

/* 32 hexadecimal digits. Returns 0 or -EINVAL. */
int trace_filter_take_id(struct trace_filter *filter, const char *id);

/* How far a page was written. */
struct trace_page {
	struct trace_filter filter;
	struct wall wall;
	enum {
		PAGE_START,
		PAGE_SPANS, /* of a trace */
		PAGE_END,
	} state;
	uint64_t next;       /* number of the part that is to be looked at next; 0: none */
	uint64_t first;      /* part of the trace that is being written ... */
	uint64_t part;       /* ... and the part that is; 0: none */
	uint64_t at;         /* its next span */
	uint32_t traces;     /* begun */
	uint32_t spans;      /* of this trace that were written ... */
	uint32_t spans_left; /* ... and are still to be: those that are evicted before are missing */
	uint32_t missing;
};

/* False: there is no trace with the id that is asked for. */
bool trace_page_begin(struct trace_page *page, const struct trace_filter *filter);

#define TRACE_PAGE_PART_MAX (SPAN_JSON_MAX + 1024)

/* Writes the next piece to buf, which has room for TRACE_PAGE_PART_MAX bytes. Returns its length, 0 at the
 * end. */
size_t trace_page_read(struct trace_page *page, char *buf);
