/* SPDX-License-Identifier: Apache-2.0 */
/* A process with an event loop that serves and calls. */
#pragma once

#include "feed.h"

#define IN_ORDER (EVENT_POLLED | EVENT_NONBLOCK | EVENT_TURN_ON)

/* A process with two clients and two connections to what it calls. */
static struct end a, b, call_a, call_b;

static inline struct end own(uint64_t sock, bool serves)
{
	struct end e = server_end(sock);

	if (!serves) {
		e.local_port = 9000;
		e = other_end(&e, sock, PID_SERVER);
	}
	e.flags &= ~(unsigned)EVENT_CLIENT; /* it was open before */
	e.data_flags = IN_ORDER;
	feed_conn(&e);
	return e;
}

static inline void start(void)
{
	feed_process(PROCESS_FORKED, PID_SERVER, 1, "/usr/bin/server");
	targets_resolve(feed_ns);
	a = own(1, true);
	b = own(2, true);
	call_a = own(3, false);
	call_b = own(4, false);
}

static inline size_t children_of(const char *path, const char *parent, enum evidence evidence)
{
	size_t n = 0;

	for (size_t i = 0; i < seen_len; i++) {
		if (seen[i].span.kind != SPAN_CLIENT || !slice_eq(seen_text(i, TEXT_PATH), slice_of(path)))
			continue;
		if (!parent) {
			n += !seen[i].span.has_parent;
			continue;
		}
		for (size_t j = 0; j < seen_len; j++)
			n += seen[i].span.has_parent && seen[i].span.evidence == evidence &&
			     memcmp(seen[i].span.parent_id, seen[j].span.span_id, 8) == 0 &&
			     slice_eq(seen_text(j, TEXT_PATH), slice_of(parent));
	}
	return n;
}

static inline void answers(struct end *call, struct end *client)
{
	feed_recv(call, OK_EMPTY);
	feed_send(client, OK_EMPTY);
}
