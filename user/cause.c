/* SPDX-License-Identifier: Apache-2.0 */
#include "cause.h"

#include "base/pool.h"
#include "base/table.h"
#include "epoll.h"
#include "quiet.h"
#include "told.h"

#define THREADS_MAX    32768
#define DESTS_MAX      8192
#define THREAD_IDLE_NS (60ULL * 1000000000)
#define SWEEP          256 /* threads looked at for idleness each tick */
#define IN_ORDER_MIN   64  /* weight of answers in order after which a thread is taken to put nothing off */
#define IN_ORDER_SURE  4   /* ... of one when it is known whose turn it is; else 1 */

static struct pool threads;
static struct table threads_by_id;
static struct pool dests;
static struct table dests_by_key;
static uint32_t sweep_at;
static uint64_t turn; /* receives so far */

_Atomic uint64_t cause_undecided[UNDECIDED_REASONS];

int causes_init(uint32_t max)
{
	int err;

	(void)max;
	sweep_at = 0;
	if ((err = pool_init(&threads, sizeof(struct thread), THREADS_MAX)) ||
	    (err = table_init(&threads_by_id, THREADS_MAX)) ||
	    (err = pool_init(&dests, sizeof(struct dest), DESTS_MAX)))
		return err;
	if ((err = groups_init()))
		return err;
	return table_init(&dests_by_key, DESTS_MAX);
}

void causes_fini(void)
{
	table_free(&dests_by_key);
	groups_fini();
	pool_free(&dests);
	table_free(&threads_by_id);
	pool_free(&threads);
}

struct thread *thread_find(uint32_t tid)
{
	return table_get(&threads_by_id, tid);
}

struct thread *thread_get(uint32_t tid, uint64_t now_ns)
{
	struct thread *t = table_get(&threads_by_id, tid);

	if (!t) {
		t = pool_get(&threads);
		if (!t || table_put(&threads_by_id, tid, t)) {
			if (t)
				pool_put(&threads, t);
			return NULL;
		}
		t->tid = tid;
	}
	t->last_ns = now_ns;
	return t;
}

static struct process *process_of(const struct work *w)
{
	return (struct process *)w->span.process;
}

static void set_current(struct thread *t, struct work *request)
{
	struct work *old = t->current;

	if (old == request)
		return;
	if (old) {
		*t->current_at = t->current_next;
		if (t->current_next)
			t->current_next->current_at = t->current_at;
		quiet_update(old);
	}
	t->current = request;
	if (request) {
		t->current_next = request->turns;
		if (t->current_next)
			t->current_next->current_at = &t->current_next;
		t->current_at = &request->turns;
		request->turns = t;
		quiet_update(request);
	}
}

static void set_received_for(struct conn *c, struct work *request)
{
	if (c->received_for == request)
		return;
	if (c->received_for) {
		*c->received_at = c->received_next;
		if (c->received_next)
			c->received_next->received_at = c->received_at;
	}
	c->received_for = request;
	if (request) {
		c->received_next = request->received;
		if (c->received_next)
			c->received_next->received_at = &c->received_next;
		c->received_at = &request->received;
		request->received = c;
	}
}

void cause_receiving(void)
{
	turn++;
}

static void set_supposed(struct thread *t, struct work *request)
{
	if (request)
		work_ref(request);
	work_unref(t->supposed);
	t->supposed = request;
}

static void set_group(struct group **at, struct group *group)
{
	struct group *old = *at;

	group_ref(group);
	*at = group;
	group_unref(old);
}

void cause_received(struct conn *c, const struct received *what)
{
	struct thread *t = thread_get(c->tid, c->last_ns);
	struct work *request = what->request, *known = request ? request : what->maybe;

	if (c->accepted && c->epoll && c->process && epoll_is_shared(c->epoll, c->tid))
		c->process->shares = true;
	set_received_for(c, known && !known->finished ? known : NULL);
	c->received_proven = request;
	set_group(&c->received_group, t && t->told ? what->group : NULL);
	if (known)
		known->last_turn = turn;
	if (!t)
		return;
	set_supposed(t, what->supposed);
	set_group(&t->group, what->group);
	/* Without a word from the loop, only a wait tells that it was asked. */
	if (!c->turn_on && (c->turn_over || c->slept)) {
		t->batch = 0;
		t->before_turn = t->batch_turn;
		t->batch_turn = turn;
	}
	if (!request || request != t->current || !t->batch)
		t->batch++;
	t->turn = turn;
	t->current_sock = c->sock;
	t->many = what->many;
	t->call_ns = what->call_ns;
	t->answering = c->parser && c->request_dir == TX;
	t->loops |= c->polled && !t->answering;
	/* A thread that does one thing after the other goes on with it, whatever else it receives. */
	if (!request && !t->loops && t->open <= 1 && t->current && !c->sampled)
		return;
	set_current(t, request && !request->finished ? request : NULL);
}

