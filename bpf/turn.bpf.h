/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a thread with an event loop still is in the turn of the socket that it received from last. An epoll
 * instance puts a level-triggered socket that it has reported back on its ready list at once and takes it off
 * only when it is asked again (ep_send_events(), fs/eventpoll.c, the same from Linux 4.9 to 6.18): while the
 * socket is on the list, the thread has not been back. What follows on the list was reported in the same
 * batch.
 */
#pragma once

#include "maps.bpf.h"

#define BATCH_MAX    64 /* entries behind the socket's that are looked at */
#define EPOLLIN      1U
#define EPOLLONESHOT (1U << 30)
#define EPOLLET      (1U << 31)

static __always_inline struct epitem *item_of_list(__u64 node)
{
	return (struct epitem *)(node - bpf_core_field_offset(struct epitem, rdllink));
}

/* The file's entry in the epoll instance that watches it; 0: none, or not level-triggered. */
static __always_inline __u64 turn_item(const struct file *file)
{
	struct hlist_head *entries = file->f_ep;
	struct hlist_node *node = entries ? entries->first : NULL;
	struct epitem *item;

	if (!node)
		return 0;
	item = (struct epitem *)((__u64)node - bpf_core_field_offset(struct epitem, fllink));
	return BPF_CORE_READ(item, event.events) & (EPOLLET | EPOLLONESHOT) ? 0 : (__u64)item;
}

struct batch_walk {
	__u64 node; /* on the ready list */
	__u64 end;  /* the list itself, or the node up to which it is looked at */
	__u64 socket_ops;
	bool in_order; /* the thread takes what was reported in its order, and reads what it can */
	bool mixed;    /* something else than a socket follows */
	bool ended;    /* nothing else can have run */
};

enum file_kind {
	FILE_OTHER,
	FILE_TIMER,
	FILE_EVENT,
};

static __always_inline enum file_kind file_kind(struct file *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	char kind[8] = {};

	bpf_probe_read_kernel(kind, sizeof(kind), name);
	if (__builtin_memcmp(kind, "[timerfd", sizeof(kind)) == 0)
		return FILE_TIMER;
	return __builtin_memcmp(kind, "[eventfd", sizeof(kind)) == 0 ? FILE_EVENT : FILE_OTHER;
}

static __always_inline enum file_kind fd_kind(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file;

	if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) < 0)
		return FILE_OTHER;
	return file_kind(file);
}

/*
 * Can the thread be doing what it does because of this file, without having received anything? Not of a
 * socket, and not of a timer that it has not read yet. An event that it has read may have come again since.
 */
static __always_inline bool may_have_run(struct file *file, __u64 socket_ops)
{
	struct timerfd_ctx *timer;

	if ((__u64)BPF_CORE_READ(file, f_op) == socket_ops)
		return false;
	timer = BPF_CORE_READ(file, private_data);
	return file_kind(file) != FILE_TIMER || BPF_CORE_READ(timer, ticks) == 0;
}

/* Has the entry's socket something to read? Then it may be on the list because it was reported anew. */
static __always_inline bool has_unread(struct epitem *entry)
{
	struct socket *socket = BPF_CORE_READ(entry, ffd.file, private_data);

	return BPF_CORE_READ(socket, sk, sk_receive_queue.qlen);
}

/* Is it still to be read, or came up only since the batch was reported? */
static __always_inline bool is_due(struct epitem *entry, __u64 socket_ops)
{
	return (__u64)BPF_CORE_READ(entry, ffd.file, f_op) == socket_ops &&
	       BPF_CORE_READ(entry, event.events) & EPOLLIN && has_unread(entry);
}

static long walk_batch(__u32 i, struct batch_walk *w)
{
	struct epitem *item = item_of_list(w->node);

	w->node = (__u64)BPF_CORE_READ(item, rdllink.next);
	item = item_of_list(w->node);
	w->ended = w->node == w->end || (w->in_order && is_due(item, w->socket_ops));
	if (w->ended)
		return 1;
	w->mixed = may_have_run(BPF_CORE_READ(item, ffd.file), w->socket_ops);
	return w->mixed;
}

/*
 * Did nothing but sockets come between two entries of the same batch? A file that is ready only since then
 * comes behind both. Global as turn_flags() is.
 */
__weak int turn_is_followed(__u64 item, __u64 next, __u64 socket_ops)
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
	return (__u64)BPF_CORE_READ(entry, ep) + bpf_core_field_offset(struct eventpoll, rdllist);
}

/*
 * Can a thread that takes what was reported in its order have run nothing since it has read the entry's
 * socket? To be asked before it is back in its loop. Global as turn_flags() is.
 */
__weak int turn_is_last(__u64 item, __u64 socket_ops)
{
	struct epitem *entry = (struct epitem *)item;
	struct batch_walk w = { .socket_ops = socket_ops, .in_order = true };

	if (!item)
		return false;
	w.node = item + bpf_core_field_offset(struct epitem, rdllink);
	if ((__u64)BPF_CORE_READ(entry, rdllink.next) == w.node)
		return false;
	w.end = ready_list(entry);
	bpf_loop(BATCH_MAX, walk_batch, &w, 0);
	return w.ended;
}

/*
 * EVENT_TURN_ON: still in the turn of the entry; EVENT_TURN_OVER: back in the loop since; both: in the turn
 * of its batch, in which a timer or the like follows, or of another one that the entry is in again; 0: cannot
 * be told. Global, so that the verifier looks at it once and not on each way that leads here.
 */
__weak int turn_flags(__u64 item, __u64 socket_ops)
{
	struct epitem *entry = (struct epitem *)item;
	struct batch_walk w = {};

	if (!item)
		return 0;
	w.node = item + bpf_core_field_offset(struct epitem, rdllink);
	if ((__u64)BPF_CORE_READ(entry, rdllink.next) == w.node)
		return EVENT_TURN_OVER;
	w.end = ready_list(entry);
	w.socket_ops = socket_ops;
	bpf_loop(BATCH_MAX, walk_batch, &w, 0);
	return w.mixed || has_unread(entry) ? EVENT_TURN_ON | EVENT_TURN_OVER : EVENT_TURN_ON;
}
