/* SPDX-License-Identifier: Apache-2.0 */
#include "function.h"

#include <errno.h>
#include <stdlib.h>

#include "base/pool.h"
#include "cause.h"
#include "link.h"
#include "stats.h"
#include "target.h"

#define STACKS_MAX 4096 /* threads that are in traced calls at a time */
#define SWEEP      64   /* of them looked at each tick */
#define ERRNOS     134  /* include/uapi/asm-generic/errno.h ends with 133 */

/* The open calls of a thread, outermost first; NULL where there was no room for a span. */
struct call_stack {
	uint32_t tid;
	uint32_t pid;
	uint32_t depth;
	uint32_t returns_lost; /* in the kernel when the stack was known to be right */
	uint64_t last_ns;      /* of its last event */
	struct work *calls[CALL_DEPTH_MAX];
};

static struct function *functions;
static uint32_t functions_used;
static struct pool stacks;
static uint32_t sweep_at;
static uint32_t returns_lost;
static const char *errno_names[ERRNOS];

int functions_init(void)
{
	functions_used = sweep_at = returns_lost = 0;
	for (int i = 0; i < ERRNOS; i++)
		errno_names[i] = strerrorname_np(i);
	functions = calloc(FUNCTIONS_MAX, sizeof(*functions));
	return functions ? pool_init(&stacks, sizeof(struct call_stack), STACKS_MAX) : -ENOMEM;
}

void functions_fini(void)
{
	while (functions_used)
		function_drop(&functions[functions_used - 1]);
	free(functions);
	functions = NULL;
	pool_free(&stacks);
}

struct function *function_new(void)
{
	struct function *f = &functions[functions_used];

	if (functions_used == FUNCTIONS_MAX)
		return NULL;
	*f = (struct function){ .number = functions_used++ };
	return f;
}

void function_drop(struct function *f)
{
	functions_used = f->number;
	for (uint32_t i = 0; i < f->reads.reads_len; i++) {
		for (size_t n = 0; n < f->values[i].names_len; n++)
			free(f->values[i].names[n].name);
		free(f->values[i].names);
	}
}

struct function *function_at(uint32_t number)
{
	return &functions[number];
}

uint32_t functions_len(void)
{
	return functions_used;
}

/* The value's number out of a register or memory, extended by its sign. */
static int64_t number_of(const struct value *v, const uint8_t *bytes, size_t len)
{
	unsigned unused = 64 - 8 * v->size;
	uint64_t n = 0;

	memcpy(&n, bytes, len < v->size ? len : v->size);
	return v->type == VALUE_SIGNED || v->type == VALUE_ENUM ? (int64_t)(n << unused) >> unused
								: (int64_t)n;
}

static const char *enumerator_name(const struct value *v, int64_t n)
{
	size_t low = 0, high = v->names_len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (v->names[middle].value < n)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->names_len && v->names[low].value == n ? v->names[low].name : NULL;
}

static void add_pointer(struct span *span, const char *name, uint64_t address)
{
	char text[18] = "0x";

	for (int i = 0; i < 16; i++)
		text[2 + i] = "0123456789abcdef"[address >> (60 - 4 * i) & 15];
	span_add_text_attribute(span, name, (struct slice){ text, sizeof(text) }, sizeof(text));
}

static void add_number(struct span *span, const struct value *v, const uint8_t *bytes, size_t len)
{
	int64_t n = number_of(v, bytes, len);
	struct attribute *a = span_add_attribute(span, v->name);
	float single;

	if (!a)
		return;
	a->type = v->type == VALUE_DOUBLE ? ATTRIBUTE_DOUBLE
		  : v->type == VALUE_BOOL ? ATTRIBUTE_BOOL
					  : ATTRIBUTE_INTEGER;
	if (v->type == VALUE_BOOL)
		a->truth = n;
	else if (v->type != VALUE_DOUBLE)
		a->integer = n;
	else if (v->size == sizeof(a->number))
		memcpy(&a->number, &n, sizeof(a->number));
	else
		a->number = (double)*(float *)memcpy(&single, &n, sizeof(single));
}

