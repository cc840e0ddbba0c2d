// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: calls of named functions, with values that are read at their entry and return. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cause.bpf.h"
#include "compat.bpf.h"
#include "emit.bpf.h"

/* Function's number → what is read of its calls. The number is the probe's cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FUNCTIONS_MAX);
	__type(key, __u32);
	__type(value, struct function_reads);
} functions SEC(".maps");

/* Function's number → entries, whoever made them: each costs a trap. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FUNCTIONS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} function_hits SEC(".maps");

struct call_frame {
	__u64 sp; /* at its entry */
	__u32 function;
	__u32 let_go; /* the function's, then */
	__u64 args[FUNCTION_ARGS];
};

/* The traced calls that a thread is in, outermost first, and the event that is being built for it. */
struct call_stack {
	__u32 depth;
	__u32 epoch;
	struct call_frame frames[CALL_DEPTH_MAX];
	struct event_call e;
	/* The verifier bounds the start and the length of a value each on its own. */
	__u8 values[VALUES_MAX + 1 + READ_STRING_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call_stack);
} call_stacks SEC(".maps");

#define RETURN_INSTANCES_MAX 64 /* MAX_URETPROBE_DEPTH of kernel/events/uprobes.c */

/* Has its function been without probes since the call began? Its return may not have been seen. */
static __always_inline bool was_let_go(const struct call_frame *frame)
{
	__u32 number = frame->function;
	const struct function_reads *f = bpf_map_lookup_elem(&functions, &number);

	return !f || f->off || f->let_go != frame->let_go;
}

/* Where the kernel has a function return to that it put a return probe on. */
static __always_inline __u64 trampoline(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

struct instance_walk {
	struct return_instance *at;
	__u64 sp;
	bool found;
};

/* One of the returns that the kernel waits for in this thread, the innermost first, for bpf_loop(). */
static long see_instance(__u32 i, struct instance_walk *w)
{
	struct return_instance *at = w->at;

	if (!at)
		return 1;
	w->found = BPF_CORE_READ(at, stack) == w->sp;
	w->at = BPF_CORE_READ(at, next);
	return w->found;
}

/* Is a call open whose return nobody will be told of? The kernel takes note of it until then all the same. */
static __always_inline bool is_awaited(__u64 sp)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct instance_walk walk = { .at = BPF_CORE_READ(task, utask, return_instances), .sp = sp };

	bpf_loop(RETURN_INSTANCES_MAX, see_instance, &walk, 0);
	return walk.found;
}

struct unwind {
	struct call_stack *stack;
	__u64 sp;
	__u32 function; /* that returns */
	bool tail_call;
};

/*
 * One frame on top of the stack, for bpf_loop(): it is gone when the stack has shrunk beyond it. A function
 * that was jumped to as the last thing of another one has its frame's place and returns with it.
 */
static long unwind_frame(__u32 i, struct unwind *u)
{
	__u32 top = u->stack->depth - 1;
	struct call_frame *f;

	if (top >= CALL_DEPTH_MAX)
		return 1;
	f = &u->stack->frames[top];
	if ((f->sp > u->sp || (f->sp == u->sp && u->tail_call)) && (!was_let_go(f) || is_awaited(f->sp)))
		return 1;
	u->stack->depth = top;
	return 0;
}

struct value_walk {
	const struct function_reads *program;
	struct call_stack *stack;
	__u64 bases[16]; /* enum read_base */
	__u32 at;        /* in values */
	bool at_return;
};

/* The address of a read's value, or the value itself when no step leads to one. Returns whether it was found.
 */
static __always_inline bool follow(const struct read *r, __u64 base, __u64 *ret_address)
{
	__u64 p = base;

	for (int i = 0; i < READ_STEPS_MAX; i++) {
		if (i >= r->steps_len)
			break;
		p += (__s64)r->steps[i];
		if (i + 1 < r->steps_len && bpf_probe_read_user(&p, sizeof(p), (void *)p))
			return false;
	}
	*ret_address = p;
	return true;
}

/* One value, for bpf_loop(). Returns 1 to stop. */
static long read_value(__u32 i, struct value_walk *w)
{
	__u32 at = w->at, size;
	const struct read *r;
	__u8 *to;
	__u64 p;
	long n;

	if (i >= READS_MAX || i >= w->program->reads_len)
		return 1;
	r = &w->program->reads[i];
	if (r->at_return != w->at_return)
		return 0;
	if (at > VALUES_MAX - 1) {
		drop(DROP_values_long);
		return 1;
	}
	to = w->stack->values + at;
	*to = VALUE_ABSENT;
	w->at = at + 1;
	n = -1;
	size = r->size;
	if (!follow(r, w->bases[r->base & 15], &p)) {
		drop(DROP_value_unreadable);
		return 0;
	}
	if (!r->steps_len) {
		__builtin_memcpy(to + 1, &p, sizeof(p));
		n = sizeof(p);
	} else if (r->string) {
		if (in_range(size, READ_STRING_MAX))
			n = bpf_probe_read_user_str(to + 1, size, (void *)p);
	} else if (in_range(size, sizeof(p))) {
		n = bpf_probe_read_user(to + 1, size, (void *)p) ? -1 : (long)size;
	}
	if (n < 0 || n > READ_STRING_MAX) {
		drop(DROP_value_unreadable);
		return 0;
	}
	*to = n;
	w->at = at + 1 + n;
	return 0;
}

