/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A thread's cause: set when it receives, stamped on every event that it causes. */
#pragma once

#include "maps.bpf.h"

static __always_inline void cause_set(__u64 sock, __u32 pos)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c = bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!c)
		return;
	c->sock = sock;
	c->pos = pos;
	c->switches = task->nvcsw;
}

/* The current thread's cause; sets EVENT_SLEPT in flags when it has waited since. */
static __always_inline void cause_get(struct cause *ret_cause, __u16 *flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c = bpf_task_storage_get(&causes, task, 0, 0);

	ret_cause->sock = c ? c->sock : 0;
	ret_cause->pos = c ? c->pos : 0;
	if (c && c->switches != task->nvcsw)
		*flags |= EVENT_SLEPT;
}
