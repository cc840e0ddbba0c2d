/* SPDX-License-Identifier: Apache-2.0 */
/* What requests and responses say of themselves, put into their span. Hot path. */
#pragma once

#include "config.h"
#include "conn.h"

/* Reserves room. Returns 0 or -ENOMEM. */
int requests_init(const struct config *config);
void requests_fini(void);

/* Whose span it is, and the two ends of its connection. */
void request_place(struct span *span, const struct conn *c);

/* What the request asks for. */
void request_describe(struct span *span, const struct conn *c, const struct message *m);

/* What a step of the response says of its outcome. */
void request_result(struct span *span, const struct conn *c, const struct message *m);

/* An embedded database executes the first of the statements in text; empty: not known. */
void request_embedded(struct span *span, struct slice text);
