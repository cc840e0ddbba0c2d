/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose turn a thread of Node.js works for when it has put work off. The loop of libuv reads what a batch of
 * sockets has received, one after the other, each with all the JavaScript that it leads to at once; then it
 * runs what that has put off by setImmediate() (https://docs.libuv.org/en/v1.x/design.html#the-i-o-loop).
 * Whatever can be put off has an async id, given in ascending order when it is created, and the id of what
 * runs is in memory (https://nodejs.org/api/async_hooks.html): it lies between those given by the start and
 * by the end of the turn that has created it.
 */
#pragma once

#include "told.bpf.h"
#include "turn.bpf.h"

#define NODE_TURNS 256 /* of one batch that are remembered; a power of two */

/*
 * What Node.js keeps, node::AsyncHooks::UidFields of src/env.h, the same in versions 8 to 24. They are
 * doubles, but not negative: then their bits are in the same order.
 */
struct node_ids {
	__u64 execution; /* of what runs; 0: something that has none */
	__u64 trigger;   /* of what ran when that was created */
	__u64 last;      /* that was given */
};

struct node_turn {
	__u64 after; /* the last id that was given before */
	__u64 sock;  /* what was received; 0: nobody's */
	__u32 pos;
	bool mixed; /* something else may have run since */
};

/* A thread that runs Node.js. */
struct node {
	__u64 ids;        /* where in its process struct node_ids is */
	__u64 mm;         /* the process's memory, another one once it executes something else */
	__u64 item;       /* of what it received last, its entry in the epoll instance; 0: none */
	__u32 generation; /* of the probe that has seen that */
	__u32 len;        /* turns of the batch */
	__u64 last;       /* the last id that was given in them, if they are over */
	bool over;
	struct node_turn turns[NODE_TURNS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct node);
} nodes __weak SEC(".maps");

static __always_inline bool node_read(const struct node *n, struct node_ids *ret_ids)
{
	return bpf_probe_read_user(ret_ids, sizeof(*ret_ids), (void *)n->ids) == 0;
}

/* NULL: it is not known whether the thread, whose c is, runs Node.js. */
static __always_inline struct node *node_of(struct task_struct *task, const struct cause *c)
{
	struct node *n;

	if (!settings.runtimes[RUNTIME_node] || !c || !c->node)
		return NULL;
	n = bpf_task_storage_get(&nodes, task, 0, 0);
	return n && n->mm == (__u64)task->mm && n->generation == runtime_generations[RUNTIME_node] ? n : NULL;
}

/* The turn that the thread was in until now is over. mixed: something else may have run since it began. */
static __always_inline void node_turn_over(struct node *n, bool mixed)
{
	n->turns[(n->len - 1) % NODE_TURNS].mixed = mixed;
}

/*
 * The current thread, known to run Node.js, receives this; sock 0: something that is for nobody. Global, so
 * that the verifier looks at it once and by itself, which takes less memory.
 */
__weak int node_received(__u64 sock, __u32 pos)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c = bpf_task_storage_get(&causes, task, 0, 0);
	struct node *n = node_of(task, c);
	struct node_turn *turn;
	struct node_ids ids;
	__u64 before;

	if (!n)
		return 0;
	before = n->item;
	n->item = c->node_item;
	if (!node_read(n, &ids)) {
		n->generation = 0;
		return 0;
	}
	if (n->over)
		n->len = 0;
	else
		node_turn_over(n, !turn_is_followed(before, n->item, c->socket_ops));
	n->over = false;
	turn = &n->turns[n->len++ % NODE_TURNS];
	turn->after = ids.last;
	turn->sock = sock;
	turn->pos = pos;
	turn->mixed = false;
	return 0;
}

struct node_search {
	const struct node *node;
	__u64 id;
	__u32 from, to; /* it is among these turns, counted from the batch's first one on */
};

static long halve(struct node_search *s)
{
	__u32 middle = s->from + (s->to - s->from) / 2;

	if (s->to - s->from <= 1)
		return 1;
	if (s->node->turns[middle % NODE_TURNS].after < s->id)
		s->from = middle;
	else
		s->to = middle;
	return 0;
}

/* The turn that the id was given in; NULL: in none that is remembered. */
static __always_inline const struct node_turn *node_turn_of(const struct node *n, __u64 id)
{
	struct node_search s = { .node = n, .id = id, .to = n->len };
	const struct node_turn *turn;

	if (!id || id > n->last)
		return NULL;
	if (n->len > NODE_TURNS)
		s.from = n->len - NODE_TURNS;
	for (int i = 0; i < 9; i++)
		if (halve(&s))
			break;
	turn = &n->turns[s.from % NODE_TURNS];
	return turn->after < id ? turn : NULL;
}

/*
 * What the current thread, known to run Node.js, works for, if that tells: while a batch goes on, what it
 * received last. Global as node_received() is.
 */
__weak int node_tells(struct told *told)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct cause *c = bpf_task_storage_get(&causes, task, 0, 0);
	const struct node *n = node_of(task, c);
	const struct node_turn *turn = NULL;
	struct node_ids ids;

	if (!n || !n->len || !told)
		return 0;
	if (!n->over) {
		turn = &n->turns[(n->len - 1) % NODE_TURNS];
		told->mixed = !turn_is_last(n->item, c->socket_ops);
	} else if (node_read(n, &ids)) {
		/* What was put off may have put something off itself, as by process.nextTick(). */
		turn = node_turn_of(n, ids.execution > n->last ? ids.trigger : ids.execution);
		told->mixed = turn && turn->mixed;
	}
	if (!turn)
		return 0;
	told->sock = turn->sock;
	told->pos = turn->pos;
	return 0;
}
