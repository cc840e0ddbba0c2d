// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: statements that SQLite, a library, executes in its caller's threads. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cause.bpf.h"
#include "compat.bpf.h"
#include "emit.bpf.h"

#define STATEMENTS_MAX 16384
#define EXECS_MAX      4 /* calls of sqlite3_exec() within each other whose statements have rows */

/* sqlite3.h */
#define SQLITE_OK  0
#define SQLITE_ROW 100

/* File's number → what is known of the SQLite in it. The number is the probes' cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SQLITE_FILES_MAX);
	__type(key, __u32);
	__type(value, struct sqlite_file);
} sqlite_files SEC(".maps");

struct statement_key {
	__u64 statement; /* its address */
	__u32 pid;
	__u32 reserved;
};

/* The execution of a statement. */
struct execution {
	__u64 start_ns;
	__u64 rows;
	__u64 cause_sock;
	__u64 text;  /* its address; 0: not known */
	__u16 flags; /* enum event_flag at its start */
	__u16 reserved;
	__u32 epoch;
};

/* Those that go on; one that is used no more makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STATEMENTS_MAX);
	__type(key, struct statement_key);
	__type(value, struct execution);
} sqlite_executions SEC(".maps");

/* Calls of the traced functions, whoever made them: each costs a trap. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sqlite_hits SEC(".maps");

/*
 * The call of sqlite3_step() that a thread is in, and its event. What SQLite executes for itself within it
 * (for a virtual table, for VACUUM, in a function of SQL) is part of it.
 */
struct sqlite_call {
	__u64 sp; /* at its entry; 0: in none */
	__u64 statement;
	__u32 epoch;
	__u32 by_exec; /* sqlite3_exec() calls */
	__u32 execs_len;
	/* Statements of sqlite3_exec() that have returned rows, outermost first. */
	struct {
		__u64 sp;
		__u64 statement;
	} execs[EXECS_MAX];
	struct event_sql e;
	__u8 room[SQL_TEXT_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sqlite_call);
} sqlite_calls SEC(".maps");

static __always_inline struct sqlite_call *call_get(__u64 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return bpf_task_storage_get(&sqlite_calls, task, 0, flags);
}

static __always_inline struct statement_key key_of(__u64 statement)
{
	struct statement_key key = { .statement = statement, .pid = bpf_get_current_pid_tgid() >> 32 };

	return key;
}

static __always_inline __u64 first_argument(const struct pt_regs *regs)
{
	__u64 args[FUNCTION_ARGS];

	function_args(regs, args);
	return args[0];
}

/* Of the thread, for a call that is no part of another one; NULL when it is, or of no target. */
static __always_inline struct sqlite_call *entered(__u64 sp)
{
	struct sqlite_call *c;

	count(&sqlite_hits, 0);
	if (!is_target(bpf_get_current_pid_tgid() >> 32))
		return NULL;
	c = call_get(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c)
		lose(DROP_no_storage);
	else if (c->epoch != limits.epoch)
		c->sp = c->execs_len = 0;
	if (c)
		c->epoch = limits.epoch;
	return c && c->sp <= sp ? c : NULL;
}

static __always_inline void emit_execution(struct sqlite_call *c, __u16 type, __u64 statement,
					   const struct execution *x, __s32 code)
{
	long n = 0;

	event_init(&c->e.h, type, x->flags, 0);
	c->e.statement = statement;
	c->e.start_ns = x->start_ns;
	c->e.rows = x->rows;
	c->e.cause_sock = x->cause_sock;
	c->e.code = code;
	if (x->text)
		n = bpf_probe_read_user_str(c->e.text, SQL_TEXT_LEN, (void *)x->text);
	if (n < 0)
		drop(DROP_value_unreadable);
	if (n <= 0 || n > SQL_TEXT_LEN)
		n = 1;
	c->e.text_len = n - 1;
	emit(&c->e.h, sizeof(c->e) + n - 1);
}

