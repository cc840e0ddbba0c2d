/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A thread's cause: set when it receives, stamped on every event that it causes. */
#pragma once

#include "turn.bpf.h"

#define AF_UNIX 1

/*
 * Did this end accept the connection? A TCP socket that was accepted is a clone of its listener and keeps its
 * backlog (sk_clone_lock(), net/core/sock.c); one that connected never had any. A unix one keeps its name.
 */
static __always_inline bool is_accepted(const struct sock *sk)
{
	if (sk->__sk_common.skc_family == AF_UNIX)
		return BPF_CORE_READ((struct unix_sock *)sk, addr);
	return sk->sk_max_ack_backlog;
}

/* A thread's; NULL: none yet. */
static __always_inline struct cause *cause_of_thread(struct task_struct *task)
{
	return bpf_task_storage_get(&causes, task, 0, 0);
}

/* c: of the current thread, which is task; NULL: to be made. */
static __always_inline void cause_set(struct task_struct *task, struct cause *c, const struct sock *sk,
				      __u64 sock, __u32 pos)
{
	struct socket *socket = sk->sk_socket;
	struct file *file = socket ? socket->file : NULL;

	if (!c)
		c = bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c)
		return;
	c->sock = sock;
	c->pos = pos;
	c->item = file ? turn_item(file) : 0;
	c->socket_ops = file ? (__u64)file->f_op : 0;
	c->switches = task->nvcsw;
	c->over = false;
	c->woken_sock = 0;
}

static __always_inline __u16 sampled_flag(void)
{
	return limits.one_of > 1 ? EVENT_SAMPLED : 0;
}

/* The cause of what the current thread does to no socket. Returns it, and flags as cause_get() adds them. */
static __always_inline __u64 cause_sock(__u16 *flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c = cause_of_thread(task);

	*flags |= sampled_flag();
	if (!c)
		return 0;
	if (c->switches != task->nvcsw)
		*flags |= EVENT_SLEPT;
	if (settings.exact_turns)
		*flags |= c->over ? EVENT_TURN_OVER : EVENT_TURN_ON;
	else
		*flags |= turn_flags(c->item, c->socket_ops);
	return c->sock;
}

/*
 * The cause of what the current thread, whose c is, does to the socket; adds to flags what is known of the
 * time since.
 */
static __always_inline void cause_get(struct task_struct *task, const struct cause *c,
				      const struct sock_state *s, struct cause *ret_cause, __u16 *flags)
{
	*flags |= sampled_flag();
	ret_cause->sock = c ? c->sock : 0;
	ret_cause->pos = c ? c->pos : 0;
	ret_cause->woken_sock = c && c->woken_switches == task->nvcsw ? c->woken_sock : 0;
	ret_cause->woken_pos = c ? c->woken_pos : 0;
	if (c && c->switches != task->nvcsw)
		*flags |= EVENT_SLEPT;
	/* What goes back to a client where it came from needs no cause. */
	if (!c || (c->sock == s->id && s->accepted))
		return;
	if (settings.exact_turns)
		*flags |= c->over ? EVENT_TURN_OVER : EVENT_TURN_ON;
	else
		*flags |= turn_flags(c->item, c->socket_ops);
}
