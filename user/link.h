/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From causes to parents. A span gets a parent only when what was seen proves it: the W3C header of its
 * request, the other end of its own connection, an id that both requests carry, the request that its thread
 * works for, or the one that its thread answers next. Everything else is "unknown". Hot path.
 */
#pragma once

#include "settle.h"

/* Reserves room for max spans in flight. Returns 0 or -ENOMEM. */
int links_init(uint32_t max);
void links_fini(void);

/* A request's head was seen; its conn is set. traceparent: the header's value, empty when absent. */
void link_request(struct work *w, struct slice traceparent);

/* A function is called: by another one or for a request, its parent. NULL: that is not proven. */
void link_call(struct work *w, struct work *parent, enum evidence evidence);

/* Thread tid begins to send the response of request r. */
void link_answer(struct work *r, uint32_t tid, uint64_t now_ns);

/* The answer to call w begins to come in. */
void link_answered(struct work *w);

/* The connection's thread begins to connect. */
void link_connect(struct conn *c);

/* The span is complete. Takes over the caller's reference. */
void link_finish(struct work *w);

/* Gives up waiting for the other ends of connections that are due. Returns whether any still waits. */
bool links_tick(uint64_t now_ns);