static void add_value(struct span *span, const struct value *v, const uint8_t *bytes, size_t len)
{
	const char *name = v->type == VALUE_ENUM ? enumerator_name(v, number_of(v, bytes, len)) : NULL;
	struct slice text = { (const char *)bytes, len };

	if (name)
		span_add_text_attribute(span, v->name, slice_of(name), 64);
	else if (v->type == VALUE_STRING)
		span_add_text_attribute(span, v->name, (struct slice){ text.p, strnlen(text.p, text.len) },
					READ_STRING_MAX);
	else if (v->type == VALUE_CHAR)
		span_add_text_attribute(span, v->name, (struct slice){ text.p, len ? 1 : 0 }, 1);
	else if (v->type == VALUE_POINTER)
		add_pointer(span, v->name, (uint64_t)number_of(v, bytes, len));
	else
		add_number(span, v, bytes, len);
}

static bool is_error(const struct error_rule *rule, int64_t n)
{
	switch (rule->comparison) {
	case COMPARE_LESS:
		return n < rule->bound;
	case COMPARE_LESS_EQUAL:
		return n <= rule->bound;
	case COMPARE_GREATER:
		return n > rule->bound;
	case COMPARE_GREATER_EQUAL:
		return n >= rule->bound;
	case COMPARE_EQUAL:
		return n == rule->bound;
	case COMPARE_NOT_EQUAL:
		return n != rule->bound;
	case COMPARE_NEVER:
		break;
	}
	return false;
}

static void judge(struct span *span, const struct error_rule *rule, int64_t n)
{
	if (!is_error(rule, n))
		return;
	span->error_type = rule->text;
	if (rule->is_errno && n < 0 && n > -ERRNOS && errno_names[-n])
		span->error_type = errno_names[-n];
}

/* The values of one side of a call, as they lie in its event. */
static void add_values(struct work *w, const struct function *f, const struct event_call *e)
{
	const uint8_t *p = e->values, *end = p + e->values_len;
	bool at_return = e->h.type == EVENT_RETURN;

	for (uint32_t i = 0; i < f->reads.reads_len && p < end; i++) {
		uint8_t len;

		if (f->reads.reads[i].at_return != at_return)
			continue;
		len = *p++;
		if (len == VALUE_ABSENT)
			continue;
		if (len > end - p)
			return;
		if (f->values[i].name)
			add_value(&w->span, &f->values[i], p, len);
		if (f->rule.comparison && f->rule.read == i)
			judge(&w->span, &f->rule, number_of(&f->values[i], p, len));
		p += len;
	}
}

/* Has its function been without probes since? Its return may not have been seen. */
static bool was_let_go(const struct work *w)
{
	return w->function->reads.off || w->function->reads.let_go != w->let_go;
}

static void finish(struct work *w, uint64_t end_ns)
{
	/* What it has done since it was let go may not be below it. */
	w->span.incomplete |= was_let_go(w);
	w->finished = true;
	w->span.end_ns = end_ns > w->span.start_ns ? end_ns : w->span.start_ns;
	link_finish(w);
}

/* The calls beyond this depth are gone and have not returned. */
static void unwind(struct call_stack *s, uint32_t depth, uint64_t end_ns)
{
	while (s->depth > depth) {
		struct work *w = s->calls[--s->depth];

		if (!w)
			continue;
		stat_add(STAT_calls_unreturned, 1);
		w->span.incomplete = true;
		finish(w, end_ns);
	}
}

static struct call_stack *stack_of(const struct event_call *e)
{
	struct thread *t = thread_get(e->h.tid, e->h.time_ns);
	struct call_stack *s = t ? t->calls : NULL;

	if (s || !t)
		return s;
	s = t->calls = pool_get(&stacks);
	if (s)
		s->tid = t->tid;
	return s;
}

static void release(struct thread *t)
{
	if (t->calls->depth)
		return;
	pool_put(&stacks, t->calls);
	t->calls = NULL;
}

/* The innermost of the calls that has a span. */
static struct work *innermost(const struct call_stack *s)
{
	uint32_t depth = s->depth;

	while (depth && !s->calls[depth - 1])
		depth--;
	return depth ? s->calls[depth - 1] : NULL;
}

/* ... and whose return would have been seen. */
static struct work *innermost_sure(const struct call_stack *s)
{
	uint32_t depth = s->depth;

	while (depth && (!s->calls[depth - 1] || was_let_go(s->calls[depth - 1])))
		depth--;
	return depth ? s->calls[depth - 1] : NULL;
}

static struct work *begin(const struct call_stack *s, const struct function *f, const struct event_call *e)
{
	enum evidence evidence = EVIDENCE_THREAD;
	struct work *outer = innermost(s), *parent = outer, *w;
	struct process *p = target_find(e->h.pid);

