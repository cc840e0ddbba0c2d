/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled into seeds: contexts as an interpreter of Python keeps them, STORAGE its pointer to the
 * state. */
struct vars {
	long refs;
};
struct context {
	long refs, type;
	struct vars *vars;
};
struct state {
	long before[26];
	struct context *context;
};
struct method {
	const char *name;
	void *(*code)(struct context *, void *);
	int flags;
	const char *doc;
};
struct type {
	long before[29];
	const struct method *methods;
};

#ifndef STORAGE
#define STORAGE
#endif

static STORAGE volatile long other = 1;
STORAGE struct state *current __attribute__((visibility("hidden")));
static struct context pool[64];
static long used;

static __attribute__((noinline)) struct context *make(struct vars *vars)
{
	struct context *c = &pool[used++ % 64];

	c->refs = 1;
	c->vars = vars;
	if (vars)
		vars->refs++;
	return c;
}

struct context *PyContext_CopyCurrent(void)
{
	return make(current->context->vars);
}

struct context *PyContext_Copy(struct context *c)
{
	c->refs += other;
	return make(c->vars);
}

struct context *PyContext_New(void)
{
	return make((struct vars *)&used);
}

static void *get(struct context *c, void *arg)
{
	return arg ? c->vars : arg;
}

static void *copy(struct context *c, void *arg)
{
	(void)arg;
	return make(c->vars);
}

static const struct method methods[] = { { "get", get, 1, "" }, { "copy", copy, 4, "" }, { 0, 0, 0, 0 } };
struct type PyContext_Type = { { 1 }, methods };
