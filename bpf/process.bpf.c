// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: targets that fork, execute another program and exit. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "emit.bpf.h"

__u64 followed[FOLLOWED_LEN];

static __always_inline void emit_change(struct task_struct *task, __u32 change, __u32 parent,
					const char *path)
{
	struct event_process e = {};

	event_init(&e.h, EVENT_PROCESS, 0, 0);
	e.h.pid = task->tgid;
	e.h.tid = task->pid;
	e.change = change;
	e.parent = parent;
	bpf_probe_read_kernel_str(e.command, sizeof(e.command), task->comm);
	if (path)
		bpf_probe_read_kernel_str(e.path, sizeof(e.path), path);
	emit(&e.h, sizeof(e));
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process__fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = child->tgid, parent_pid = parent->tgid;

	/* A new thread has its process's tgid. */
	if (pid == parent_pid || !bpf_map_lookup_elem(&targets, &parent_pid))
		return 0;
	if (target_add(pid, 0))
		emit_change(child, PROCESS_FORKED, parent_pid, NULL);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process__exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 pid = task->tgid;

	if (!bpf_map_lookup_elem(&targets, &pid) && (!settings.watch_exec || !target_add(pid, 0)))
		return 0;
	emit_change(task, PROCESS_EXECED, 0, bprm->filename);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process__exit, struct task_struct *task)
{
	__u32 pid = task->tgid;

	/* The last thread has already been taken from the count. */
	if (task->signal->live.counter != 0 || !bpf_map_lookup_elem(&targets, &pid))
		return 0;
	target_remove(pid);
	emit_change(task, PROCESS_EXITED, 0, NULL);
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