	stat_add(STAT_requests, 1);
	w = work_new();
	if (!w)
		return NULL;
	w->span.kind = SPAN_INTERNAL;
	w->span.protocol = "function";
	w->span.function = f->name;
	w->span.start_ns = e->h.time_ns;
	w->span.pid = e->h.pid;
	w->span.tid = e->h.tid;
	w->span.process = p;
	if (p) {
		process_ref(p);
		p->events++;
	}
	w->function = f;
	w->let_go = f->reads.let_go;
	if (!outer)
		parent = cause_of_thread(e->h.pid, e->h.tid, e->cause_sock, e->h.flags, &evidence);
	w->request = outer ? outer->request : parent;
	if (w->request)
		work_ref(w->request);
	link_call(w, parent, evidence);
	return w;
}

static bool entered(const struct event_call *e)
{
	struct call_stack *s;
	struct work *w;

	if (!target_find(e->h.pid))
		return false;
	s = stack_of(e);
	if (!s) {
		loss_add(DROP_stacks_full, 1);
		return false;
	}
	unwind(s, s->pid == e->h.pid ? e->depth : 0, s->last_ns);
	while (s->depth < e->depth)
		s->calls[s->depth++] = NULL;
	s->pid = e->h.pid;
	s->last_ns = e->h.time_ns;
	s->returns_lost = e->h.returns_lost;
	w = begin(s, &functions[e->function], e);
	if (w)
		add_values(w, &functions[e->function], e);
	s->calls[s->depth++] = w;
	stat_add(STAT_calls, 1);
	return true;
}

static void returned(const struct event_call *e)
{
	struct thread *t = thread_find(e->h.tid);
	struct call_stack *s = t ? t->calls : NULL;
	struct work *w;

	if (!s)
		return;
	unwind(s, e->depth + 1u, s->last_ns);
	s->last_ns = e->h.time_ns;
	s->returns_lost = e->h.returns_lost;
	if (s->depth == e->depth + 1u) {
		w = s->calls[--s->depth];
		if (w && w->function->number == e->function)
			add_values(w, w->function, e);
		else if (w)
			w->span.incomplete = true;
		if (w)
			finish(w, e->h.time_ns);
	}
	release(t);
}

static void end_all(struct thread *t, uint64_t end_ns)
{
	unwind(t->calls, 0, end_ns);
	release(t);
}

bool function_event(const struct event_call *e)
{
	struct thread *t = thread_find(e->h.tid);

	if (e->h.type == EVENT_UNWIND) {
		if (t && t->calls)
			end_all(t, e->h.time_ns);
		return true;
	}
	if (e->function >= functions_used || e->depth >= CALL_DEPTH_MAX) {
		loss_add(e->function >= functions_used ? DROP_function_unknown : DROP_event_malformed, 1);
		return false;
	}
	if (e->h.type == EVENT_CALL)
		return entered(e);
	returned(e);
	return true;
}

void function_returns_lost(uint32_t n)
{
	/* Events of two CPUs may come in either order. */
	if ((int32_t)(n - returns_lost) > 0)
		returns_lost = n;
}

struct work *function_within(uint32_t pid, uint32_t tid)
{
	struct thread *t = thread_find(tid);
	struct call_stack *s = t ? t->calls : NULL;

	return s && s->pid == pid && s->returns_lost == returns_lost ? innermost_sure(s) : NULL;
}

static bool is_over(const struct call_stack *s)
{
	const struct work *w = innermost(s);

	return w && w->span.process && w->span.process->exited;
}

/* The thread whose stack is the i-th of the pool; NULL: nobody's. */
static struct thread *owner(uint32_t i)
{
	const struct call_stack *s = (struct call_stack *)(stacks.memory + stacks.object_size * i);
	struct thread *t = thread_find(s->tid);

	return t && t->calls == s ? t : NULL;
}

void functions_tick(void)
{
	for (uint32_t i = 0; i < SWEEP && i < stacks.touched; i++) {
		struct thread *t = owner(sweep_at = (sweep_at + 1) % stacks.touched);

		if (t && is_over(t->calls))
			end_all(t, t->calls->last_ns);
	}
}

void functions_end(uint64_t now_ns)
{
	for (uint32_t i = 0; i < stacks.touched; i++) {
		struct thread *t = owner(i);

		if (t)
			end_all(t, now_ns);
	}
}
