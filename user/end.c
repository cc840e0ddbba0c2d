/* SPDX-License-Identifier: Apache-2.0 */
#include "end.h"

#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/table.h"

static struct table ends;

int ends_init(uint32_t ends_max)
{
	return table_init(&ends, ends_max);
}

void ends_fini(void)
{
	table_free(&ends);
}

static uint64_t hash_address(uint64_t h, const struct address *a)
{
	uint64_t ip[2];

	memcpy(ip, a->ip, sizeof(ip));
	return hash_mix(hash_mix(hash_mix(h, ip[0]), ip[1]), a->port);
}

static uint64_t end_key_of(const struct conn *c, bool mirrored)
{
	if (c->local.family == AF_UNIX)
		return hash_mix(hash_mix(1, mirrored ? c->peer_id : c->id), mirrored ? c->id : c->peer_id);
	return hash_address(hash_address(2, mirrored ? &c->peer : &c->local),
			    mirrored ? &c->local : &c->peer);
}

static bool address_eq(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return a->family == AF_INET ? a->ip[0] == 127 : memcmp(a->ip, loopback6, 16) == 0;
}

static int is_other_end(const void *value, const void *arg)
{
	const struct conn *a = value, *b = arg;

	if (a->local.family == AF_UNIX)
		return a->id == b->peer_id && a->peer_id == b->id;
	return address_eq(&a->local, &b->peer) && address_eq(&a->peer, &b->local) &&
	       (a->netns == b->netns || !is_loopback(&a->local));
}

struct conn *end_other(const struct conn *c)
{
	return c->end_key ? table_find(&ends, end_key_of(c, true), is_other_end, c) : NULL;
}

static int is_same_end(const void *value, const void *arg)
{
	const struct conn *a = value, *b = arg;

	return a->local.family == AF_UNIX && a->id == b->id && a->peer_id == b->peer_id;
}

void end_remove(struct conn *c)
{
	if (c->end_key)
		table_remove(&ends, c->end_key, c);
	c->end_key = 0;
}

void end_add(struct conn *c)
{
	struct conn *old;
	uint64_t key;

	if (c->local.family == AF_UNIX ? !c->id || !c->peer_id : !c->local.port || !c->peer.port)
		return;
	key = end_key_of(c, false);
	if (key == c->end_key)
		return;
	end_remove(c);
	/* The close of a unix socket is not seen, and the kernel gives its id to another. */
	old = table_find(&ends, key, is_same_end, c);
	if (old)
		end_remove(old);
	c->end_key = table_put(&ends, key, c) == 0 ? key : 0;
}