static __always_inline void end(struct sqlite_call *c, const struct statement_key *key, __s32 code)
{
	struct execution *x = bpf_map_lookup_elem(&sqlite_executions, key);

	if (!x)
		return;
	if (x->epoch == limits.epoch)
		emit_execution(c, EVENT_SQL_END, key->statement, x, code);
	bpf_map_delete_elem(&sqlite_executions, key);
}

/* Begins the execution of a statement that has a text; what has none is no statement of the caller's. */
static __always_inline void begin(const struct statement_key *key, const struct sqlite_file *file)
{
	struct execution x = {};
	__u16 flags = 0;

	if (file->text_offset &&
	    (bpf_probe_read_user(&x.text, sizeof(x.text), (void *)(key->statement + file->text_offset)) ||
	     !x.text))
		return;
	x.cause_sock = cause_sock(&flags);
	x.flags = flags;
	x.epoch = limits.epoch;
	x.start_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&sqlite_executions, key, &x, BPF_ANY))
		lose(DROP_no_storage);
}

SEC("uprobe")
int sqlite__step(struct pt_regs *regs)
{
	__u64 sp = regs->sp, ip = FUNCTION_ADDRESS(regs), statement = first_argument(regs);
	struct sqlite_call *c = entered(sp);
	__u32 number = bpf_get_attach_cookie(regs);
	const struct sqlite_file *file = bpf_map_lookup_elem(&sqlite_files, &number);
	const struct execution *x;
	struct statement_key key;

	if (!c || !file || !statement)
		return 0;
	c->sp = sp;
	c->statement = statement;
	c->by_exec = function_return_address(regs) - ip - (__u64)(__s64)file->exec_from < file->exec_len;
	key = key_of(statement);
	x = bpf_map_lookup_elem(&sqlite_executions, &key);
	if (!x || x->epoch != limits.epoch)
		begin(&key, file);
	return 0;
}

SEC("uretprobe")
int sqlite__stepped(struct pt_regs *regs)
{
	__u64 sp = regs->sp - FUNCTION_POPPED;
	__s32 code = (__s32)FUNCTION_RESULT(regs);
	struct sqlite_call *c = call_get(0);
	struct statement_key key;
	struct execution *x;
	__u32 top;

	if (!c || c->sp != sp)
		return 0;
	c->sp = 0;
	key = key_of(c->statement);
	if (code != SQLITE_ROW) {
		end(c, &key, code);
		top = c->execs_len - 1;
		if (top < EXECS_MAX && c->execs[top].sp == sp)
			c->execs_len = top;
		return 0;
	}
	x = bpf_map_lookup_elem(&sqlite_executions, &key);
	if (!x || ++x->rows > 1)
		return 0;
	emit_execution(c, EVENT_SQL_ROW, key.statement, x, code);
	if (!c->by_exec)
		return 0;
	if (c->execs_len >= EXECS_MAX) {
		lose(DROP_calls_deep);
		return 0;
	}
	c->execs[c->execs_len].sp = sp;
	c->execs[c->execs_len].statement = key.statement;
	c->execs_len++;
	return 0;
}

/* sqlite3_reset(), sqlite3_finalize(): no more rows are wanted. */
SEC("uprobe")
int sqlite__reset(struct pt_regs *regs)
{
	__u64 sp = regs->sp, statement = first_argument(regs);
	struct sqlite_call *c = entered(sp);
	struct statement_key key;

	if (!c)
		return 0;
	key = key_of(statement);
	end(c, &key, SQLITE_OK);
	return 0;
}

/* sqlite3_exec(): its own statement is gone, even if its caller wanted no more rows. */
SEC("uretprobe")
int sqlite__executed(struct pt_regs *regs)
{
	__u64 sp = regs->sp - FUNCTION_POPPED;
	struct sqlite_call *c = call_get(0);

	if (!c || c->sp > sp)
		return 0;
	for (int i = 0; i < EXECS_MAX; i++) {
		__u32 top = c->execs_len - 1;
		struct statement_key key;

		if (top >= EXECS_MAX || c->execs[top].sp > sp)
			return 0;
		c->execs_len = top;
		key = key_of(c->execs[top].statement);
		end(c, &key, SQLITE_OK);
	}
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
