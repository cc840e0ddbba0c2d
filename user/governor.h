/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the tracer within the budgets that it was given. Over one of them it steps down, one step after the
 * other, each giving up a bit more; well under all of them it takes the steps back, the last one first. Not
 * for the hot path.
 */
#pragma once

#include "config.h"
#include "usage.h"

struct limits;

/* When to step. Figures come as a load: what is used as a share of its budget, of the fullest one. */
struct governor {
	uint32_t level, levels; /* steps that are taken, and that there are */
	double over_s, under_s; /* for how long in a row */
	double patience_s;      /* how long it has to be well under before a step is taken back */
	bool risen;             /* a step was taken back, and may turn out to be needed ... */
	double held_s;          /* ... for so long */
};

void governor_reset(struct governor *g, uint32_t levels);

/*
 * elapsed_s more have passed with this load. Returns 1: take the next step down, -1: take the last one back,
 * or 0; the level is changed already.
 */
int governor_decide(struct governor *g, double load, double elapsed_s);

/* What steps do to the kernel. */
struct governor_kernel {
	void (*limit)(const struct limits *limits);
	void (*functions)(bool traced, uint64_t now_ns);
	struct usage_kernel usage;
};

/* Everything is seen from here on. The configuration is borrowed. */
void governor_start(const struct config *config, const struct governor_kernel *kernel);

/* Looks at what is used, and steps: call it after each round. */
void governor_tick(uint64_t now_ns);

/* Any thread: the steps in their order, with how often each was taken and taken back; NULL beyond the last.
 */
const char *governor_step(uint32_t i, uint64_t *ret_down, uint64_t *ret_up);

/* Any thread: the share of connections that is followed. */
double governor_sampling_ratio(void);
