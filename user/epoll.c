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
	struct epoll *l = table_find(&by_id, hash_mix(pid, id), is_same, &same);

	if (!l) {
		l = pool_get(&pool);
		if (!l)
			return NULL;
		*l = same;
		table_put(&by_id, hash_mix(pid, id), l);
	}
	l->refs++;
	return l;
}

void epoll_unref(struct epoll *l)
{
	if (!l || --l->refs > 0)
		return;
	table_remove(&by_id, hash_mix(l->pid, l->id), l);
	pool_put(&pool, l);
}

bool epoll_is_shared(struct epoll *l, uint32_t tid)
{
	if (!l->tid)
		l->tid = tid;
	l->shared |= l->tid != tid;
	return l->shared;
}
