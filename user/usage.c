/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

#define SECOND_NS  1000000000ULL
#define PERIOD_NS  SECOND_NS
#define WINDOW_NS  (SECOND_NS / 10) /* statistics are on so long ... */
#define WINDOWS_NS (5 * SECOND_NS)  /* ... and off until so long after the last time */

static const struct kind {
	const char *name;
	const char *format; /* of what is used */
	const char *option;
	const char *unit;
} kinds[BUDGETS] = {
	[BUDGET_CPU] = { "cpu", "the agent takes %.1f %% of a core", "--budget-cpu", "" },
	[BUDGET_TARGET_CPU] = { "target_cpu", "our programs take %.1f %% of a core", "--budget-target-cpu",
				"" },
	[BUDGET_MEMORY] = { "memory", "the agent and its maps take %.1f MiB", "--budget-memory", "M" },
};

static struct usage_kernel kernel;
static double budgets[BUDGETS]; /* 0: none */
static double used[BUDGETS];
static _Atomic double ratios[BUDGETS] = { -1, -1, -1 };
static uint64_t last_ns, last_cpu_ns;
static struct process_share busiest;
static double event_ns; /* what an event costs in the kernel, on average; 0: not measured yet */

/* The time in which the kernel's statistics are on. */
static struct {
	int fd;
	uint64_t opened_ns; /* last; 0: never */
	uint64_t run_ns, events;
} window;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint64_t resident_bytes(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!statm)
		return 0;
	if (fscanf(statm, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void usage_init(const struct config *config, const struct usage_kernel *k)
{
	kernel = *k;
	budgets[BUDGET_CPU] = config->budget_cpu;
	budgets[BUDGET_TARGET_CPU] = config->budget_target_cpu;
	budgets[BUDGET_MEMORY] = config->budget_memory_len / 1048576.0;
	for (int i = 0; i < BUDGETS; i++) {
		used[i] = 0;
		atomic_store(&ratios[i], budgets[i] > 0 ? 0 : -1);
	}
	last_ns = 0;
	event_ns = 0;
	window.fd = -1;
	window.opened_ns = 0;
}

/*
 * Statistics cost each run of any program two readings of the clock, so they are on for a short time now and
 * then: what an event costs hardly changes, and events are counted anyway. Runs that lead to no event, those
 * in other processes too, are part of what the events cost.
 */
static void measure_events(uint64_t now_ns)
{
	uint64_t run_ns, events;

	if (budgets[BUDGET_TARGET_CPU] <= 0)
		return;
	if (window.fd >= 0 && now_ns - window.opened_ns >= WINDOW_NS) {
		kernel.run(&run_ns, &events);
		if (events > window.events)
			event_ns = (double)(run_ns - window.run_ns) / (double)(events - window.events);
		close(window.fd);
		window.fd = -1;
	} else if (window.fd < 0 && now_ns - window.opened_ns >= WINDOWS_NS) {
		window.opened_ns = now_ns;
		kernel.run(&window.run_ns, &window.events);
		window.fd = kernel.statistics();
	}
}

static void measure(double elapsed_ns)
{
	uint64_t cpu = cpu_ns();

	used[BUDGET_CPU] = 100.0 * (double)(cpu - last_cpu_ns) / elapsed_ns;
	last_cpu_ns = cpu;
	if (budgets[BUDGET_TARGET_CPU] > 0) {
		busiest = targets_busiest();
		used[BUDGET_TARGET_CPU] = 100.0 * (double)busiest.events * event_ns / elapsed_ns;
	}
	if (budgets[BUDGET_MEMORY] > 0)
		used[BUDGET_MEMORY] = (double)(resident_bytes() + kernel.map_bytes()) / 1048576;
	for (int i = 0; i < BUDGETS; i++)
		if (budgets[i] > 0)
			atomic_store(&ratios[i], used[i] / budgets[i]);
}

bool usage_tick(uint64_t now_ns, double *ret_elapsed_s)
{
	uint64_t elapsed_ns = now_ns - last_ns;
	bool first = !last_ns;

	measure_events(now_ns);
	if (!first && elapsed_ns < PERIOD_NS)
		return false;
	last_ns = now_ns;
	if (first) {
		last_cpu_ns = cpu_ns();
		return false;
	}
	measure((double)elapsed_ns);
	*ret_elapsed_s = (double)elapsed_ns / SECOND_NS;
	return true;
}

static enum budget fullest(void)
{
	enum budget at = BUDGET_CPU;

	for (int i = 0; i < BUDGETS; i++)
		if (atomic_load(&ratios[i]) > atomic_load(&ratios[at]))
			at = (enum budget)i;
	return at;
}

double usage_load(void)
{
	double load = usage_ratio(fullest());

	return load < 0 ? 0 : load;
}

double usage_ratio(enum budget budget)
{
	return atomic_load(&ratios[budget]);
}

const char *budget_name(enum budget budget)
{
	return kinds[budget].name;
}

void usage_text(char *buf, size_t size)
{
	enum budget at = fullest();
	const struct kind *kind = &kinds[at];
	char figure[96], whose[64] = "";

	snprintf(figure, sizeof(figure), kind->format, used[at]);
	if (at == BUDGET_TARGET_CPU && busiest.pid)
		snprintf(whose, sizeof(whose), " in process %u (%s)", busiest.pid, busiest.command);
	snprintf(buf, size, "%s%s (%s %g%s)", figure, whose, kind->option, budgets[at], kind->unit);
}
