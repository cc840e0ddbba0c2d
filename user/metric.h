/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms of finished spans, with a hard limit of label sets for each metric; what
 * comes beyond it is counted under the label value "other".
 */
#pragma once

#include <stdio.h>

#include "config.h"
#include "span.h"

/* Allocates everything. Returns 0 or -ENOMEM. */
int metrics_init(const struct config *config);
void metrics_free(void);

/* Counts one finished span. The spine's thread only; O(1), no allocation, no lock. */
void metrics_add(const struct span *span);

/*
 * Writes all metrics in the Prometheus text format 0.0.4 to out: those of spans, stats.def, drops.def
 * and the agent's own RSS and CPU seconds. Any thread. Returns 0, or -EIO when out failed.
 */
int metrics_write(FILE *out);
