/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From causes to parents. A span gets a parent only when what was seen proves it: the W3C header of its
 * request, the other end of its own connection, or the one request that its thread was working on.
 * Everything else is "unknown". Hot path but for links_flush().
 */
#pragma once

#include "work.h"

/* Reserves room for max spans in flight. Returns 0 or -ENOMEM. */
int links_init(uint32_t max);
void links_fini(void);

/* A request's head was seen; its conn is set. traceparent: the header's value, empty when absent. */
void link_request(struct work *w, struct slice traceparent);

/* The span is complete. Takes over the caller's reference. */
void link_finish(struct work *w);

/* Gives up waiting for the other ends of connections that are due. Returns whether any still waits. */
bool links_tick(uint64_t now_ns);

/*
 * Hands every span whose trace is settled to sink, which borrows it. With now_ns = UINT64_MAX in
 * links_tick() before it, nothing stays behind.
 */
void links_flush(void (*sink)(struct span *span));

/*
 * Parses the value of a W3C traceparent header (Trace Context level 1, section 3.2.2). Returns 0 and both
 * ids, or -EINVAL.
 */
int traceparent_parse(struct slice value, uint8_t ret_trace_id[16], uint8_t ret_span_id[8]);