void cause_answering(struct thread *t, const struct work *r)
{
	if (r->span.tid != t->tid)
		return;
	if (t->batch <= 1)
		return;
	/* What it received last cannot be what this request waited for. */
	if (t->call_ns ? t->call_ns < r->span.start_ns : t->supposed != r)
		t->not_at_once = true;
	t->at_once += t->call_ns != 0;
	/* Else it has received for another request meanwhile, and answers this one only now. */
	if (t->supposed == r)
		t->in_order += IN_ORDER_SURE;
	else if (t->supposed && !t->supposed->finished)
		t->order = ORDER_NONE;
	else if (!t->supposed && t->group)
		t->in_order++;
	if (t->order == ORDER_OPEN && t->in_order >= IN_ORDER_MIN)
		t->order = ORDER_PROVEN;
}

bool cause_answers_at_once(const struct thread *t)
{
	return !t->not_at_once && t->at_once >= IN_ORDER_MIN;
}

void cause_opened(struct work *r)
{
	struct thread *t = thread_get(r->span.tid, r->span.start_ns);

	r->opened = true;
	if (process_of(r)) {
		process_of(r)->open++;
		process_of(r)->untaken++;
	}
	if (t)
		t->open++;
	quiet_update(r);
}

void cause_answered(struct work *r)
{
	r->answered = true;
	quiet_update(r);
}

void cause_closed(struct work *r)
{
	struct thread *t;

	while (r->turns)
		set_current(r->turns, NULL);
	while (r->received)
		set_received_for(r->received, NULL);
	quiet_update(r);
	if (!r->opened)
		return;
	r->opened = false;
	if (process_of(r)) {
		process_of(r)->open--;
		process_of(r)->taken -= !r->taken && process_of(r)->taken;
		process_of(r)->untaken -= !r->taken;
	}
	t = table_get(&threads_by_id, r->span.tid);
	if (t && t->open)
		t->open--;
	if (t && t->supposed == r)
		set_supposed(t, NULL);
}

void cause_call_begun(struct work *r)
{
	r->calls++;
	if (!r->taken && r->opened && process_of(r))
		process_of(r)->untaken--;
	r->taken = true;
	quiet_update(r);
}

void cause_call_ended(struct work *r)
{
	r->calls--;
	quiet_update(r);
}

static struct dest *dest_get(const struct conn *c)
{
	uint64_t ip[2], key;
	struct dest *d;

	memcpy(ip, c->peer.ip, sizeof(ip));
	key = hash_mix(hash_mix(hash_mix(hash_mix(c->pid, ip[0]), ip[1]), c->peer.port), c->peer_id);
	d = table_get(&dests_by_key, key);
	if (d)
		return d;
	d = pool_get(&dests);
	if (!d || table_put(&dests_by_key, key, d)) {
		if (d)
			pool_put(&dests, d);
		return NULL;
	}
	d->key = key;
	return d;
}

static void dest_join(struct conn *c)
{
	if (c->dest || !(c->dest = dest_get(c)))
		return;
	c->dest->refs++;
	c->dest->idle++;
}

static void conn_busy(struct conn *c)
{
	dest_join(c);
	if (!c->dest || c->busy)
		return;
	c->busy = true;
	if (--c->dest->idle == 0)
		c->dest->exhausted = true;
}

void cause_connecting(struct conn *c)
{
	dest_join(c);
	if (!c->dest)
		return;
	/* It is not idle before its first call is over, and there may never be another one. */
	conn_busy(c);
}

void cause_calling(struct conn *c)
{
	struct thread *t = thread_get(c->tid, c->last_ns);

	if (t)
		t->makes_calls = true;
	conn_busy(c);
}

bool cause_calls(uint32_t tid)
{
	const struct thread *t = thread_find(tid);

	return t && t->makes_calls;
}

void cause_conn_idle(struct conn *c)
{
	if (!c->dest || !c->busy)
		return;
	c->busy = false;
	if (c->dest->idle++ == 0)
		c->dest->freed_turn = turn;
}

void cause_conn_gone(struct conn *c)
{
	set_received_for(c, NULL);
	set_group(&c->received_group, NULL);
	if (c->connect_for) {
		cause_call_ended(c->connect_for);
		work_unref(c->connect_for);
		c->connect_for = NULL;
	}
	if (!c->dest)
		return;
	if (!c->busy)
		c->dest->idle--;
	if (--c->dest->refs == 0) {
		table_remove(&dests_by_key, c->dest->key, c->dest);
		pool_put(&dests, c->dest);
	}
	c->dest = NULL;
}

/* May calls to the place be waiting in the process for a connection to become free? */
static bool may_queue(struct dest *d, const struct thread *t)
{
	/* A connection that was left over when the turn that freed it ended shows that none did. */
	if (d && d->idle > 0 && d->freed_turn != t->turn)
		d->exhausted = false;
	return d && d->exhausted;
}

