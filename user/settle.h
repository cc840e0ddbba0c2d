/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a span's parent and trace id are final. A work waits here while something that may still come could
 * tell its parent, and a finished one while what is above it waits. Hot path but for settle_flush().
 */
#pragma once

#include "work.h"

/* What a work waits for before its trace is settled, each for so long at most. */
enum wait {
	/* The other end's event may be read later than this end's, by as much as its thread was not running.
	 */
	WAIT_JOIN,
	/* The thread has not been seen to answer what others received: it may still do so. */
	WAIT_CLAIM,
	/* It has: it will when its work is done. */
	WAIT_ANSWER,
	WAITS,
};

enum link_check {
	LINK_RIGHT,
	LINK_WRONG,
	LINK_UNKNOWN,
	LINK_CHECKS,
};

/* How often each kind of evidence agreed with the trace context that the program itself propagated. */
extern _Atomic uint64_t link_checked[EVIDENCES][LINK_CHECKS];

/* Makes parent the parent of w, or the function in which w was made for it, unless w caused it. */
void settle_parent(struct work *w, struct work *parent, enum evidence evidence);

/* Lets w wait; when its time is over it is handed to the function given to settle_tick(). */
void settle_wait(struct work *w, enum wait wait);

/* All that could be found out about what is above w was found out. */
void settle(struct work *w);

/* The span is complete: done, or waiting for the one that its trace hangs on. Takes over a reference. */
void settle_finished(struct work *w);

/*
 * Measures the evidence by a program that propagates the trace context itself: the header of its call carries
 * the trace id of the request that the call was made for. above: its parent; NULL when none is
 * known.
 */
void settle_check(const struct work *call, const struct work *above);

/* Hands those that have waited long enough to expire, which must settle() them. Returns whether any waits. */
bool settle_tick(uint64_t now_ns, void (*expire)(struct work *w));

/* Hands every span whose trace is settled to sink, which borrows it. */
void settle_flush(void (*sink)(struct span *span));
