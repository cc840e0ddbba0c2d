// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hook source: threads that wake one another. A thread that sleeps and is woken by another of its process
 * inherits the other's cause until it sleeps again or receives something of its own.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "turn.bpf.h"

/*
 * Has the thread woken the other one by what it asked the kernel for, a futex or an eventfd? Else the handler
 * of an interrupt has, or it was woken for what a socket has received, which is seen in another way.
 */
static __always_inline bool woken_by_call(struct task_struct *task, struct task_struct *woken)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct pt_regs *waits = (struct pt_regs *)bpf_task_pt_regs(woken);

	if (CALL_IS_32_BIT(task))
		return false;
	switch (CALL_NUMBER(regs)) {
	case CALL_FUTEX:
		return CALL_NUMBER(waits) == CALL_FUTEX;
	case CALL_WRITE:
		return CALL_NUMBER(waits) != CALL_FUTEX && fd_kind(task, CALL_ARG1(regs)) == FILE_EVENT;
	}
	return false;
}

static __always_inline bool is_over(const struct cause *c)
{
	return settings.exact_turns ? c->over : turn_flags(c->item, c->socket_ops) & EVENT_TURN_OVER;
}

/* Makes room for what the threads of the targets inherit; run once when targets are added. */
SEC("iter/task")
int sched__existing(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 pid;

	if (!task)
		return 0;
	pid = task->tgid;
	if (bpf_map_lookup_elem(&targets, &pid))
		bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched__fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = child->tgid;

	if (bpf_map_lookup_elem(&targets, &pid))
		bpf_task_storage_get(&causes, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* Kernel 4.3, commit fbd705a0c618. Runs in the thread that wakes, before the other one runs. */
SEC("tp_btf/sched_waking")
int BPF_PROG(sched__waking, struct task_struct *woken)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *from, *to;

	/* Who has no state of ours, or of any other program, is passed by at once. */
	if (!task->bpf_storage || woken->tgid != task->tgid || woken == task)
		return 0;
	from = bpf_task_storage_get(&causes, task, 0, 0);
	/* Not created here: the scheduler holds its locks. */
	to = from && woken_by_call(task, woken) ? bpf_task_storage_get(&causes, woken, 0, 0) : NULL;
	if (!to)
		return 0;
	if (from->woken_sock && from->woken_switches == task->nvcsw) {
		to->woken_sock = from->woken_sock;
		to->woken_pos = from->woken_pos;
	} else if (from->switches == task->nvcsw && !is_over(from)) {
		to->woken_sock = from->sock;
		to->woken_pos = from->pos;
	} else {
		to->woken_sock = 0;
	}
	to->woken_switches = woken->nvcsw;
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
