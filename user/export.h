/* SPDX-License-Identifier: Apache-2.0 */
/* Hands finished spans to the exporters, each on a thread of its own. */
#pragma once

#include "exporter.h"

/* Opens and starts every exporter that the configuration wants. Returns 0 or -errno (logged). */
int export_start(const struct config *config);

/* Queues the span for each exporter, which takes a reference. The spine only; no system call. */
void export_span(struct span *span);

/* Wakes the exporters that have something new. */
void export_wake(void);

/* Waits until the exporters have taken all that is queued: for a spine that must not lose what it is too fast
 * for. */
void export_drain(void);

/* Has the reader of an exporter's output gone away for good? */
bool export_broken(void);

/*
 * Lets every exporter finish what is queued, then closes them. One that has written nothing for three seconds
 * is cut off: what it holds is counted as lost (logged).
 */
void export_stop(void);
