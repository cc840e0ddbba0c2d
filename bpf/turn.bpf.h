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

#define EPOLLIN      1U
#define EPOLLONESHOT (1U << 30)
#define EPOLLET      (1U << 31)

/* The file's entry in the epoll instance that watches it; NULL: none does. */
static __always_inline struct epitem *watching(const struct file *file)
{
	struct hlist_head *entries = file->f_ep;
	struct hlist_node *node = entries ? entries->first : NULL;

	if (!node)
		return NULL;
	return (struct epitem *)((__u64)node - bpf_core_field_offset(struct epitem, fllink));
}

/* That entry if it is level-triggered; else 0. */
static __always_inline __u64 turn_item(const struct file *file)
{
	struct epitem *item = watching(file);

	return !item || BPF_CORE_READ(item, event.events) & (EPOLLET | EPOLLONESHOT) ? 0 : (__u64)item;
}

/* Identifies the epoll instance that watches the file; 0: none. */
static __always_inline __u64 turn_epoll(const struct file *file)
{
	struct epitem *item = watching(file);

	return item ? (__u64)BPF_CORE_READ(item, ep) : 0;
}

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
 * Did nothing but sockets come between two entries of the same batch? A file that is ready only since then
 * comes behind both. In turn.bpf.c, as the others are: the verifier looks at each once, and not on each way
 * that leads there.
 */
extern int turn_is_followed(__u64 item, __u64 next, __u64 socket_ops);

/*
 * Can a thread that takes what was reported in its order have run nothing since it has read the entry's
 * socket? To be asked before it is back in its loop.
 */
extern int turn_is_last(__u64 item, __u64 socket_ops);

/*
 * EVENT_TURN_ON: still in the turn of the entry; EVENT_TURN_OVER: back in the loop since; both: in the turn
 * of its batch, in which a timer or the like follows, or of another one that the entry is in again; 0: cannot
 * be told.
 */
extern int turn_flags(__u64 item, __u64 socket_ops);
