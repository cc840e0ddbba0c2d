/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include "stats.h"

#define PASSED(symbol)  (STAT_##symbol + 1)
#define DROPPED(symbol) (DROP_##symbol + 1)

const struct account accounts[] = {
	{ "kernel", "events", STAT_events_sent, { PASSED(events) }, { DROPPED(ring_full) } },
	{ "ring",
	  "events",
	  STAT_events,
	  { PASSED(events_used), PASSED(events_ignored) },
	  { DROPPED(event_malformed), DROPPED(function_unknown), DROPPED(stacks_full),
	    DROPPED(processes_full), DROPPED(connections_full), DROPPED(out_of_order) } },
	{ "span",
	  "requests",
	  STAT_requests,
	  { PASSED(spans), PASSED(spans_hidden) },
	  { DROPPED(pending_full), DROPPED(spans_full) } },
	{ "export",
	  "spans",
	  STAT_queued,
	  { PASSED(exported) },
	  { DROPPED(queue_full), DROPPED(send_failed) } },
	{ "trace", "spans", STAT_trace_spans, { PASSED(trace_spans_passed) }, { DROPPED(trace_full) } },
};
const size_t accounts_len = sizeof(accounts) / sizeof(accounts[0]);

uint64_t account_passed(const struct account *a)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_PARTS && a->passed[i]; i++)
		sum += stat_get((enum stat_id)(a->passed[i] - 1));
	return sum;
}

uint64_t account_dropped(const struct account *a)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_PARTS && a->dropped[i]; i++)
		sum += drop_get((enum drop_id)(a->dropped[i] - 1));
	return sum;
}

int64_t account_open(const struct account *a)
{
	return (int64_t)(stat_get((enum stat_id)a->seen) - account_passed(a) - account_dropped(a));
}
