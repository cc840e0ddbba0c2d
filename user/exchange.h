/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs requests with responses, for every protocol: by key, or in order. Hot path. */
#pragma once

#include "conn.h"
#include "work.h"

/* A message starts on stream s of the connection: the request is made or the response found its request. */
void exchange_begin(struct conn *c, unsigned dir, const struct message *m);

/* What a step of a message says beyond its beginning: the outcome of a response, the connection's namespace
 * and system.
 */
void exchange_result(struct conn *c, unsigned dir, const struct message *m);

/* n body bytes of the stream's message in progress moved; NULL: what they are was not seen. */
void exchange_body(struct stream *s, enum flow flow, const char *bytes, uint64_t n);

/* The stream's message in progress is complete; its last byte moved at end_ns. */
void exchange_end(struct conn *c, unsigned dir, uint64_t end_ns);

/*
 * Bytes of the direction that may hold whole messages will not be parsed; its stream's state is that before
 * them. unseen: they were in events that were lost, so that the other side may have answered since.
 */
void exchange_lost(struct conn *c, unsigned dir, bool unseen);

/* Every unanswered request ends now, with this error (a static string; NULL: it only stays incomplete). */
void exchange_fail(struct conn *c, const char *error_type, uint64_t now_ns);

/* A connection that could not be made: a client span of its own. */
void exchange_connect_failed(struct conn *c, const char *error_type, uint64_t now_ns);

/* What the parser must know of the request that the next response answers; 0: none. */
uint8_t exchange_hint(const struct conn *c);
