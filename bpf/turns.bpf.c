// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hook source: the ends of turns. A thread that asks its event loop for more, or takes a timer or an event
 * from it, works no more for what it received before. Loaded only when asked for: while it is, every process
 * of the host enters its system calls on the slow path.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "turn.bpf.h"

SEC("tp_btf/sys_enter")
int BPF_PROG(turns__enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c;

	/* Who has no state of ours, or of any other program, is passed by at once. */
	if (!task->bpf_storage || CALL_IS_32_BIT(task))
		return 0;
	c = bpf_task_storage_get(&causes, task, 0, 0);
	if (!c)
		return 0;
	switch (number) {
	case CALL_EPOLL_WAIT:
	case CALL_EPOLL_PWAIT:
	case CALL_EPOLL_PWAIT2:
	case CALL_POLL:
	case CALL_PPOLL:
	case CALL_SELECT:
	case CALL_PSELECT6:
	case CALL_IO_URING_ENTER:
		c->over = true;
		break;
	case CALL_READ:
		c->over |= fd_kind(task, CALL_ARG1(regs)) != FILE_OTHER;
		break;
	}
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
