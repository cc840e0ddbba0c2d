/* SPDX-License-Identifier: Apache-2.0 */
/* Turns the bytes of one direction of a connection, gaps included, into the parser's steps. Hot path. */
#pragma once

#include "conn.h"

/* Reserves the reassembly buffers. Returns 0 or -ENOMEM. */
int streams_init(uint32_t buffers);
void streams_fini(void);

/* Gives memory back while no buffer is in use. Not for the hot path. */
void streams_trim(void);

/*
 * len bytes from position pos moved at time now_ns: the first ones are head, the last ones tail, what
 * lies between was not captured. The protocol must be known.
 */
void stream_data(struct conn *c, unsigned dir, uint32_t pos, uint32_t len, struct slice head,
		 struct slice tail, uint64_t now_ns);

/* n bytes that should have come did not: an event was lost. */
void stream_gap(struct conn *c, unsigned dir, uint32_t n, uint64_t now_ns);

/* No more bytes will come in this direction. */
void stream_end(struct conn *c, unsigned dir, uint64_t now_ns);

/* The message in progress has ended although its end was not seen (its framing was lost). */
void stream_finish_lost(struct conn *c, unsigned dir);

/* Keeps the start of a connection whose protocol is not sure yet. Returns the bytes kept so far. */
struct slice stream_keep(struct stream *s, struct slice bytes);

/* Returns what the stream holds. */
void stream_release(struct stream *s);
