// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: where the loop of Node.js has read what a batch of sockets has received. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "node.bpf.h"

/*
 * node::Environment::RunAndClearNativeImmediates() is called, for each round of the loop, before what was put
 * off by setImmediate() is run. The cookie is where in an Environment the pointer to the ids is.
 */
SEC("uprobe")
int node__batch_over(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 args[FUNCTION_ARGS], at;
	struct node_ids ids;
	struct cause *c;
	struct node *n;

	if (!is_target(task->tgid))
		return 0;
	c = bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	n = bpf_task_storage_get(&nodes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	function_args(regs, args);
	if (!c || !n)
		return 0;
	n->generation = 0;
	at = args[0] + bpf_get_attach_cookie(regs);
	if (bpf_probe_read_user(&at, sizeof(at), (void *)at) < 0)
		return 0;
	if (n->ids != at || n->mm != (__u64)task->mm)
		n->len = 0;
	n->ids = at;
	n->mm = (__u64)task->mm;
	if (!node_read(n, &ids))
		return 0;
	/* It may be called more than once. */
	if (!n->over) {
		n->last = ids.last;
		node_turn_over(n, !turn_is_last(n->item, c->socket_ops));
	}
	n->over = true;
	n->generation = runtime_generations[RUNTIME_node];
	c->node = true;
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
