/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of messages, kept from their first byte until their span is counted: only those that a rule reads,
 * no more than --body-limit of each, and so many at a time. They are in no output. Hot path, but for init and
 * fini.
 */
#pragma once

#include "config.h"
#include "parser.h"
#include "work.h"

struct body {
	uint32_t len;
	bool cut;     /* bytes of it are missing */
	bool encoded; /* MESSAGE_ENCODED */
	bool ended;   /* its end was seen */
	char bytes[]; /* without framing */
};

/* Reserves room if rules read bodies. Returns 0 or -ENOMEM. */
int bodies_init(const struct config *config);
void bodies_fini(void);

/* Whether bodies that begin from now on are kept. Not for the hot path. */
void bodies_keep(bool keep);

/* Gives memory back while no body is kept. Not for the hot path. */
void bodies_trim(void);

/* A message begins, of which the span tells what it is: its body is kept if a rule reads it. */
void body_begin(struct work *w, enum flow flow, unsigned flags);

/* The next len bytes; NULL: they were not seen. */
void body_add(struct work *w, enum flow flow, const char *bytes, uint64_t len);

/* The message is complete. lost: as far as can be told. */
void body_end(struct work *w, enum flow flow, bool lost);

/* Forgets what is kept of the messages. */
void bodies_release(struct work *w);
