// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The ready list of an epoll instance. No hook source: others call it. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "turn.bpf.h"

#define BATCH_MAX 64 /* entries behind the socket's that are looked at */

/* Kernel 6.2, commit a35b9af4ec2c: what its result points to is loaded, not copied by a call, and is zero
 * where nothing can be loaded. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* The field of what is there of this type. */
#define LOAD(type, at, field)                                                                                \
	(bpf_rdonly_cast                                                                                     \
		 ? ((type *)bpf_rdonly_cast((const void *)(at), bpf_core_type_id_kernel(type)))->field       \
		 : BPF_CORE_READ((type *)(at), field))

static __always_inline struct epitem *item_of_list(__u64 node)
{
	return (struct epitem *)(node - bpf_core_field_offset(struct epitem, rdllink));
}

struct batch_walk {
	__u64 node; /* on the ready list */
	__u64 end;  /* the list itself, or the node up to which it is looked at */
	__u64 socket_ops;
	bool in_order; /* the thread takes what was reported in its order, and reads what it can */
	bool mixed;    /* something else than a socket follows */
	bool ended;    /* nothing else can have run */
};

/*
 * Can the thread be doing what it does because of this file, without having received anything? Not of a
 * socket, and not of a timer that it has not read yet. An event that it has read may have come again since.
 */
static __always_inline bool may_have_run(struct file *file, __u64 socket_ops)
{
	struct timerfd_ctx *timer;

	if ((__u64)LOAD(struct file, file, f_op) == socket_ops)
		return false;
	timer = BPF_CORE_READ(file, private_data);
	return file_kind(file) != FILE_TIMER || BPF_CORE_READ(timer, ticks) == 0;
}

/* Has the entry's socket something to read? Then it may be on the list because it was reported anew. */
static __always_inline bool has_unread(struct epitem *entry)
{
	struct file *file = LOAD(struct epitem, entry, ffd.file);
	struct socket *socket = LOAD(struct file, file, private_data);
	struct sock *sk = LOAD(struct socket, socket, sk);

	return LOAD(struct sock, sk, sk_receive_queue.qlen);
}

/* Is it still to be read, or came up only since the batch was reported? */
static __always_inline bool is_due(struct epitem *entry, __u64 socket_ops)
{
	struct file *file = LOAD(struct epitem, entry, ffd.file);

	return (__u64)LOAD(struct file, file, f_op) == socket_ops &&
	       LOAD(struct epitem, entry, event.events) & EPOLLIN && has_unread(entry);
}

static long walk_batch(__u32 i, struct batch_walk *w)
{
	struct epitem *item = item_of_list(w->node);

	w->node = (__u64)LOAD(struct epitem, item, rdllink.next);
	item = item_of_list(w->node);
	w->ended = w->node == w->end || (w->in_order && is_due(item, w->socket_ops));
	if (w->ended)
		return 1;
	w->mixed = may_have_run(LOAD(struct epitem, item, ffd.file), w->socket_ops);
	return w->mixed;
}

__noinline int turn_is_followed(__u64 item, __u64 next, __u64 socket_ops)
{
	struct batch_walk w = { .socket_ops = socket_ops };

	if (!item || !next)
		return false;
	if (item == next)
		return true;
	w.node = item + bpf_core_field_offset(struct epitem, rdllink);
	w.end = next + bpf_core_field_offset(struct epitem, rdllink);
	bpf_loop(BATCH_MAX, walk_batch, &w, 0);
	return w.ended;
}

static __always_inline __u64 ready_list(struct epitem *entry)
{
	return (__u64)LOAD(struct epitem, entry, ep) + bpf_core_field_offset(struct eventpoll, rdllist);
}

__noinline int turn_is_last(__u64 item, __u64 socket_ops)
{
	struct epitem *entry = (struct epitem *)item;
	struct batch_walk w = { .socket_ops = socket_ops, .in_order = true };

	if (!item)
		return false;
	w.node = item + bpf_core_field_offset(struct epitem, rdllink);
	if ((__u64)LOAD(struct epitem, entry, rdllink.next) == w.node)
		return false;
	w.end = ready_list(entry);
	bpf_loop(BATCH_MAX, walk_batch, &w, 0);
	return w.ended;
}

__noinline int turn_flags(__u64 item, __u64 socket_ops)
{
	struct epitem *entry = (struct epitem *)item;
	struct batch_walk w = {};

	if (!item)
		return 0;
	w.node = item + bpf_core_field_offset(struct epitem, rdllink);
	if ((__u64)LOAD(struct epitem, entry, rdllink.next) == w.node)
		return EVENT_TURN_OVER;
	w.end = ready_list(entry);
	w.socket_ops = socket_ops;
	bpf_loop(BATCH_MAX, walk_batch, &w, 0);
	return w.mixed || has_unread(entry) ? EVENT_TURN_ON | EVENT_TURN_OVER : EVENT_TURN_ON;
}
