/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite.h"

#include <errno.h>

#include "base/decimal.h"
#include "base/pool.h"
#include "base/table.h"
#include "cause.h"
#include "function.h"
#include "link.h"
#include "request.h"
#include "stats.h"
#include "target.h"

#define EXECUTIONS_MAX 4096 /* that have returned rows and go on */
#define SWEEP          64   /* of them looked at each tick */

/* Results of sqlite3_step() that are no errors, sqlite3.h. */
#define SQLITE_OK   0
#define SQLITE_DONE 101

/* An execution that has returned rows. */
struct execution {
	uint64_t statement;
	uint32_t pid;
	bool used;
	struct work *work;
};

static struct pool executions;
static struct table by_statement;
static uint32_t sweep_at;

int sqlite_init(void)
{
	int err = pool_init(&executions, sizeof(struct execution), EXECUTIONS_MAX);

	sweep_at = 0;
	return err ? err : table_init(&by_statement, EXECUTIONS_MAX);
}

void sqlite_fini(void)
{
	table_free(&by_statement);
	pool_free(&executions);
}

static int is_same(const void *value, const void *arg)
{
	const struct execution *x = value;
	const struct event_sql *e = arg;

	return x->statement == e->statement && x->pid == e->h.pid;
}

static struct work *begin(const struct event_sql *e)
{
	enum evidence evidence = EVIDENCE_THREAD;
	struct process *p = target_find(e->h.pid);
	struct work *within, *parent, *w;

	stat_add(STAT_requests, 1);
	w = work_new();
	if (!w)
		return NULL;
	w->span.kind = SPAN_CLIENT;
	w->span.protocol = w->span.db_system = "sqlite";
	w->span.start_ns = e->start_ns;
	w->span.pid = e->h.pid;
	w->span.tid = e->h.tid;
	w->span.process = p;
	if (p) {
		process_ref(p);
		p->events++;
	}
	request_embedded(&w->span, (struct slice){ (const char *)e->text, e->text_len });
	parent = within = function_within(e->h.pid, e->h.tid);
	if (!within)
		parent = cause_of_thread(e->h.pid, e->h.tid, e->cause_sock, e->h.flags, &evidence);
	link_call(w, parent, evidence);
	return w;
}

static bool is_select(const struct span *span)
{
	return slice_ieq(span_text(span, TEXT_METHOD), SLICE("SELECT"));
}

/* How many rows a statement changed is not seen: that it returned none says something of a SELECT alone. */
static void set_result(struct span *span, uint64_t rows, int32_t code)
{
	bool negative = code < 0;
	char text[1 + DECIMAL_MAX] = "-";

	span->rows = rows;
	span->has_rows = rows || is_select(span);
	if (code == SQLITE_OK || code == SQLITE_DONE)
		return;
	span->failed = true;
	span_set_text(
		span, TEXT_STATUS_CODE,
		(struct slice){ text, (size_t)(put_decimal(text + negative,
							   (uint64_t)(negative ? -(int64_t)code : code)) -
					       text) });
}

static void finish(struct work *w, uint64_t end_ns)
{
	w->finished = true;
	w->span.end_ns = end_ns > w->span.start_ns ? end_ns : w->span.start_ns;
	link_finish(w);
}

static void forget(struct execution *x)
{
	table_remove(&by_statement, hash_mix(x->pid, x->statement), x);
	x->used = false;
	pool_put(&executions, x);
}

/* Its end was not seen. */
static void give_up(struct execution *x, uint64_t end_ns)
{
	struct work *w = x->work;

	forget(x);
	w->span.incomplete = true;
	finish(w, end_ns);
}

static void first_row(const struct event_sql *e)
{
	struct execution *x = pool_get(&executions);

	/* Without room its end tells all but whose function it was begun in. */
	if (!x)
		return;
	*x = (struct execution){ .statement = e->statement, .pid = e->h.pid, .used = true, .work = begin(e) };
	if (!x->work) {
		x->used = false;
		pool_put(&executions, x);
		return;
	}
	x->work->span.first_byte_ns = e->h.time_ns;
	table_put(&by_statement, hash_mix(x->pid, x->statement), x);
}

static void ended(const struct event_sql *e, struct execution *x)
{
	struct work *w = x ? x->work : begin(e);

	if (x)
		forget(x);
	if (!w)
		return;
	set_result(&w->span, e->rows, e->code);
	finish(w, e->h.time_ns);
}

bool sqlite_event(const struct event_sql *e)
{
	struct execution *x;

	if (!target_find(e->h.pid))
		return false;
	x = table_find(&by_statement, hash_mix(e->h.pid, e->statement), is_same, e);
	if (x && x->work->span.start_ns != e->start_ns) {
		give_up(x, e->start_ns);
		x = NULL;
	}
	if (e->h.type != EVENT_SQL_ROW)
		ended(e, x);
	else if (!x)
		first_row(e);
	return true;
}

static struct execution *execution_at(uint32_t i)
{
	return (struct execution *)(executions.memory + executions.object_size * i);
}

void sqlite_tick(void)
{
	for (uint32_t i = 0; i < SWEEP && i < executions.touched; i++) {
		struct execution *x = execution_at(sweep_at = (sweep_at + 1) % executions.touched);

		if (x->used && x->work->span.process && x->work->span.process->exited)
			give_up(x, x->work->span.first_byte_ns);
	}
}

void sqlite_end(uint64_t now_ns)
{
	for (uint32_t i = 0; i < executions.touched; i++)
		if (execution_at(i)->used)
			give_up(execution_at(i), now_ns);
}
