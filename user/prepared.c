/* SPDX-License-Identifier: Apache-2.0 */
#include "prepared.h"

#include "base/pool.h"
#include "base/table.h"

struct prepared {
	struct statement statement;
	uint64_t sock, key;
	struct prepared *prev, *next;            /* in the order of their use */
	struct prepared *sibling_prev, *sibling; /* of the same connection; the first one is in the table */
};

static struct pool pool;
static struct table by_key, by_sock;
static struct prepared *oldest, *latest;

int prepared_init(uint32_t max)
{
	int err = pool_init(&pool, sizeof(struct prepared), max);

	oldest = latest = NULL;
	if (err || (err = table_init(&by_key, max)))
		return err;
	return table_init(&by_sock, max);
}

void prepared_fini(void)
{
	table_free(&by_sock);
	table_free(&by_key);
	pool_free(&pool);
}

static int is_same(const void *value, const void *arg)
{
	const struct prepared *a = value, *b = arg;

	return a->sock == b->sock && a->key == b->key;
}

static struct prepared *find(uint64_t sock, uint64_t key)
{
	const struct prepared same = { .sock = sock, .key = key };

	return table_find(&by_key, hash_mix(sock, key), is_same, &same);
}

static void unlink_prepared(struct prepared *p)
{
	*(p->prev ? &p->prev->next : &oldest) = p->next;
	*(p->next ? &p->next->prev : &latest) = p->prev;
}

static void link_latest(struct prepared *p)
{
	p->next = NULL;
	p->prev = latest;
	*(latest ? &latest->next : &oldest) = p;
	latest = p;
}

static void link_sibling(struct prepared *p)
{
	struct prepared *first = table_get(&by_sock, p->sock);

	if (!first) {
		table_put(&by_sock, p->sock, p);
		return;
	}
	p->sibling_prev = first;
	p->sibling = first->sibling;
	if (p->sibling)
		p->sibling->sibling_prev = p;
	first->sibling = p;
}

static void unlink_sibling(struct prepared *p)
{
	if (p->sibling)
		p->sibling->sibling_prev = p->sibling_prev;
	if (p->sibling_prev) {
		p->sibling_prev->sibling = p->sibling;
		return;
	}
	table_remove(&by_sock, p->sock, p);
	if (p->sibling)
		table_put(&by_sock, p->sock, p->sibling);
}

static void forget(struct prepared *p)
{
	unlink_prepared(p);
	unlink_sibling(p);
	table_remove(&by_key, hash_mix(p->sock, p->key), p);
	pool_put(&pool, p);
}

struct statement *prepared_put(uint64_t sock, uint64_t key)
{
	struct prepared *p = find(sock, key);

	if (p)
		forget(p);
	while (!(p = pool_get(&pool)))
		forget(oldest);
	p->sock = sock;
	p->key = key;
	table_put(&by_key, hash_mix(sock, key), p);
	link_latest(p);
	link_sibling(p);
	return &p->statement;
}

void prepared_end(uint64_t sock)
{
	struct prepared *p;

	while ((p = table_get(&by_sock, sock)))
		forget(p);
}

const struct statement *prepared_get(uint64_t sock, uint64_t key)
{
	struct prepared *p = find(sock, key);

	if (!p)
		return NULL;
	unlink_prepared(p);
	link_latest(p);
	return &p->statement;
}

void prepared_rename(uint64_t sock, uint64_t from, uint64_t to)
{
	struct prepared *p = find(sock, from), *old;

	if (!p || from == to)
		return;
	if ((old = find(sock, to)))
		forget(old);
	table_remove(&by_key, hash_mix(sock, from), p);
	p->key = to;
	table_put(&by_key, hash_mix(sock, to), p);
}
