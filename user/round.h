/* SPDX-License-Identifier: Apache-2.0 */
/* The spine between two looks at the ring: what is finished goes out, what waits for its time is looked at.
 */
#pragma once

#include "config.h"
#include "target.h"

/* Reserves all memory. summary: spans are summed up too. Returns 0 or -errno. */
int rounds_init(const struct config *config, bool summary, target_reject_fn reject);
void rounds_fini(void);

/* After events were dispatched, or when none came for a while. Returns whether something waits for its time.
 */
bool round_run(uint64_t now_ns);

/* Nothing will come any more: all that is unfinished ends. */
void rounds_end(uint64_t now_ns);
