/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* x86-64: system calls by number and the registers of their arguments. */
#pragma once

/* arch/x86/entry/syscalls/syscall_64.tbl */
enum {
	CALL_READ = 0,
	CALL_WRITE = 1,
	CALL_POLL = 7,
	CALL_READV = 19,
	CALL_WRITEV = 20,
	CALL_SELECT = 23,
	CALL_SENDFILE = 40,
	CALL_SENDTO = 44,
	CALL_RECVFROM = 45,
	CALL_SENDMSG = 46,
	CALL_RECVMSG = 47,
	CALL_FUTEX = 202,
	CALL_EPOLL_WAIT = 232,
	CALL_PSELECT6 = 270,
	CALL_PPOLL = 271,
	CALL_SPLICE = 275,
	CALL_EPOLL_PWAIT = 281,
	CALL_RECVMMSG = 299,
	CALL_SENDMMSG = 307,
	CALL_PREADV2 = 327,
	CALL_PWRITEV2 = 328,
	CALL_IO_URING_ENTER = 426,
	CALL_EPOLL_PWAIT2 = 441,
};

#define CALL_NUMBER(regs) ((regs)->orig_ax)
#define CALL_ARG1(regs)   ((regs)->di)
#define CALL_ARG2(regs)   ((regs)->si)
#define CALL_ARG3(regs)   ((regs)->dx)

/* The base of FS, but for what the thread has made of it by itself (WRFSBASE) since it was switched to. */
#define THREAD_POINTER(task) ((task)->thread.fsbase)

/* TS_COMPAT, arch/x86/include/asm/thread_info.h. */
#define CALL_IS_32_BIT(task) ((task)->thread_info.status & 0x2)

/*
 * Of functions, System V ABI for AMD64 section 3.2.3: the registers of integer arguments in their order.
 * user/hooks/convention.c says the same to the agent.
 */
#define FUNCTION_ARGS   6
#define FUNCTION_POPPED 8 /* bytes that a return takes from the stack */

static __always_inline void function_args(const struct pt_regs *regs, __u64 args[FUNCTION_ARGS])
{
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->cx;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

#define FUNCTION_RESULT(regs) ((regs)->ax)

/* As instructions number them, Intel SDM volume 2, section 2.1.5 and table 3-1. */
static __always_inline __u64 register_of(const struct pt_regs *regs, __u64 number)
{
	const __u64 values[] = { regs->ax,  regs->cx,  regs->dx,  regs->bx, 0,         regs->bp,
				 regs->si,  regs->di,  regs->r8,  regs->r9, regs->r10, regs->r11,
				 regs->r12, regs->r13, regs->r14, regs->r15 };

	return values[number % (sizeof(values) / sizeof(values[0]))];
}

/* Of Go, src/cmd/compile/abi-internal.md: the current goroutine, and the first arguments. */
#define GO_G(regs)    ((regs)->r14)
#define GO_ARG1(regs) ((regs)->ax)
#define GO_ARG2(regs) ((regs)->bx)

/* Of a function that was just entered. */
#define FUNCTION_ADDRESS(regs) ((regs)->ip)

/* Where a function that was just entered returns to. */
static __always_inline __u64 function_return_address(const struct pt_regs *regs)
{
	__u64 address = 0;

	bpf_probe_read_user(&address, sizeof(address), (void *)regs->sp);
	return address;
}
