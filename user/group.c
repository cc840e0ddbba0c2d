/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include "base/pool.h"
#include "settle.h"

#define GROUPS_MAX    16384
#define GROUP_LEN_MAX 64

static struct pool groups;

int groups_init(void)
{
	return pool_init(&groups, sizeof(struct group), GROUPS_MAX);
}

void groups_fini(void)
{
	pool_free(&groups);
}

static void release_if_unused(struct group *g)
{
	if (!g->refs && !g->len)
		pool_put(&groups, g);
}

bool group_add(struct group *g, struct work *call)
{
	if (!g && !(g = pool_get(&groups)))
		return false;
	if (g->len == GROUP_LEN_MAX)
		return false;
	work_ref(call);
	call->group = g;
	call->group_next = g->calls;
	g->calls = call;
	g->len++;
	g->unfinished++;
	settle_wait(call, WAIT_ANSWER);
	return true;
}

void group_finished(struct work *call)
{
	if (call->group)
		call->group->unfinished--;
}

void group_remove(struct work *call)
{
	struct group *g = call->group;
	struct work **at = &g->calls;

	while (*at != call)
		at = &(*at)->group_next;
	*at = call->group_next;
	g->len--;
	g->unfinished -= !call->finished;
	call->group = NULL;
	work_unref(call);
	release_if_unused(g);
}

static void give_up(struct work *call, struct work *request)
{
	(void)request;
	settle_check(call, NULL);
	settle(call);
	work_unref(call);
}

void group_decide(struct group *g, struct work *request,
		  void (*decide)(struct work *call, struct work *request))
{
	struct work *call = g->calls;

	g->calls = NULL;
	g->len = g->unfinished = 0;
	while (call) {
		struct work *next = call->group_next;

		call->group = NULL;
		decide(call, request);
		call = next;
	}
	release_if_unused(g);
}

void group_ref(struct group *g)
{
	if (g)
		g->refs++;
}

void group_unref(struct group *g)
{
	if (!g)
		return;
	g->refs--;
	if (!g->refs && !g->unfinished)
		group_decide(g, NULL, give_up);
}
