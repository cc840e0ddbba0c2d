/* SPDX-License-Identifier: Apache-2.0 */
/* Whole traces, kept for whoever asks for them at /traces. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/wall.h"
#include "exporter.h"
#include "trace.h"
#include "trace_store.h"

#define SPANS_MAX (2 * TRACE_SPANS_MAX) /* that wait for those above them */

static bool wanted(const struct config *config)
{
	return config->listen && config->traces_max;
}

struct keeper {
	struct traces *traces;
	struct wall wall;
};

static void keep(void *ctx, const struct trace *trace)
{
	struct keeper *keeper = ctx;

	trace_store_add(trace, &keeper->wall);
}

static int open_traces(const struct config *config, void **ret_self)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int err;

	(void)config;
	if (!keeper)
		return -ENOMEM;
	if ((err = traces_new(SPANS_MAX, keep, keeper, &keeper->traces))) {
		free(keeper);
		return err;
	}
	*ret_self = keeper;
	return 0;
}

static void spans_lost(void *self, uint64_t end_ns)
{
	struct keeper *keeper = self;

	traces_lost(keeper->traces, end_ns);
}

static int send_spans(void *self, struct span *const *spans, size_t n)
{
	struct keeper *keeper = self;
	struct timespec t;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	wall_sample(&keeper->wall);
	for (size_t i = 0; i < n; i++)
		traces_add(keeper->traces, spans[i], now_ns);
	traces_tick(keeper->traces, now_ns);
	return 0;
}

static size_t finish(void *self)
{
	struct keeper *keeper = self;

	traces_tick(keeper->traces, UINT64_MAX);
	return 0;
}

static void close_traces(void *self)
{
	struct keeper *keeper = self;

	traces_free(keeper->traces);
	free(keeper);
}

const struct exporter traces_exporter = {
	.name = "traces",
	.help = "the last traces, at /traces",
	.patience = 64,
	.wanted = wanted,
	.open = open_traces,
	.lost = spans_lost,
	.send = send_spans,
	.finish = finish,
	.close = close_traces,
};
