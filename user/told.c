/* SPDX-License-Identifier: Apache-2.0 */
#include "told.h"

#include "quiet.h"

/*
 * May calls to the place be waiting in the process for a connection to become free? What waits for it may be
 * sent only in the round of the loop after the one that it was freed in.
 */
static bool may_queue(struct dest *d, const struct thread *t)
{
	if (d && d->idle > 0 && d->freed_turn < t->before_turn)
		d->exhausted = false;
	return d && d->exhausted;
}

/* What speaks against request r, for which the connection `from` has received something. */
static enum undecided doubt(const struct thread *t, const struct conn *c, const struct conn *from,
			    const struct work *r)
{
	if (c->sampled)
		return UNDECIDED_sampled;
	if (!r)
		return UNDECIDED_no_request;
	if (r->span.pid != c->pid)
		return UNDECIDED_event_lost;
	if (from == r->conn && from->pending_len > 1)
		return UNDECIDED_several;
	/* No other goroutine serves that client. */
	if (c->goroutine)
		return UNDECIDED_REASONS;
	if (c->turn_over)
		return UNDECIDED_batch;
	if (quiet_others(c->process, r, t->batch_turn))
		return UNDECIDED_others;
	if (from != r->conn && c->process->open > 1 && may_queue(c->dest, t))
		return UNDECIDED_queue;
	return UNDECIDED_REASONS;
}

struct verdict told_cause(const struct conn *c, const struct thread *t)
{
	const struct conn *from = conn_received(c->woken_sock, c->woken_pos);
	struct work *r = from ? from->received_for : NULL;
	struct verdict v = { .reason = doubt(t, c, from, r) };

	v.evidence = c->goroutine                     ? EVIDENCE_GOROUTINE
		     : c->woken_sock == c->cause_sock ? EVIDENCE_TURN
						      : EVIDENCE_ASYNC_ID;
	if (v.reason == UNDECIDED_REASONS && from->received_proven) {
		v.request = r;
	} else if (v.reason == UNDECIDED_REASONS) {
		v.reason = UNDECIDED_others;
		v.group = from->received_group;
		v.maybe = r;
	} else if (v.reason == UNDECIDED_batch || v.reason == UNDECIDED_others ||
		   v.reason == UNDECIDED_queue) {
		v.maybe = r;
	}
	return v;
}

struct group *told_group(const struct conn *c, const struct work *r)
{
	const struct conn *from =
		c->told && !c->turn_over && !c->sampled ? conn_received(c->woken_sock, c->woken_pos) : NULL;

	if (!from || from->received_proven || (from->received_for && from->received_for != r))
		return NULL;
	return from->received_group;
}
