/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What differs between kernels and between architectures; each of these has a table, arch_*.bpf.h. */
#pragma once

#include "maps.bpf.h"

#if defined(__TARGET_ARCH_x86)
#include "arch_x86.bpf.h"
#elif defined(__TARGET_ARCH_arm64)
#include "arch_arm64.bpf.h"
#else
#error "no table for this architecture"
#endif

/* System calls that move bytes on sockets and where their registers point. */
enum payload_kind {
	PAYLOAD_ELSEWHERE = 0, /* in no register: io_uring, or a call that is not known */
	PAYLOAD_FILE,          /* sendfile and splice: from or to a file or pipe, no user memory */
	PAYLOAD_BUFFER,        /* second argument: the buffer */
	PAYLOAD_VECTOR,        /* second argument: struct iovec[], third: how many */
	PAYLOAD_MESSAGE,       /* second argument: struct msghdr */
	PAYLOAD_MESSAGES,      /* second argument: struct mmsghdr[], third: how many */
};

static __always_inline enum payload_kind payload_kind(__u64 number)
{
	switch (number) {
	case CALL_READ:
	case CALL_WRITE:
	case CALL_SENDTO:
	case CALL_RECVFROM:
		return PAYLOAD_BUFFER;
	case CALL_READV:
	case CALL_WRITEV:
	case CALL_PREADV2:
	case CALL_PWRITEV2:
		return PAYLOAD_VECTOR;
	case CALL_SENDMSG:
	case CALL_RECVMSG:
		return PAYLOAD_MESSAGE;
	case CALL_RECVMMSG:
	case CALL_SENDMMSG:
		return PAYLOAD_MESSAGES;
	case CALL_SENDFILE:
	case CALL_SPLICE:
		return PAYLOAD_FILE;
	}
	return PAYLOAD_ELSEWHERE;
}

struct call {
	enum payload_kind kind;
	__u64 arg2;
	__u64 arg3;
};

/* The system call that the current thread, which is task, is in. */
static __always_inline void current_call(struct task_struct *task, struct call *ret_call)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	ret_call->kind = CALL_IS_32_BIT(task) ? PAYLOAD_ELSEWHERE : payload_kind(CALL_NUMBER(regs));
	ret_call->arg2 = CALL_ARG2(regs);
	ret_call->arg3 = CALL_ARG3(regs);
	/* Else clang merges these loads with others from the stack, and the verifier wants one kind of
	 * pointer. */
	barrier_var(ret_call->arg2);
	barrier_var(ret_call->arg3);
}

/*
 * Can a thread be preempted while it is in a program on a tracepoint? Whoever gets to the tracepoint on that
 * processor meanwhile misses the program. From Linux 7.0 on tracepoints leave preemption as it is, commit
 * a46023d5616e, with the readers that came with that field of the thread.
 */
#define HOOKS_ARE_PREEMPTIBLE bpf_core_field_exists(struct task_struct___7_0, trc_reader_scp)

/* Kernel 6.10, commit fc7566ad0a82. */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

static __always_inline void preemption_off(void)
{
	if (HOOKS_ARE_PREEMPTIBLE && bpf_preempt_disable)
		bpf_preempt_disable();
}

static __always_inline void preemption_on(void)
{
	if (HOOKS_ARE_PREEMPTIBLE && bpf_preempt_enable)
		bpf_preempt_enable();
}

/*
 * Is the variable n from 1 to max? Clang makes one comparison of n - 1 out of the two, of which the verifier
 * of Linux 6.1 learns nothing about n.
 */
#define in_range(n, max)                                                                                     \
	({                                                                                                   \
		bool some = n;                                                                               \
		barrier_var(n);                                                                              \
		some &&n <= (max);                                                                           \
	})
