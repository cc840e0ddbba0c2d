/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of Python (PEP 567). An asyncio task works in a context of its own, a copy of the one of whoever
 * created it. The context in which a request is answered shows for whom those that were copied from it have
 * worked: what tracing in code concludes, too, which keeps the current span in the context. Hot path, but for
 * contexts_init() and contexts_fini().
 */
#pragma once

#include "../bpf/event.h"
#include "work.h"

/* Reserves room. Returns 0 or -ENOMEM. */
int contexts_init(void);
void contexts_fini(void);

/* A context is made known. */
void context_event(const struct event_context *e);

/* Keeps a call until somebody is answered in its context, or in one that that is a copy of. Returns whether
 * it does.
 */
bool context_hold(struct work *call);

/* Is what the connection's thread did last known to be done in a context? */
bool context_is_known(const struct conn *conn);

/* The connection's thread begins to send the answer to request r: decides what was held for that. */
void context_answer(struct work *r, uint64_t now_ns);

/* Takes a call that has waited long enough from where it is held, without a parent. */
void context_expire(struct work *call);
