/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose parent may be proven by what comes after: by what the thread answers next, by whose answer is
 * sent when theirs has come, or by whether the thread turns out to put work off. Hot path.
 */
#pragma once

#include "cause.h"

/* The list takes a reference; whoever takes calls from it takes over theirs. */
void hold_push(struct held *held, struct work *call);
struct work *hold_take_all(struct held *held);
bool hold_take(struct held *held, struct work *call);

/* The call was made for request r, or (NULL) nobody knows for whom. Drops a reference. */
void hold_decide(struct work *call, struct work *r, enum evidence evidence);

/* Keeps a call for whoever its thread answers next. Returns whether it does. */
bool hold_unclaimed(struct work *call);

/*
 * Keeps a call that is for request r if its thread puts nothing off, until that is known. Returns whether it
 * does.
 */
bool hold_until_ordered(struct work *call, struct work *r, enum evidence evidence);

/*
 * Keeps a call of a thread with an event loop for whoever is answered in the turn of its answer. group: with
 * others that are for the same request, NULL: alone. Returns whether it does.
 */
bool hold_until_answered(struct work *call, struct group *group);

/* The thread begins to send the answer to request r: decides what was held for that. */
void hold_answer(struct thread *t, struct work *r);

/* Takes a call that has waited long enough from where it is held, without a parent. */
void hold_expire(struct work *call);
