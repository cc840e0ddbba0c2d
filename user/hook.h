/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF programs: what the kernel offers for them, loading, attaching, and the maps they are steered by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "hooks/plan.h"
#include "hooks/runtime.h"
#include "hooks/sqlite_probes.h"
#include "usage.h"

/*
 * Loads and attaches. Logs one line and returns -errno when it cannot: -EPERM without privileges, -ENOTSUP
 * when the kernel lacks something that is required, else what libbpf said.
 */
int hook_open(const struct config *config);

/* Detaches and unloads everything; nothing of ours stays in the kernel. */
void hook_close(void);

/* How much is seen from now on; before the first time nothing is captured. */
void hook_limit(const struct limits *limits);

/* Detaches: no new event will come; those in the ring stay readable. */
void hook_detach(void);

int hook_ring_fd(void);

/* How functions are traced, with a configuration that has some; logs and returns NULL when they cannot be. */
const struct plan_kernel *hook_functions(void);

/* What is put on SQLite's functions, with a configuration that wants it. */
void hook_sqlite(struct sqlite_programs *ret_programs);

/* What is put on a runtime, with a configuration that wants it. */
void hook_runtime(enum runtime runtime, struct runtime_kernel *ret_kernel);

/* Makes pid a target whose events are held back until hook_start(). Returns 0 or -errno. */
int hook_add(uint32_t pid);

/* Stops tracing pid, unless it listens on a port that was asked for. */
void hook_remove(uint32_t pid);

/* Has every byte of the socket (a cookie) captured, up to a limit for each turn of a direction. */
void hook_capture_whole(uint64_t sock);

/* Announces the targets' open sockets, then lets all targets' events flow. Returns 0 or -errno. */
int hook_start(void);

/* What the programs take, for the governor. */
extern const struct usage_kernel hook_usage;

/* Adds what the programs dropped since the last call to drops[]. */
void hook_read_counters(void);

/* Writes what this kernel offers and what is missing. Returns 0 when Spanhook can run, else -ENOTSUP or
 * -EPERM. */
int hook_check(FILE *out, bool json);