/* When and where a thread does something. */
struct moment {
	uint32_t pid;
	const struct process *process;
	uint64_t cause_sock; /* as in struct conn */
	bool turn_on, turn_over;
	bool slept;
	bool sampled;
	struct dest *dest; /* to which it sends; NULL: not known */
};

static struct moment moment_of(const struct conn *c)
{
	return (struct moment){ c->pid,       c->process, c->cause_sock, c->turn_on,
				c->turn_over, c->slept,   c->sampled,    c->dest };
}

/* What speaks against the thread working for request r; UNDECIDED_REASONS: nothing. */
static enum undecided doubt(struct thread *t, const struct work *r, const struct moment *m)
{
	if (m->sampled)
		return UNDECIDED_sampled;
	if (!r)
		return UNDECIDED_no_request;
	/* The kernel's word on what the thread received last tells whether an event was lost in between. */
	if (m->cause_sock != t->current_sock || r->span.pid != m->pid)
		return UNDECIDED_event_lost;
	if (t->many)
		return UNDECIDED_several;
	return UNDECIDED_REASONS;
}

/* What speaks against it, too, when the thread has an event loop. r: NULL when it is not known. */
static enum undecided doubt_in_loop(const struct thread *t, const struct work *r, const struct moment *m)
{
	const struct process *p = m->process;
	bool proven = t->order == ORDER_PROVEN;

	if (m->turn_on && m->turn_over)
		return UNDECIDED_batch;
	if (m->turn_over && t->in_turn)
		return UNDECIDED_turn_over;
	if (!m->turn_on && m->slept)
		return UNDECIDED_slept;
	if (t->order == ORDER_NONE && ((t->batch > 1 && p->open > 1) || p->quiet > (uint32_t)(r && r->quiet)))
		return UNDECIDED_others;
	/* The connection that this answer freed may carry what somebody else's request had to queue for. */
	if (t->answering && p->open > 1 && may_queue(m->dest, t))
		return UNDECIDED_queue;
	if (!proven && ((t->batch > 1 && p->open > 1) || p->quiet > (uint32_t)(r && r->quiet)))
		return UNDECIDED_order;
	return UNDECIDED_REASONS;
}

struct work *cause_supposed(const struct conn *c)
{
	struct thread *t = table_get(&threads_by_id, c->tid);
	struct work *r = t ? t->supposed : NULL;

	if (!r || r->finished || t->many || c->sampled || r->span.pid != c->pid ||
	    c->cause_sock != t->current_sock)
		return NULL;
	/* What is sent on a connection that was just freed may have waited for it. */
	return t->answering && process_of(r)->open > 1 && may_queue(c->dest, t) ? NULL : r;
}

/* The thread has an event loop, and nothing but that speaks against r; it is not known, or only supposed. */
static struct verdict in_loop(struct thread *t, struct work *r, const struct moment *m)
{
	struct verdict v = { .evidence = EVIDENCE_TURN, .reason = doubt_in_loop(t, r, m) };

	t->in_turn |= m->turn_on;
	if (r && r != t->current && v.reason == UNDECIDED_REASONS)
		v.reason = UNDECIDED_order;
	if (r && v.reason == UNDECIDED_REASONS)
		v.request = r;
	else if (r && (v.reason == UNDECIDED_queue || v.reason == UNDECIDED_order))
		v.maybe = r;
	else if (!r && v.reason == UNDECIDED_REASONS)
		v.group = t->group;
	if (!r)
		v.reason = UNDECIDED_no_request;
	return v;
}

/* How many requests but r may be waiting for a thread of the process? */
static uint32_t waiting(const struct process *p, const struct work *r)
{
	uint32_t known = p->taken + (r && r->opened && !r->taken);

	return p->untaken > known ? p->untaken - known : 0;
}

/* The thread has slept and was woken by one that had received something, maybe to work for that. */
static void by_wakeup(struct thread *t, const struct conn *c, struct verdict *v)
{
	struct process *p = c->process;
	const struct conn *from = conn_received(c->woken_sock, c->woken_pos);
	struct work *r = from && from->received_proven ? from->received_for : NULL;
	/*
	 * In an event loop it may have been woken for anything, which then is not in anybody's turn. Another
	 * thread may have taken the request, and this one whatever else waited.
	 */
	bool alone = r && (t->loops ? c->turn_over && !c->turn_on && p->quiet == (uint32_t)r->quiet &&
					      (!t->current || t->current == r)
				    : p->untaken == 1 && r->opened && !r->taken);

	v->evidence = EVIDENCE_WAKEUP;
	if (r && r->span.pid == c->pid && alone) {
		v->request = r;
		return;
	}
	if (t->loops)
		return;
	v->reason = UNDECIDED_waiting;
	/* Whichever it works for waits no more. */
	p->taken += (t->woken_sock != c->woken_sock || t->woken_pos != c->woken_pos) && waiting(p, NULL);
	t->woken_sock = c->woken_sock;
	t->woken_pos = c->woken_pos;
}

