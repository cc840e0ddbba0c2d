/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracer itself takes, against its budgets. Not for the hot path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

enum budget {
	BUDGET_CPU,        /* percent of a core, of the agent */
	BUDGET_TARGET_CPU, /* percent of a core, of our programs in the process that they cost most */
	BUDGET_MEMORY,     /* MiB, of the agent and of its maps in the kernel */
	BUDGETS,
};

/* Where figures of the kernel's side come from. */
struct usage_kernel {
	/* The programs' time so far, which passes only while statistics are on, and the events that they had
	 * to send by then. */
	void (*run)(uint64_t *ret_run_ns, uint64_t *ret_events);
	uint64_t (*map_bytes)(void); /* but for the ring, which is part of the agent's own memory */
	int (*statistics)(void);     /* a descriptor while which is open they are on, or -errno */
};

/* The configuration is borrowed. */
void usage_init(const struct config *config, const struct usage_kernel *kernel);

/*
 * Call it after each round. Returns whether a period is over, which is a second or longer if nothing happens;
 * *ret_elapsed_s is how long it was. Figures are those of the last period.
 */
bool usage_tick(uint64_t now_ns, double *ret_elapsed_s);

/* The fullest budget's share that is used; 0 when there is none. */
double usage_load(void);

/* Any thread: what is used as a share of its budget; a negative number when there is no budget. */
double usage_ratio(enum budget budget);

/* "cpu", ... */
const char *budget_name(enum budget budget);

/* What the fullest budget says, for people. */
void usage_text(char *buf, size_t size);
