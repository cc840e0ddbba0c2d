/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are for one and the same request, which is not known yet: each was made in the turn of the
 * answer to another. The request that is answered in such a turn is theirs. Hot path.
 */
#pragma once

#include "work.h"

struct group {
	uint32_t refs; /* of threads */
	uint32_t len;
	uint32_t unfinished;
	struct work *calls; /* referenced */
};

/* Reserves room. Returns 0 or -ENOMEM. */
int groups_init(void);
void groups_fini(void);

/* Adds a call to the group, NULL: one of its own. Returns whether there was room; then it waits. */
bool group_add(struct group *g, struct work *call);

/* A call of the group, if it is in any, is over. */
void group_finished(struct work *call);

/* Takes a call that waited too long out of its group. */
void group_remove(struct work *call);

/* Takes all calls out of the group and hands each to decide, with request; references go along. */
void group_decide(struct group *g, struct work *request,
		  void (*decide)(struct work *call, struct work *request));

/*
 * A thread begins or ends to work for whoever the calls are for; NULL: nobody. When none does and all calls
 * are over, no more can be found out: they are settled without a parent.
 */
void group_ref(struct group *g);
void group_unref(struct group *g);
