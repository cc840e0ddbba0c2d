/* SPDX-License-Identifier: Apache-2.0 */
#include "quiet.h"

#include "conn.h"

static void set_quiet(struct process *p, struct work *r, bool quiet)
{
	if (quiet == r->quiet)
		return;
	r->quiet = quiet;
	p->quiet += quiet ? 1 : (uint32_t)-1;
}

static void set_waiting(struct process *p, struct work *r, bool waiting)
{
	if (waiting == r->waiting)
		return;
	r->waiting = waiting;
	if (waiting) {
		r->waiting_next = NULL;
		r->waiting_prev = p->waiting_last;
	}
	*(r->waiting_prev ? &r->waiting_prev->waiting_next : &p->waiting_first) =
		waiting ? r : r->waiting_next;
	*(r->waiting_next ? &r->waiting_next->waiting_prev : &p->waiting_last) =
		waiting ? r : r->waiting_prev;
}

void quiet_update(struct work *r)
{
	const struct stream *s = r->conn ? &r->conn->streams[r->conn->request_dir] : NULL;
	struct process *p = (struct process *)r->span.process;
	bool reading = s && s->open && s->work == r;
	bool quiet = !r->finished && !reading && !r->turns && !r->calls;

	if (!p)
		return;
	set_quiet(p, r, quiet);
	set_waiting(p, r, quiet && !r->answered);
}

bool quiet_others(const struct process *p, const struct work *r, uint64_t turn)
{
	const struct work *w = p->waiting_first;

	if (w == r && w)
		w = w->waiting_next;
	return w && w->last_turn < turn;
}
