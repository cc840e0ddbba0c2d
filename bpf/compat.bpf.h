/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What differs between architectures and kernels. */
#pragma once

#include "maps.bpf.h"

/* System calls that move bytes on sockets and where their registers point. */
enum payload_kind {
	PAYLOAD_ELSEWHERE = 0, /* in no register: io_uring, or a call that is not known */
	PAYLOAD_FILE,          /* sendfile and splice: from or to a file or pipe, no user memory */
	PAYLOAD_BUFFER,        /* second argument: the buffer */
	PAYLOAD_VECTOR,        /* second argument: struct iovec[], third: how many */
	PAYLOAD_MESSAGE,       /* second argument: struct msghdr */
	PAYLOAD_MESSAGES,      /* second argument: struct mmsghdr[], third: how many */
};

#if defined(__TARGET_ARCH_x86)

/* arch/x86/entry/syscalls/syscall_64.tbl */
static __always_inline enum payload_kind payload_kind(__u64 nr)
{
	switch (nr) {
	case 0:  /* read */
	case 1:  /* write */
	case 44: /* sendto */
	case 45: /* recvfrom */
		return PAYLOAD_BUFFER;
	case 19:  /* readv */
	case 20:  /* writev */
	case 327: /* preadv2 */
	case 328: /* pwritev2 */
		return PAYLOAD_VECTOR;
	case 46: /* sendmsg */
	case 47: /* recvmsg */
		return PAYLOAD_MESSAGE;
	case 299: /* recvmmsg */
	case 307: /* sendmmsg */
		return PAYLOAD_MESSAGES;
	case 40:  /* sendfile */
	case 275: /* splice */
		return PAYLOAD_FILE;
	}
	return PAYLOAD_ELSEWHERE;
}

#define TS_COMPAT 0x2 /* arch/x86/include/asm/thread_info.h: in a 32-bit system call */

struct call {
	enum payload_kind kind;
	__u64 arg2;
	__u64 arg3;
};

/* The system call that the current thread is in. */
static __always_inline void current_call(struct call *ret_call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	ret_call->kind =
		task->thread_info.status & TS_COMPAT ? PAYLOAD_ELSEWHERE : payload_kind(regs->orig_ax);
	ret_call->arg2 = regs->si;
	ret_call->arg3 = regs->dx;
	/* Else clang merges these loads with others from the stack, and the verifier wants one kind of
	 * pointer. */
	barrier_var(ret_call->arg2);
	barrier_var(ret_call->arg3);
}

#else
#error "no register table for this architecture"
#endif