/* The thread does one thing after the other. */
static void in_thread(const struct thread *t, struct work *r, const struct conn *c, struct verdict *v)
{
	/* Who was handed a request may have handed it on and taken the next. */
	if (r->span.tid != t->tid && (c->slept || waiting(c->process, r)))
		v->reason = UNDECIDED_waiting;
	else
		v->request = r;
}

struct verdict cause_of(const struct conn *c)
{
	struct thread *t = c->woken_sock ? thread_get(c->tid, c->last_ns) : table_get(&threads_by_id, c->tid);
	struct work *r = t ? t->current : NULL;
	struct verdict v = { .evidence = EVIDENCE_THREAD };
	struct moment m = moment_of(c);

	if (t && c->told) {
		t->told |= !c->goroutine;
		return told_cause(c, t);
	}
	/* Its thread works for many at a time. */
	if (conn_hops(c) && c->process->open > 1)
		return (struct verdict){ .reason = UNDECIDED_others };
	if (t && t->loops && !r && t->order == ORDER_OPEN && t->supposed && !t->supposed->finished)
		r = t->supposed;
	v.reason = doubt(t, r, &m);
	if (v.reason == UNDECIDED_no_request && t && t->loops && t->group && c->cause_sock == t->current_sock)
		v = in_loop(t, NULL, &m);
	/* Who waits for a call where it was made does one thing after the other, whatever woke it. */
	else if (v.reason == UNDECIDED_REASONS && r == t->current &&
		 !(r->polled && c->nonblock && !c->read_unpolled) && t->open <= 1)
		in_thread(t, r, c, &v);
	else if (v.reason == UNDECIDED_REASONS)
		v = in_loop(t, r, &m);
	if (!v.request && !v.maybe && !v.group && t && c->woken_sock && !c->sampled)
		by_wakeup(t, c, &v);
	return v;
}

bool work_hops(const struct work *w)
{
	const struct process *p = w->span.process;

	return p && p->open > 1 && (p->hops || (p->shares && w->polled));
}

struct work *cause_of_thread(uint32_t pid, uint32_t tid, uint64_t sock, unsigned flags,
			     enum evidence *ret_evidence)
{
	struct thread *t = table_get(&threads_by_id, tid);
	struct work *r = t ? t->current : NULL;
	struct moment m = { .pid = pid,
			    .process = r ? process_of(r) : NULL,
			    .cause_sock = sock,
			    .turn_on = flags & EVENT_TURN_ON,
			    .turn_over = flags & EVENT_TURN_OVER,
			    .slept = flags & EVENT_SLEPT,
			    .sampled = flags & EVENT_SAMPLED };

	if (doubt(t, r, &m) != UNDECIDED_REASONS || !m.process || work_hops(r))
		return NULL;
	*ret_evidence = EVIDENCE_THREAD;
	if (!r->polled && t->open <= 1)
		return r;
	*ret_evidence = EVIDENCE_TURN;
	/* Whether the turn of an answer is that of a request that queued for its connection cannot be seen.
	 */
	if (t->answering && m.process->open > 1)
		return NULL;
	return in_loop(t, r, &m).request;
}

bool cause_answers_in_turn(const struct thread *t, const struct work *r)
{
	const struct conn *c = r->conn;

	return c && c->tid == t->tid && c->cause_sock == t->current_sock && !c->turn_over &&
	       (c->turn_on || !c->slept);
}

struct work *cause_if_blocking(const struct conn *c)
{
	struct thread *t = table_get(&threads_by_id, c->tid);
	struct work *r = t ? t->current : NULL;

	if (!r || t->many || t->open > 1 || c->sampled || r->span.pid != c->pid ||
	    c->cause_sock != t->current_sock)
		return NULL;
	return r;
}

void causes_tick(uint64_t now_ns)
{
	for (uint32_t i = 0; i < SWEEP && i < threads.touched; i++) {
		struct thread *t;

		sweep_at = sweep_at + 1 < threads.touched ? sweep_at + 1 : 0;
		t = (struct thread *)(threads.memory + threads.object_size * sweep_at);
		if (!t->tid || table_get(&threads_by_id, t->tid) != t || t->open || t->unclaimed.first ||
		    t->unordered.first || t->calls || now_ns < t->last_ns + THREAD_IDLE_NS)
			continue;
		set_current(t, NULL);
		set_supposed(t, NULL);
		set_group(&t->group, NULL);
		table_remove(&threads_by_id, t->tid, t);
		pool_put(&threads, t);
	}
}
