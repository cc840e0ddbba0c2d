/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* arm64: system calls by number and the registers of their arguments. */
#pragma once

/* include/uapi/asm-generic/unistd.h */
enum {
	CALL_READ = 63,
	CALL_WRITE = 64,
	CALL_READV = 65,
	CALL_WRITEV = 66,
	CALL_SENDFILE = 71,
	CALL_SPLICE = 76,
	CALL_SENDTO = 206,
	CALL_RECVFROM = 207,
	CALL_SENDMSG = 211,
	CALL_RECVMSG = 212,
	CALL_RECVMMSG = 243,
	CALL_SENDMMSG = 269,
	CALL_PREADV2 = 286,
	CALL_PWRITEV2 = 287,
};

#define CALL_NUMBER(regs) ((regs)->syscallno)
#define CALL_ARG2(regs)   ((regs)->regs[1])
#define CALL_ARG3(regs)   ((regs)->regs[2])

/* TIF_32BIT, arch/arm64/include/asm/thread_info.h: the thread, as it cannot change sides. */
#define CALL_IS_32_BIT(task) ((task)->thread_info.flags & (1UL << 22))
