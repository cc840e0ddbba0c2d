// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: contexts of Python that are copied, as they are for each task of asyncio. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cause.bpf.h"
#include "compat.bpf.h"
#include "python.bpf.h"

/* Process id → where its interpreter keeps what. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* processes end without a word to it */
	__uint(max_entries, PYTHONS_MAX);
	__type(key, __u32);
	__type(value, struct python);
} pythons SEC(".maps");

__u32 last_id;

/* Of the x86-64 psABI, and an entry of glibc's table of a thread's blocks (sysdeps/x86_64/nptl/tls.h). */
struct tls_index {
	__u64 module;
	__u64 offset;
};
struct dtv_entry {
	__u64 block;
	__u64 to_free;
};
#define DTV_AT 8 /* from the thread pointer on, the pointer to that table */

/* Where the pointer to the current thread's state is; 0: nobody knows. */
static __always_inline __u64 state_at(const struct python *p)
{
	__u64 thread = THREAD_POINTER(bpf_get_current_task_btf()), dtv;
	struct tls_index index;
	struct dtv_entry entry;

	if (p->storage == PYTHON_GLOBAL)
		return p->thread_state;
	if (p->storage == PYTHON_THREAD)
		return thread + p->thread_state;
	if (bpf_probe_read_user(&index, sizeof(index), (void *)p->thread_state) < 0 ||
	    bpf_probe_read_user(&dtv, sizeof(dtv), (void *)(thread + DTV_AT)) < 0 ||
	    bpf_probe_read_user(&entry, sizeof(entry), (void *)(dtv + index.module * sizeof(entry))) < 0)
		return 0;
	return entry.block + index.offset + p->in_block;
}

/* PyContext_CopyCurrent() is called: Python 3.7. The thread holds the interpreter. */
SEC("uprobe")
int python__copying(struct pt_regs *regs)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct python *python = bpf_map_lookup_elem(&pythons, &pid);
	struct cause *thread;
	__u64 state;

	if (!python || !is_target(pid))
		return 0;
	thread = bpf_task_storage_get(&causes, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread || bpf_probe_read_user(&state, sizeof(state), (void *)state_at(python)) < 0 || !state)
		return 0;
	thread->context_at = state + python->context;
	thread->copying = true;
	return 0;
}

/*
 * A new context is to be returned, in the register that the cookie tells; NULL: there is no room for one. It
 * is a copy of the current one, if that is what the thread was asked for, else of one that is not known.
 */
SEC("uprobe")
int python__copied(struct pt_regs *regs)
{
	struct context_key key = { .address = register_of(regs, bpf_get_attach_cookie(regs)),
				   .pid = bpf_get_current_pid_tgid() >> 32 };
	struct context c = { .created_ns = bpf_ktime_get_ns() }, *from = NULL;
	struct cause *thread = cause_of_thread(bpf_get_current_task_btf());
	__u64 current;
	bool copied;

	if (!thread || !thread->context_at || !is_target(key.pid))
		return 0;
	copied = thread->copying;
	thread->copying = false;
	if (!key.address)
		return 0;
	if (copied && bpf_probe_read_user(&current, sizeof(current), (void *)thread->context_at) == 0)
		from = context_find(key.pid, current);
	if (from) {
		c.from[0] = from->id;
		__builtin_memcpy(&c.from[1], from->from, sizeof(c.from) - sizeof(c.from[0]));
	}
	c.id = __sync_fetch_and_add(&last_id, 1) + 1;
	/* Else an older one that was there would be taken for it. */
	if (!c.id || bpf_map_update_elem(&contexts, &key, &c, BPF_ANY))
		bpf_map_delete_elem(&contexts, &key);
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
