/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms of finished spans, with a hard limit of label sets for each metric: what comes
 * beyond it is counted under the label value "other".
 */
#pragma once

#include <stddef.h>

#include "config.h"
#include "span.h"

/* Reserves room for all that may be counted. Returns 0 or -ENOMEM. */
int metrics_init(const struct config *config);
void metrics_free(void);

/* Counts one finished span. The spine's thread only; O(1), no allocation, no lock. */
void metrics_add(const struct span *span);

/* How far the text of all metrics was read; zeroed at first. */
struct metrics_reader {
	unsigned family, metric, series;
};

/* Room that metrics_read() wants. */
#define METRICS_PART_MAX (56 * 1024)

/*
 * Writes the next lines of all metrics (those of spans, stats.def, drops.def, the agent's RSS and CPU
 * seconds) in the Prometheus text format 0.0.4 to buf, which has room for METRICS_PART_MAX bytes. Returns how
 * many bytes they are, 0 at the end. Any thread, at any time.
 */
size_t metrics_read(struct metrics_reader *reader, char *buf);
