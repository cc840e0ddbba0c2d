/* SPDX-License-Identifier: Apache-2.0 */
#include "governor.h"

#include <stdatomic.h>
#include <stdio.h>

#include "../bpf/event.h"
#include "base/log.h"
#include "body.h"
#include "rule.h"
#include "stats.h"
#include "stream.h"

#define DOWN_S         3.0 /* over a budget for so long: a step down */
#define PATIENCE_S     10.0
#define PATIENCE_MAX_S 600.0
#define HELD_S         60.0 /* a step that is not needed again for so long was taken back for good */
#define WELL_UNDER     0.6  /* of a budget: below, what was given up may come back */

#define LEAD_LEN 1024 /* room for a head */
#define LINE_LEN 256  /* ... for its first line */

/* What is given up, in this order: detail first, last what nothing else can tell. */
enum { BODIES, HEADS, CONNECTIONS, FUNCTIONS, STEPS };

static const struct config *config;
static struct governor_kernel kernel;
static bool given_up[STEPS];
static uint32_t epoch;

static struct governor governor;
static int order[STEPS]; /* the steps that concern this configuration */
static _Atomic uint64_t downs[STEPS], ups[STEPS];

static void limit(void)
{
	bool bodies = rules_read_bodies(config->rules) && !given_up[BODIES];
	struct limits limits = {
		.capture_len = config->capture_len + (bodies ? config->body_limit_len : 0),
		.lead_len = LEAD_LEN,
		.one_of = given_up[CONNECTIONS] ? SAMPLED_ONE_OF : 1,
		.epoch = epoch,
	};

	if (given_up[HEADS])
		limits.capture_len = limits.lead_len = LINE_LEN;
	kernel.limit(&limits);
}

static void switch_bodies(bool seen, uint64_t now_ns)
{
	(void)now_ns;
	bodies_keep(seen);
	limit();
}

static void switch_limit(bool seen, uint64_t now_ns)
{
	(void)seen, (void)now_ns;
	limit();
}

static void switch_functions(bool seen, uint64_t now_ns)
{
	epoch += seen;
	limit();
	kernel.functions(seen, now_ns);
}

static bool reads_bodies(const struct config *c)
{
	return rules_read_bodies(c->rules);
}

static bool captures_heads(const struct config *c)
{
	return c->capture_len > LINE_LEN;
}

static bool traces_functions(const struct config *c)
{
	return c->functions_len || c->sqlite;
}

static const struct step {
	const char *name;
	const char *means;
	bool (*concerns)(const struct config *config); /* NULL: any */
	void (*set)(bool seen, uint64_t now_ns);       /* the step is in given_up[] already */
} steps[STEPS] = {
	[BODIES] = { "bodies", "rules read no bodies", reads_bodies, switch_bodies },
	[HEADS] = { "heads", "of heads the first line is captured", captures_heads, switch_limit },
	[CONNECTIONS] = { "connections", "one of 10 connections is followed", NULL, switch_limit },
	[FUNCTIONS] = { "functions", "no functions and no SQLite are traced", traces_functions,
			switch_functions },
};
_Static_assert(SAMPLED_ONE_OF == 10, "as the step says");

void governor_reset(struct governor *g, uint32_t levels)
{
	*g = (struct governor){ .levels = levels, .patience_s = PATIENCE_S };
}

/* A step down soon after one was taken back: that was too early, and waits longer the next time. */
static void step_down(struct governor *g)
{
	if (g->risen)
		g->patience_s = g->patience_s < PATIENCE_MAX_S / 2 ? 2 * g->patience_s : PATIENCE_MAX_S;
	g->risen = false;
	g->over_s = 0;
	g->level++;
}

static void step_up(struct governor *g)
{
	g->risen = true;
	g->held_s = 0;
	g->under_s = 0;
	g->level--;
}

int governor_decide(struct governor *g, double load, double elapsed_s)
{
	g->over_s = load > 1 ? g->over_s + elapsed_s : 0;
	g->under_s = load < WELL_UNDER ? g->under_s + elapsed_s : 0;
	g->held_s += elapsed_s;
	if (g->risen && g->held_s >= HELD_S) {
		g->patience_s = PATIENCE_S;
		g->risen = false;
	}
	if (g->over_s >= DOWN_S && g->level < g->levels) {
		step_down(g);
		return 1;
	}
	if (g->under_s >= g->patience_s && g->level) {
		step_up(g);
		return -1;
	}
	return 0;
}

void governor_start(const struct config *c, const struct governor_kernel *k)
{
	uint32_t levels = 0;

	config = c;
	kernel = *k;
	epoch = 0;
	for (int i = 0; i < STEPS; i++) {
		given_up[i] = false;
		if (!steps[i].concerns || steps[i].concerns(c))
			order[levels++] = i;
	}
	governor_reset(&governor, levels);
	usage_init(c, &k->usage);
	limit();
}

static void take(int step, bool down, uint64_t now_ns)
{
	char usage[160];

	given_up[step] = down;
	atomic_fetch_add(down ? &downs[step] : &ups[step], 1);
	stat_set(STAT_governor_level, governor.level ? (uint64_t)order[governor.level - 1] + 1 : 0);
	steps[step].set(!down, now_ns);
	usage_text(usage, sizeof(usage));
	if (down)
		log_warn("over budget: %s: step down to %d, %s: %s", usage, step + 1, steps[step].name,
			 steps[step].means);
	else
		log_info("within budget again: %s: step up from %d, %s: no longer '%s'", usage, step + 1,
			 steps[step].name, steps[step].means);
}

void governor_tick(uint64_t now_ns)
{
	double elapsed_s;
	int way;

	if (!usage_tick(now_ns, &elapsed_s))
		return;
	if (usage_ratio(BUDGET_MEMORY) >= WELL_UNDER) {
		bodies_trim();
		streams_trim();
	}
	way = governor_decide(&governor, usage_load(), elapsed_s);
	if (way)
		take(order[way > 0 ? governor.level - 1 : governor.level], way > 0, now_ns);
}

const char *governor_step(uint32_t i, uint64_t *ret_down, uint64_t *ret_up)
{
	if (i >= STEPS)
		return NULL;
	*ret_down = atomic_load(&downs[i]);
	*ret_up = atomic_load(&ups[i]);
	return steps[i].name;
}

double governor_sampling_ratio(void)
{
	return atomic_load(&downs[CONNECTIONS]) > atomic_load(&ups[CONNECTIONS]) ? 1.0 / SAMPLED_ONE_OF : 1;
}
