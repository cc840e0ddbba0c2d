/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traces that ended last, in memory that is reserved at the start and touched as far as it is used. What
 * comes late of a trace is a further part of it. One thread adds; whoever reads holds the lock.
 */
#pragma once

#include "base/wall.h"
#include "target.h"
#include "trace.h"

#define TRACE_STORE_LEN 4096 /* bytes, for each trace that may be kept */

/* Keeps up to traces_max parts, as far as they fit in that memory; 0: none. Returns 0 or -ENOMEM. */
int trace_store_init(uint32_t traces_max);
void trace_store_fini(void);

/* Are traces kept? */
bool trace_store_is_on(void);

/* Keeps a copy; what ended first makes room. Takes the lock. */
void trace_store_add(const struct trace *trace, const struct wall *wall);

void trace_store_lock(void);
void trace_store_unlock(void);

/* What follows is for those who hold the lock, and valid as long as they do. */

struct trace_part {
	uint8_t trace_id[16];
	uint64_t start_ns, end_ns; /* of the first and the last span, CLOCK_MONOTONIC ... */
	uint64_t wall_offset_ns;   /* ... and what makes wall-clock times of them */
	uint64_t earlier, later;   /* numbers of the neighbouring parts of its trace; 0: none is kept */
	uint64_t at, end;          /* of its spans */
	uint32_t spans_len;
	uint32_t missing; /* spans that were beyond a limit */
	bool failed;      /* one of its spans has */
	bool losses;
};

/* The number of the latest part; they count up from 1. 0: there is none yet. */
uint64_t trace_part_latest(void);

/* NULL: it is not kept any more. */
const struct trace_part *trace_part(uint64_t number);

/* The first kept part of a trace; 0: there is none. */
uint64_t trace_part_find(const uint8_t trace_id[16]);

/* The part's span at *at, and moves that to the next one; NULL at its end. It lacks texts, attributes and its
 * process: trace_part_copy() has them. */
const struct span *trace_part_next(const struct trace_part *part, uint64_t *at);

/* A span with all that it points to. */
struct trace_copy {
	struct span span;
	struct process process;
};

/* Of a span that trace_part_next() gave; for whoever wants to keep it. */
void trace_part_copy(const struct span *span, struct trace_copy *ret_copy);