static __always_inline bool emit_call(struct call_stack *s, __u32 number, __u32 values_len)
{
	__u64 size = sizeof(s->e) + values_len;

	s->e.function = number;
	s->e.depth = s->depth;
	s->e.values_len = values_len;
	s->e.cause_sock = cause_sock(&s->e.h.flags);
	if (size > sizeof(s->e) + sizeof(s->values))
		return false;
	return emit(&s->e.h, size);
}

SEC("uprobe")
int function__enter(struct pt_regs *regs)
{
	__u32 number = bpf_get_attach_cookie(regs), depth;
	const struct function_reads *program = bpf_map_lookup_elem(&functions, &number);
	struct task_struct *task = bpf_get_current_task_btf();
	struct value_walk walk = {};
	struct unwind u = {};
	struct call_frame *f;
	struct call_stack *s;

	count(&function_hits, number);
	if (!is_target(bpf_get_current_pid_tgid() >> 32) || !program || program->off)
		return 0;
	s = bpf_task_storage_get(&call_stacks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s) {
		lose(DROP_no_storage);
		return 0;
	}
	if (s->epoch != limits.epoch)
		s->depth = 0;
	s->epoch = limits.epoch;
	u.stack = s;
	u.sp = regs->sp;
	walk.bases[READ_STACK] = u.sp;
	u.tail_call = function_return_address(regs) == trampoline();
	bpf_loop(CALL_DEPTH_MAX, unwind_frame, &u, 0);
	depth = s->depth;
	if (depth >= CALL_DEPTH_MAX) {
		lose(DROP_calls_deep);
		return 0;
	}
	event_init(&s->e.h, EVENT_CALL, 0, 0);
	f = &s->frames[depth];
	f->sp = u.sp;
	f->function = number;
	f->let_go = program->let_go;
	function_args(regs, f->args);
	__builtin_memcpy(walk.bases, f->args, sizeof(f->args));
	walk.program = program;
	walk.stack = s;
	bpf_loop(READS_MAX, read_value, &walk, 0);
	/* Nobody is told of the return of a call that nobody was told of. */
	if (emit_call(s, number, walk.at))
		s->depth = depth + 1;
	return 0;
}

/* The frame of the function that returns now becomes the first one that is not open. */
static long find_frame(__u32 i, struct unwind *u)
{
	__u32 top = u->stack->depth - 1;
	struct call_frame *f;

	if (top >= CALL_DEPTH_MAX)
		return 1;
	f = &u->stack->frames[top];
	if (f->sp > u->sp || (f->sp == u->sp && (f->function == u->function || !was_let_go(f))))
		return 1;
	u->stack->depth = top;
	return 0;
}

/* sp: as it was at the function's entry. */
static __always_inline int leave(struct pt_regs *regs, __u64 sp)
{
	__u32 number = bpf_get_attach_cookie(regs), top;
	const struct function_reads *program = bpf_map_lookup_elem(&functions, &number);
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_stack *s = bpf_task_storage_get(&call_stacks, task, 0, 0);
	struct value_walk walk = {};
	struct unwind u = {};
	struct call_frame *f;

	if (!s || !program)
		return 0;
	u.stack = s;
	u.function = number;
	u.sp = sp;
	bpf_loop(CALL_DEPTH_MAX, find_frame, &u, 0);
	top = s->depth - 1;
	if (top >= CALL_DEPTH_MAX)
		return 0;
	f = &s->frames[top];
	if (f->sp != u.sp || f->function != number)
		return 0;
	event_init(&s->e.h, EVENT_RETURN, 0, 0);
	s->depth = top;
	walk.bases[READ_STACK] = u.sp;
	walk.bases[READ_RESULT] = FUNCTION_RESULT(regs);
	__builtin_memcpy(walk.bases, f->args, sizeof(f->args));
	walk.program = program;
	walk.stack = s;
	walk.at_return = true;
	bpf_loop(READS_MAX, read_value, &walk, 0);
	if (!emit_call(s, number, walk.at))
		__sync_fetch_and_add(&returns_lost, 1);
	return 0;
}

SEC("uretprobe")
int function__return(struct pt_regs *regs)
{
	return leave(regs, regs->sp - FUNCTION_POPPED);
}

/* On an instruction that returns. */
SEC("uprobe")
int function__leave(struct pt_regs *regs)
{
	return leave(regs, regs->sp);
}

/* The thread will return from nothing any more. */
static __always_inline void unwind_all(struct task_struct *task, __u32 tid)
{
	struct call_stack *s = bpf_task_storage_get(&call_stacks, task, 0, 0);

	if (!s || !s->depth)
		return;
	s->depth = 0;
	event_init(&s->e.h, EVENT_UNWIND, 0, 0);
	s->e.h.tid = tid;
	if (!emit_call(s, 0, 0))
		__sync_fetch_and_add(&returns_lost, 1);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(function__exit, struct task_struct *task)
{
	unwind_all(task, task->pid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(function__exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	/* It has its process's id now. */
	unwind_all(task, old_pid);
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
