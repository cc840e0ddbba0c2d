// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: goroutines of Go that start others, or hand something to one that waits for it at a channel.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cause.bpf.h"
#include "go.bpf.h"

/* The first variable that a closure has captured; the closure is on the stack. */
static __always_inline __u64 captured(const struct pt_regs *regs)
{
	__u64 closure = 0, variable = 0;

	bpf_probe_read_user(&closure, sizeof(closure), (void *)regs->sp);
	bpf_probe_read_user(&variable, sizeof(variable), (void *)(closure + sizeof(closure)));
	return variable;
}

/*
 * In runtime.send(), where it has the goroutine woken that was handed what was sent: by runtime.goready(),
 * or, if that was inlined, by what that does on the thread's own stack, as the cookie says. Of whoever was
 * handed a request, and does not serve that client itself, nobody sees when it takes the next one from a
 * queue: what such a one hands on is nobody's.
 */
SEC("uprobe")
int go__sending(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct goroutine_key from_key = { .g = GO_G(regs), .pid = task->tgid };
	struct goroutine_key key = { .pid = task->tgid };
	struct goroutine woken = {}, *from, *to;
	struct cause *c;
	__u32 offset;

	if (!is_target(key.pid))
		return 0;
	c = bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	offset = goid_offset(task, c);
	if (!offset)
		return 0;
	key.g = bpf_get_attach_cookie(regs) ? captured(regs) : GO_ARG1(regs);
	from = goroutine_find(&from_key, goroutine_id(from_key.g, offset));
	/* Who hands something back may be done with what it was handed. */
	if (from && !from->sock)
		from->woken_sock = 0;
	woken.id = goroutine_id(key.g, offset);
	to = goroutine_find(&key, woken.id);
	if (to && to->sock) {
		/* It works for others than the one that it was started for. */
		to->many |= to->started && from && from->sock && from->sock != to->sock;
		return 0;
	}
	if (from && from->sock && !from->many) {
		woken.woken_sock = from->sock;
		woken.woken_pos = from->pos;
		woken.woken_ns = bpf_ktime_get_ns();
		if (woken.id)
			bpf_map_update_elem(&goroutines, &key, &woken, BPF_ANY);
	} else if (to) {
		to->woken_sock = 0;
	}
	return 0;
}

/* In runtime.newproc(), where it changes to the thread's own stack to start another one. */
SEC("uprobe")
int go__starting(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause *c;

	if (!is_target(task->tgid))
		return 0;
	c = bpf_task_storage_get(&causes, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (c)
		c->starting = GO_G(regs);
	return 0;
}

/*
 * In runtime.newproc.func1(), where it has runtime.runqput() run the new one. What those do that were started
 * by one that was started itself is not known: its own client starts there what writes on a connection, for
 * whoever uses it.
 */
SEC("uprobe")
int go__started(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct goroutine_key from_key = { .pid = task->tgid };
	struct goroutine_key key = { .g = GO_ARG2(regs), .pid = task->tgid };
	struct goroutine new = { .started = true }, *from;
	struct cause *c;
	__u32 offset;

	if (!is_target(key.pid))
		return 0;
	c = cause_of_thread(task);
	offset = goid_offset(task, c);
	if (!offset || !c->starting)
		return 0;
	from_key.g = c->starting;
	c->starting = 0;
	from = goroutine_find(&from_key, goroutine_id(from_key.g, offset));
	if (!from || !from->sock || from->many || from->started)
		return 0;
	new.id = goroutine_id(key.g, offset);
	new.sock = from->sock;
	new.pos = from->pos;
	if (new.id)
		bpf_map_update_elem(&goroutines, &key, &new, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
