/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "../stats.h"

#define SECOND_NS 1000000000ULL
#define BURST_NS  (10 * SECOND_NS) /* over so long the share of a core may be spent at once */

static const struct config *config;
static const struct plan_kernel *kernel;
static uint64_t last_ns;
static double spent_ns; /* of a core, beyond the share */
static struct usage {
	uint64_t hits;
	double rate; /* in the last period */
	bool off;
} usages[FUNCTIONS_MAX];

void budget_init(const struct config *c, const struct plan_kernel *k)
{
	config = c;
	kernel = k;
	last_ns = 0;
	spent_ns = 0;
	memset(usages, 0, sizeof(usages));
}

static void let_go(uint32_t number, const char *limit)
{
	kernel->detach(number);
	usages[number].off = true;
	stat_add(STAT_functions_detached, 1);
	log_warn("%s was called %.0f times a second: it is no longer traced (%s)", function_at(number)->name,
		 usages[number].rate, limit);
}

bool budget_let_go(uint32_t number)
{
	return usages[number].off;
}

/* Of a call. */
static double cost_ns(uint32_t number)
{
	return (double)(kernel->call_ns + function_at(number)->steps * kernel->step_ns);
}

static void measure(double seconds)
{
	for (uint32_t i = 0; i < functions_len(); i++) {
		uint64_t hits = usages[i].off ? usages[i].hits : kernel->hits(i);

		usages[i].rate = (double)(hits - usages[i].hits) / seconds;
		spent_ns += (double)(hits - usages[i].hits) * cost_ns(i);
		usages[i].hits = hits;
	}
}

static uint32_t busiest(void)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < functions_len(); i++)
		if (usages[i].rate > usages[at].rate)
			at = i;
	return at;
}

void budget_tick(uint64_t now_ns)
{
	double elapsed_ns = (double)(now_ns - last_ns), share = config->function_cpu / 100.0;
	bool first = !last_ns;
	char limit[96];

	last_ns = now_ns;
	if (first || elapsed_ns <= 0)
		return;
	measure(elapsed_ns / SECOND_NS);
	spent_ns -= elapsed_ns * share;
	spent_ns = spent_ns < 0 ? 0 : spent_ns;
	for (uint32_t i = 0; i < functions_len(); i++) {
		if (usages[i].off || usages[i].rate <= config->function_rate)
			continue;
		snprintf(limit, sizeof(limit), "--function-rate %u", config->function_rate);
		let_go(i, limit);
	}
	if (spent_ns <= BURST_NS * share)
		return;
	spent_ns = 0;
	if (usages[busiest()].off)
		return;
	snprintf(limit, sizeof(limit), "all took more than --function-cpu %u, it %.1f us a call",
		 config->function_cpu, cost_ns(busiest()) / 1e3);
	let_go(busiest(), limit);
}
