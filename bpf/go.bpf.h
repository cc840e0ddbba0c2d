/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which goroutine of Go works for which request: the one that has received it from its client's connection,
 * those that this one starts, and the one that either hands something through a channel, as its own client
 * does to what writes on a connection. A goroutine goes from thread to thread; while one makes a system call,
 * a register of its thread points to it.
 */
#pragma once

#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "told.bpf.h"

struct goroutine_key {
	__u64 g; /* the address of its state, which others get after it */
	__u32 pid;
	__u32 reserved;
};

struct goroutine {
	__u64 id;         /* of the goroutine, which no other one has */
	__u64 sock;       /* the connection of a client that it received from last, and how far; 0: none */
	__u64 woken_sock; /* the same of the one that has woken it by what it sent it; 0: none */
	__u64 woken_ns;
	__u32 pos;
	__u32 woken_pos;
	bool started;  /* another one has received that, and started it */
	bool answered; /* it has sent something to its client since */
	bool many;     /* it has received from several at once: whom it works for cannot be told */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* GOROUTINES_MAX when they are followed */
	__type(key, struct goroutine_key);
	__type(value, struct goroutine);
} goroutines __weak SEC(".maps");

/* Process id → where in a goroutine's state its id is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* processes end without a word to it */
	__uint(max_entries, GOS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} gos __weak SEC(".maps");

/* The thread's, of a process of Go: where goroutines have their ids. 0: it is of no such process. */
static __always_inline __u32 goid_offset(struct task_struct *task, struct cause *c)
{
	__u32 pid = task->tgid, generation = runtime_generations[RUNTIME_go], *offset;

	if (!settings.runtimes[RUNTIME_go] || !c)
		return 0;
	if (c->gos_generation != generation) {
		offset = bpf_map_lookup_elem(&gos, &pid);
		c->goid_offset = offset ? *offset : 0;
		c->gos_generation = generation;
	}
	return c->goid_offset;
}

static __always_inline __u64 goroutine_id(__u64 g, __u32 offset)
{
	__u64 id = 0;

	bpf_probe_read_user(&id, sizeof(id), (void *)(g + offset));
	return id;
}

/* NULL: what was at its address before was another one, or nothing that matters. */
static __always_inline struct goroutine *goroutine_find(const struct goroutine_key *key, __u64 id)
{
	struct goroutine *g = bpf_map_lookup_elem(&goroutines, key);

	return g && g->id == id ? g : NULL;
}

static __always_inline struct goroutine_key goroutine_current(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	return (struct goroutine_key){ .g = GO_G(regs), .pid = task->tgid };
}

/*
 * The current goroutine, if the thread runs one, has received something, from a client if accepted. Global,
 * so that the verifier looks at it once and by itself, which takes less memory.
 */
__weak int goroutine_received(__u64 sock, __u32 pos, bool accepted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct goroutine received = { .sock = sock, .pos = pos };
	__u32 offset = goid_offset(task, bpf_task_storage_get(&causes, task, 0, 0));
	struct goroutine_key key;
	struct goroutine *g;

	if (!offset)
		return 0;
	key = goroutine_current(task);
	received.id = goroutine_id(key.g, offset);
	g = goroutine_find(&key, received.id);
	if (!accepted) {
		/* It has gone on with what it was handed; what it does next may be something else. */
		if (g)
			g->woken_sock = 0;
		return 0;
	}
	if (g)
		received.many = !g->started && (g->many || (g->sock && g->sock != sock && !g->answered));
	if (received.id)
		bpf_map_update_elem(&goroutines, &key, &received, BPF_ANY);
	return 0;
}

/*
 * What the current goroutine, if the thread runs one, works for, which sends something on a connection: to a
 * client if accepted, else on one that received something last at received_ns. Global as goroutine_received()
 * is.
 */
__weak int goroutine_tells(struct told *told, __u64 sock, __u64 received_ns, bool accepted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 offset =
		goid_offset(task, bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE));
	struct goroutine_key key;
	struct goroutine *g;

	if (!offset || !told)
		return 0;
	told->goroutine = true;
	key = goroutine_current(task);
	g = goroutine_find(&key, goroutine_id(key.g, offset));
	if (!g)
		return 0;
	if (accepted) {
		g->answered |= g->sock == sock;
	} else if (g->sock && !g->many) {
		told->sock = g->sock;
		told->pos = g->pos;
	} else if (!g->sock && g->woken_ns > received_ns) {
		told->sock = g->woken_sock;
		told->pos = g->woken_pos;
	}
	return 0;
}
