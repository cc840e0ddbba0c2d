/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include "stats.h"

#define NONE (-1)

const struct account accounts[] = {
	{ "kernel", "events", STAT_events_sent, { STAT_events, NONE }, { DROP_ring_full, NONE } },
	{ "span",
	  "requests",
	  STAT_requests,
	  { STAT_spans, STAT_spans_hidden },
	  { DROP_pending_full, DROP_spans_full } },
	{ "export", "spans", STAT_queued, { STAT_exported, NONE }, { DROP_queue_full, DROP_send_failed } },
};
const size_t accounts_len = sizeof(accounts) / sizeof(accounts[0]);

uint64_t account_passed(const struct account *a)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_PARTS; i++)
		sum += a->passed[i] == NONE ? 0 : stat_get((enum stat_id)a->passed[i]);
	return sum;
}

uint64_t account_dropped(const struct account *a)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_PARTS; i++)
		sum += a->dropped[i] == NONE ? 0 : drop_get((enum drop_id)a->dropped[i]);
	return sum;
}

int64_t account_open(const struct account *a)
{
	return (int64_t)(stat_get((enum stat_id)a->seen) - account_passed(a) - account_dropped(a));
}
