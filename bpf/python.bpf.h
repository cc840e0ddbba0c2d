/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The context of Python (PEP 567) that a thread works in: an asyncio task has one of its own, which is a copy
 * of the one that it was created in. The interpreter keeps the current one with its state of the thread.
 */
#pragma once

#include "emit.bpf.h"

struct context {
	__u64 created_ns;
	__u32 id;                  /* unlike its address, no other one ever has it */
	__u32 from[CONTEXT_DEPTH]; /* as in struct event_context */
	__u32 announced;
};

/* Whoever works in one that was forgotten works in none that is known. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* CONTEXTS_MAX when they are followed */
	__type(key, struct context_key);
	__type(value, struct context);
} contexts __weak SEC(".maps");

static __always_inline struct context *context_find(__u32 pid, __u64 address)
{
	struct context_key key = { .address = address, .pid = pid };

	return bpf_map_lookup_elem(&contexts, &key);
}

/* The agent learns only of those in which something happens. */
static __always_inline bool context_announce(const struct context *c)
{
	struct event_context *e = emit_reserve(sizeof(*e));

	if (!e)
		return false;
	event_init(&e->h, EVENT_CONTEXT, 0, 0);
	e->created_ns = c->created_ns;
	e->id = c->id;
	__builtin_memcpy(e->from, c->from, sizeof(e->from));
	e->reserved = 0;
	emit_reserved(&e->h);
	return true;
}

/* The id of the context that the thread works in, which is announced; 0: none, or not known. */
static __always_inline __u32 context_current(const struct cause *thread, __u32 pid)
{
	struct context *c;
	__u64 address;

	if (!settings.runtimes[RUNTIME_python] || !thread || !thread->context_at ||
	    bpf_probe_read_user(&address, sizeof(address), (void *)thread->context_at) < 0)
		return 0;
	c = context_find(pid, address);
	if (!c || (!c->announced && !context_announce(c)))
		return 0;
	c->announced = true;
	return c->id;
}
