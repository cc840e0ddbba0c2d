/* SPDX-License-Identifier: Apache-2.0 */
#include "hold.h"

#include "conn.h"
#include "context.h"
#include "settle.h"
#include "told.h"

#define UNCLAIMED_MAX 64   /* calls of a thread that wait for the answer that they were made for */
#define UNORDERED_MAX 4096 /* ... until it is known whether the thread puts work off */

void hold_push(struct held *held, struct work *call)
{
	work_ref(call);
	call->held_next = NULL;
	*(held->first ? held->end : &held->first) = call;
	held->end = &call->held_next;
	held->len++;
}

struct work *hold_take_all(struct held *held)
{
	struct work *first = held->first;

	*held = (struct held){ 0 };
	return first;
}

bool hold_take(struct held *held, struct work *call)
{
	for (struct work **at = &held->first; *at; at = &(*at)->held_next) {
		if (*at != call)
			continue;
		*at = call->held_next;
		if (!*at)
			held->end = at;
		held->len--;
		return true;
	}
	return false;
}

void hold_decide(struct work *call, struct work *r, enum evidence evidence)
{
	if (!call->settled && call->unsettled_listed) {
		if (r && call->span.start_ns >= r->span.start_ns &&
		    /* Meanwhile that may have turned out; the word of a runtime still counts. */
		    (evidence == EVIDENCE_CONTEXT || !work_hops(call)))
			settle_parent(call, r, evidence);
		settle_check(call, call->parent);
		settle(call);
	}
	work_unref(call);
}

bool hold_unclaimed(struct work *call)
{
	struct thread *t = thread_get(call->span.tid, call->span.start_ns);

	/* An event of the thread was lost: what it received then may have been another request. */
	if (call->conn->sampled || (t && t->current_sock != call->conn->cause_sock))
		return false;
	if (!t || t->loops || !call->span.process || !call->span.process->open ||
	    t->unclaimed.len == UNCLAIMED_MAX)
		return false;
	hold_push(&t->unclaimed, call);
	settle_wait(call, t->answers ? WAIT_ANSWER : WAIT_CLAIM);
	return true;
}

bool hold_until_ordered(struct work *call, struct work *r, enum evidence evidence)
{
	struct thread *t = thread_get(call->span.tid, call->span.start_ns);

	if (!t || t->unordered.len == UNORDERED_MAX)
		return false;
	work_ref(r);
	call->if_ordered = r;
	call->if_ordered_evidence = evidence;
	hold_push(&t->unordered, call);
	settle_wait(call, WAIT_ANSWER);
	return true;
}

bool hold_until_answered(struct work *call, struct group *group)
{
	struct thread *t = thread_get(call->span.tid, call->span.start_ns);

	return t && t->loops && !call->conn->sampled &&
	       (call->conn->told || t->order != ORDER_NONE || cause_answers_at_once(t)) &&
	       group_add(group, call);
}

static void decide_order(struct work *call, bool ordered)
{
	struct work *r = call->if_ordered;

	call->if_ordered = NULL;
	if (!ordered && call->call_of == r && !call->finished) {
		cause_call_ended(r);
		call->call_of = NULL;
		work_unref(r);
	}
	hold_decide(call, ordered ? r : NULL, call->if_ordered_evidence);
	work_unref(r);
}

static void decide_answered(struct work *call, struct work *r)
{
	hold_decide(call, r, EVIDENCE_ANSWER);
}

static void decide_answered_if_ordered(struct work *call, struct work *r)
{
	if (!call->settled && call->unsettled_listed && hold_until_ordered(call, r, EVIDENCE_ANSWER))
		work_unref(call);
	else
		hold_decide(call, NULL, EVIDENCE_UNKNOWN);
}

static void forget(struct work *call, struct work *r)
{
	(void)r;
	hold_decide(call, NULL, EVIDENCE_UNKNOWN);
}

static void answered_in_turn(struct thread *t, struct work *r)
{
	bool proven = t->order == ORDER_PROVEN || cause_answers_at_once(t);

	if (!proven && t->order == ORDER_NONE)
		group_decide(t->group, NULL, forget);
	else if (cause_answers_in_turn(t, r))
		group_decide(t->group, r, proven ? decide_answered : decide_answered_if_ordered);
}

void hold_answer(struct thread *t, struct work *r)
{
	bool sampled = r->conn && r->conn->sampled; /* it may have answered others meanwhile */
	struct group *told = r->conn ? told_group(r->conn, r) : NULL;
	struct work *call, *next;

	t->told |= r->conn && r->conn->told;
	if (!sampled)
		cause_answering(t, r);
	for (call = hold_take_all(&t->unclaimed); call; call = next) {
		next = call->held_next;
		hold_decide(call, t->loops || sampled || !call->finished ? NULL : r, EVIDENCE_ANSWER);
	}
	if (told)
		group_decide(told, r, decide_answered);
	else if (t->group && sampled)
		group_decide(t->group, NULL, forget);
	else if (t->group && !t->told)
		answered_in_turn(t, r);
	for (call = t->order == ORDER_OPEN ? NULL : hold_take_all(&t->unordered); call; call = next) {
		next = call->held_next;
		decide_order(call, t->order == ORDER_PROVEN);
	}
}

void hold_expire(struct work *call)
{
	struct thread *t = thread_get(call->span.tid, call->settle_by_ns);

	if (call->group) {
		settle_check(call, NULL);
		group_remove(call);
	} else if (call->context) {
		context_expire(call);
	} else if (t && hold_take(&t->unordered, call)) {
		decide_order(call, false);
	} else if (t && hold_take(&t->unclaimed, call)) {
		hold_decide(call, NULL, EVIDENCE_UNKNOWN);
	}
}
