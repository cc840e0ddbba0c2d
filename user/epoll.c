/* SPDX-License-Identifier: Apache-2.0 */
#include "epoll.h"

#include <stddef.h>

#include "base/pool.h"
#include "base/table.h"

#define EPOLLS_MAX 4096 /* of the others it is not known who shares them */

struct epoll {
	uint64_t id;
	uint32_t pid, refs;
	uint32_t tid; /* of the first one to receive; 0: none has */
	bool shared;
};

static struct pool pool;
static struct table by_id;

int epolls_init(void)
{
	int err = pool_init(&pool, sizeof(struct epoll), EPOLLS_MAX);

	return err ? err : table_init(&by_id, EPOLLS_MAX);
}

void epolls_fini(void)
{
	table_free(&by_id);
	pool_free(&pool);
}

static int is_same(const void *value, const void *arg)
{
	const struct epoll *a = value, *b = arg;

	return a->id == b->id && a->pid == b->pid;
}

struct epoll *epoll_get(uint32_t pid, uint64_t id)
{
	const struct epoll same = { .id = id, .pid = pid };
	struct epoll *e = table_find(&by_id, hash_mix(pid, id), is_same, &same);

	if (!e) {
		e = pool_get(&pool);
		if (!e)
			return NULL;
		*e = same;
		table_put(&by_id, hash_mix(pid, id), e);
	}
	e->refs++;
	return e;
}

void epoll_unref(struct epoll *e)
{
	if (!e || --e->refs > 0)
		return;
	table_remove(&by_id, hash_mix(e->pid, e->id), e);
	pool_put(&pool, e);
}

bool epoll_is_shared(struct epoll *e, uint32_t tid)
{
	if (!e->tid)
		e->tid = tid;
	e->shared |= e->tid != tid;
	return e->shared;
}
