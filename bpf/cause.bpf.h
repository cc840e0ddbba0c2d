/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A thread's cause: set when it receives, stamped on every event that it causes. */
#pragma once

#include "maps.bpf.h"

static __always_inline void cause_set(__u64 sock, __u32 pos)
{
	struct cause *c =
		bpf_task_storage_get(&causes, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!c)
		return;
	c->sock = sock;
	c->pos = pos;
}

static __always_inline void cause_stamp(struct event_data *e)
{
	struct cause *c = bpf_task_storage_get(&causes, bpf_get_current_task_btf(), 0, 0);

	e->cause_sock = c ? c->sock : 0;
	e->cause_pos = c ? c->pos : 0;
}
