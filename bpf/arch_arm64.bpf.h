/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* arm64: system calls by number and the registers of their arguments. */
#pragma once

/* include/uapi/asm-generic/unistd.h */
enum {
	CALL_EPOLL_PWAIT = 22,
	CALL_READ = 63,
	CALL_WRITE = 64,
	CALL_READV = 65,
	CALL_WRITEV = 66,
	CALL_SENDFILE = 71,
	CALL_PSELECT6 = 72,
	CALL_PPOLL = 73,
	CALL_SPLICE = 76,
	CALL_FUTEX = 98,
	CALL_SENDTO = 206,
	CALL_RECVFROM = 207,
	CALL_SENDMSG = 211,
	CALL_RECVMSG = 212,
	CALL_RECVMMSG = 243,
	CALL_SENDMMSG = 269,
	CALL_PREADV2 = 286,
	CALL_PWRITEV2 = 287,
	CALL_IO_URING_ENTER = 426,
	CALL_EPOLL_PWAIT2 = 441,
	/* Not there: */
	CALL_POLL = -1,
	CALL_SELECT = -2,
	CALL_EPOLL_WAIT = -3,
};

#define CALL_NUMBER(regs) ((regs)->syscallno)
#define CALL_ARG1(regs)   ((regs)->regs[0]) /* as the call begins */
#define CALL_ARG2(regs)   ((regs)->regs[1])
#define CALL_ARG3(regs)   ((regs)->regs[2])

/* As it was when the thread last ran. */
#define THREAD_POINTER(task) ((task)->thread.uw.tp_value)

/* TIF_32BIT, arch/arm64/include/asm/thread_info.h: the thread, as it cannot change sides. */
#define CALL_IS_32_BIT(task) ((task)->thread_info.flags & (1UL << 22))

/*
 * Of functions, Procedure Call Standard for the Arm 64-bit Architecture, section 6: the registers of integer
 * arguments in their order. user/hooks/convention.c says the same to the agent.
 */
#define FUNCTION_ARGS   8
#define FUNCTION_POPPED 0 /* bytes that a return takes from the stack */

static __always_inline void function_args(const struct pt_regs *regs, __u64 args[FUNCTION_ARGS])
{
	args[0] = regs->regs[0];
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
	args[6] = regs->regs[6];
	args[7] = regs->regs[7];
}

#define FUNCTION_RESULT(regs) ((regs)->regs[0])

static __always_inline __u64 register_of(const struct pt_regs *regs, __u64 number)
{
	return number ? 0 : FUNCTION_RESULT(regs); /* nobody asks for others */
}

/* Of Go, src/cmd/compile/abi-internal.md: the current goroutine, and the first arguments. */
#define GO_G(regs)    ((regs)->regs[28])
#define GO_ARG1(regs) ((regs)->regs[0])
#define GO_ARG2(regs) ((regs)->regs[1])

/* Of a function that was just entered. */
#define FUNCTION_ADDRESS(regs) ((regs)->pc)

/* Where a function that was just entered returns to: the link register. */
static __always_inline __u64 function_return_address(const struct pt_regs *regs)
{
	return regs->regs[30];
}
