/* SPDX-License-Identifier: Apache-2.0 */
#include "unread.h"

#include "cause.h"

static void set_asked_for(struct conn *c, struct work *r)
{
	if (r)
		work_ref(r);
	work_unref(c->asked_for);
	c->asked_for = r;
}

void unread_sent(struct conn *c)
{
	struct verdict v;
	struct work *r;

	if (c->accepted)
		return;
	v = cause_of(c);
	r = v.request ? v.request : v.maybe;
	/* Whose answer comes first cannot be told, from then on. */
	c->asked_by_many |= c->asking && r != c->asked_for;
	unread_end(c);
	set_asked_for(c, c->asked_by_many ? NULL : r);
	c->asked_proven = v.request;
	c->asking = true;
	if (c->asked_for)
		cause_call_begun(c->asked_for);
}

void unread_received(struct conn *c)
{
	struct work *r = c->asked_for, *proven = c->asked_proven ? r : NULL;

	unread_end(c);
	cause_received(c, &(struct received){ .request = proven, .maybe = r, .supposed = proven });
}

void unread_end(struct conn *c)
{
	if (c->asking && c->asked_for)
		cause_call_ended(c->asked_for);
	c->asking = false;
}
