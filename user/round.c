/* SPDX-License-Identifier: Apache-2.0 */
#include "round.h"

#include "body.h"
#include "conn.h"
#include "epoll.h"
#include "export.h"
#include "function.h"
#include "link.h"
#include "metric.h"
#include "rule.h"
#include "settle.h"
#include "sqlite.h"
#include "stats.h"
#include "summary.h"
#include "trace_store.h"
#include "work.h"

#define TICK_NS 50000000ULL

static bool summed;
static uint64_t last_tick_ns;
static bool conns_wait;

int rounds_init(const struct config *config, bool summary, target_reject_fn reject)
{
	int err;

	summed = summary;
	last_tick_ns = 0;
	conns_wait = false;
	rules_init(config->rules);
	if ((err = work_init(config->spans_max)) || (err = links_init(config->spans_max)) ||
	    (err = epolls_init()) || (err = targets_init(config, reject)) || (err = conns_init(config)) ||
	    (err = bodies_init(config)) || (err = sqlite_init()) || (err = metrics_init(config)))
		return err;
	if (config->listen && (err = trace_store_init(config->traces_max)))
		return err;
	return summary ? summary_init() : 0;
}

void rounds_fini(void)
{
	sqlite_fini();
	conns_fini();
	targets_fini();
	epolls_fini();
	links_fini();
	work_fini();
	metrics_free();
	trace_store_fini();
	bodies_fini();
	rules_init(NULL);
	summary_fini();
}

static void finished(struct span *span)
{
	struct work *w = (struct work *)span;

	/* It ran before it was known that it matches nothing that was asked for. */
	if (span->process && span->process->ignored) {
		stat_add(STAT_spans_ignored, 1);
		return;
	}
	metrics_add(span);
	rules_add(w);
	bodies_release(w);
	if (summed)
		summary_add(span);
	export_span(span);
}

bool round_run(uint64_t now_ns)
{
	bool waits;

	targets_resolve(now_ns);
	if (now_ns - last_tick_ns >= TICK_NS) {
		last_tick_ns = now_ns;
		conns_wait = conns_tick(now_ns);
		functions_tick();
		sqlite_tick();
	}
	waits = links_tick(now_ns) || conns_wait;
	settle_flush(finished);
	export_wake();
	return waits;
}

void rounds_end(uint64_t now_ns)
{
	sqlite_end(now_ns);
	functions_end(now_ns);
	conns_end(now_ns);
	links_tick(UINT64_MAX);
	targets_resolve(now_ns);
	settle_flush(finished);
	export_wake();
}
