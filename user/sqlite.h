/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that SQLite executes in traced processes → client spans, below the function or the request that
 * their thread works for. Hot path but for what is said to be none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/event.h"

/* Reserves room; not for the hot path. Returns 0 or -ENOMEM. */
int sqlite_init(void);
void sqlite_fini(void);

/* The first row or the end of an execution. Returns false when there was no use for it, which is counted. */
bool sqlite_event(const struct event_sql *e);

/* Ends the executions of processes that have ended. */
void sqlite_tick(void);

/* Nothing more will be seen: ends every execution, as incomplete. */
void sqlite_end(uint64_t now_ns);
