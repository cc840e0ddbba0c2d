/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/log.h"
#include "../target.h"
#include "budget.h"
#include "dwarf.h"
#include "refusal.h"
#include "spec.h"

#define FILES_MAX   1024 /* that were looked through; more are not */
#define WAITING_MAX 256  /* processes that are looked at again for libraries */

/* One of --function's, and what became of it. */
struct wish {
	struct spec spec;
	bool is_glob;
	bool of_source; /* its object is a source file */
	bool found;
	bool refused;   /* something about it was wrong, and was said */
	char hint[256]; /* where it is instead */
};

struct file {
	dev_t device;
	ino_t inode;
};

static const struct plan_kernel *kernel;
static struct wish *wishes;
static size_t wishes_len;
static struct file files[FILES_MAX];
static size_t files_len;
static struct mapped waiting[WAITING_MAX];
static size_t waiting_len;
static bool looked;       /* at some program */
static bool runs;         /* ... that a process runs */
static bool stripped;     /* the program looked at last is */
static char program[256]; /* its name */

/* Where each function is: names may be aliases. */
static struct {
	struct file file;
	uint64_t offset;
	struct returns returns;
	bool on; /* has its probes */
} places[FUNCTIONS_MAX];
static bool paused;

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_source(const char *name)
{
	static const char *const endings[] = { ".c", ".h", ".cc", ".cpp", ".cxx", ".C", ".hpp", ".rs" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcmp(dot, endings[i]) == 0)
			return true;
	return false;
}

int plan_init(const struct config *config, const struct plan_kernel *k)
{
	const char *why;

	kernel = k;
	files_len = waiting_len = 0;
	looked = runs = paused = false;
	budget_init(config, k);
	wishes_len = config->functions_len;
	wishes = calloc(wishes_len + 1, sizeof(*wishes));
	if (!wishes)
		return -ENOMEM;
	for (size_t i = 0; i < wishes_len; i++) {
		struct wish *w = &wishes[i];

		if (spec_parse(config->functions[i], &w->spec, &why))
			return -EINVAL;
		w->is_glob = strpbrk(w->spec.name, "*?[");
		w->of_source = is_source(w->spec.object);
	}
	return functions_init();
}

void plan_fini(void)
{
	functions_fini();
	free(wishes);
	wishes = NULL;
	wishes_len = 0;
}

/* What is looked through for functions. */
struct look {
	const struct object *object;
	const char *path; /* for the kernel */
	const char *name; /* for people */
	struct file file;
	const struct mapping *m; /* NULL: it does not run yet */
	struct wish *wish;
	bool only_look;
};

static void add_value(struct function *f, const struct spec_attribute *a, const struct read *read,
		      const struct value *value)
{
	uint32_t i = f->reads.reads_len++;

	f->reads.reads[i] = *read;
	f->values[i] = *value;
	f->values[i].name = a ? a->name : NULL;
}

/* Says that a value will not be shown, or (with a name that is no glob) that there is none. Returns whether
 * it is wrong. */
static bool say_missing(struct look *l, const struct function *f, const char *what, int err, const char *why)
{
	bool wrong = err == -ENOENT && !l->wish->is_glob;

	if (err == -ENODATA)
		why = "there is no debug information of it; compile with -g or install its debug symbols";
	if (wrong)
		log_error("%s: %s: %s", f->name, what, why);
	else if (err != -ENOENT)
		log_warn("%s: %s is not shown: %s", f->name, what, why);
	return wrong;
}

/* Plans what is read of the function's calls. Returns 0, or -ENOENT when something that was asked for is
 * wrong. */
static int add_values(struct look *l, struct function *f, const struct symbol *s)
{
	const struct spec *spec = &l->wish->spec;
	char why[TYPE_TEXT_MAX];
	struct function_info info;
	int known = function_info(l->object, s, &info), err;
	bool wrong = false;

	for (size_t i = 0; i < spec->attributes_len; i++) {
		const struct spec_attribute *a = &spec->attributes[i];
		struct value value = { 0 };
		struct read read = { 0 };

		err = known ? known : function_read(&info, a->expression, a->at_return, &read, &value, why);
		if (!err)
			add_value(f, a, &read, &value);
		else
			wrong |= say_missing(l, f, a->expression, err, why);
	}
	if (spec->rule.comparison) {
		struct value value = { 0 };
		struct read read = { 0 };

		err = known ? known : function_result(&info, &read, &value, why);
		if (!err) {
			f->rule = spec->rule;
			f->rule.read = (uint8_t)f->reads.reads_len;
			add_value(f, NULL, &read, &value);
		} else {
			wrong |= say_missing(l, f, "the error rule", err, why);
		}
	}
	return wrong ? -ENOENT : 0;
}

/* Returns why it is refused, static or in text; NULL: it is not. */
static const char *refusal_of(const struct look *l, const struct symbol *s, struct returns *ret_returns,
			      char text[REFUSAL_MAX])
{
	const char *why = function_refusal(s, l->m);

	if (why)
		return why;
	return function_returns(l->object, s, l->m, kernel->return_is_filtered(), ret_returns, text) ? NULL
												     : text;
}

static bool is_placed(const struct look *l, uint64_t offset)
{
	for (uint32_t i = 0; i < functions_len(); i++)
		if (places[i].offset == offset && places[i].file.device == l->file.device &&
		    places[i].file.inode == l->file.inode)
			return true;
	return false;
}

static void refuse(struct look *l, const char *name, const char *why)
{
	if (l->wish->is_glob)
		return;
	l->wish->refused = true;
	log_error("%s in %s cannot be traced: %s", name, l->name, why);
}

/* Traces a function. Returns 0 also when it is refused: others may follow. */
static int trace(struct look *l, const struct symbol *s)
{
	struct returns returns;
	char text[REFUSAL_MAX];
	const char *why = refusal_of(l, s, &returns, text);
	struct function *f;
	int err;

	if (why || is_placed(l, s->entry)) {
		l->wish->found |= !why;
		if (why)
			refuse(l, s->name, why);
		return 0;
	}
	f = function_new();
	if (!f) {
		log_error("more than %d functions match: the others are not traced", FUNCTIONS_MAX);
		return -ENOSPC;
	}
	if (s->name[0])
		snprintf(f->name, sizeof(f->name), "%s", s->name);
	else
		snprintf(f->name, sizeof(f->name), "0x%llx", (unsigned long long)s->address);
	f->steps = s->steps + (returns.len > 0);
	err = add_values(l, f, s);
	l->wish->refused |= err != 0;
	if (!err && !paused && (err = kernel->attach(f, l->path, s->entry, &returns)))
		refuse(l, s->name, strerror(-err));
	if (err) {
		function_drop(f);
		return 0;
	}
	places[f->number].file = l->file;
	places[f->number].offset = s->entry;
	places[f->number].returns = returns;
	places[f->number].on = !paused;
	l->wish->found = true;
	return 0;
}

/* A static function's file is in the symbols, another one's in the debug information. */
static bool is_from(const struct look *l, const struct symbol *s, const char *source)
{
	struct function_info info;
	const char *file = s->file;
	int line;

	if (!file && function_info(l->object, s, &info) == 0)
		file = function_file(&info, &line);
	return file && strcmp(base_name(file), source) == 0;
}

static int see_symbol(const struct symbol *s, void *arg)
{
	struct look *l = arg;
	const struct spec *spec = &l->wish->spec;

	if (fnmatch(spec->name, s->name, 0) || (l->wish->of_source && !is_from(l, s, spec->object)))
		return 0;
	if (!l->only_look)
		return trace(l, s);
	snprintf(l->wish->hint, sizeof(l->wish->hint), "%s", base_name(l->name));
	return 1;
}

/* Does "libsqlite3.so" or a glob mean libsqlite3.so.0.8.6? */
static bool means_library(const char *object, const char *name)
{
	size_t len = strlen(object);

	name = base_name(name);
	return fnmatch(object, name, 0) == 0 || (strncmp(object, name, len) == 0 && name[len] == '.');
}

static bool concerns(const struct wish *w, const char *name, bool executable)
{
	if (!w->spec.object[0] || w->of_source)
		return executable;
	return means_library(w->spec.object, name);
}

static bool seen_before(const struct file *f)
{
	for (size_t i = 0; i < files_len; i++)
		if (files[i].device == f->device && files[i].inode == f->inode)
			return true;
	return false;
}

/* Every wish that concerns the file. only_look: says where what was not found elsewhere is. */
static void look_through(struct look *l, bool executable)
{
	struct symbol s;

	for (size_t i = 0; i < wishes_len; i++) {
		struct wish *w = l->wish = &wishes[i];

		if (l->only_look ? w->found || w->is_glob || w->spec.object[0] || w->hint[0]
				 : !concerns(w, l->name, executable))
			continue;
		if (w->spec.name[0])
			symbols_each(l->object, see_symbol, l);
		else if (!l->only_look && symbol_at(l->object, w->spec.address, &s) == 0)
			trace(l, &s);
	}
}

static bool is_wanted(const char *name, bool executable)
{
	for (size_t i = 0; i < wishes_len; i++)
		if (concerns(&wishes[i], name, executable))
			return true;
	return false;
}

static int look_into(struct look *l, const char *root, bool executable)
{
	struct object *object;
	int err = object_open(l->path, root, &object);

	if (err) {
		if (executable && !l->only_look)
			log_warn("%s has no functions that can be traced: %s", l->name,
				 err == -ENOEXEC ? "it is no ELF file of a machine that is known"
						 : strerror(-err));
		return err;
	}
	if (executable) {
		looked = true;
		stripped = object->stripped;
		snprintf(program, sizeof(program), "%s", l->name);
	}
	l->object = object;
	look_through(l, executable);
	object_close(object);
	return 0;
}

static int see_mapping(const struct mapping *m, void *arg)
{
	bool only_look = *(bool *)arg;
	struct look l = { .path = m->path,
			  .name = m->name,
			  .file = { m->device, m->inode },
			  .m = m,
			  .only_look = only_look };
	char root[32];

	if (only_look ? m->executable : !is_wanted(m->name, m->executable) || seen_before(&l.file))
		return 0;
	if (!only_look && files_len == FILES_MAX)
		return -ENOSPC;
	if (!only_look)
		files[files_len++] = l.file;
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	look_into(&l, root, m->executable);
	return 0;
}

static bool some_missing(void)
{
	for (size_t i = 0; i < wishes_len; i++)
		if (!wishes[i].found && !wishes[i].refused && !wishes[i].is_glob && !wishes[i].spec.object[0])
			return true;
	return false;
}

static bool library_missing(void)
{
	for (size_t i = 0; i < wishes_len; i++)
		if (!wishes[i].found && !wishes[i].refused && wishes[i].spec.object[0] &&
		    !wishes[i].of_source)
			return true;
	return false;
}

/* A process that we have forked and that has not executed its program yet. */
static bool is_our_own(uint32_t pid)
{
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	return stat("/proc/self/exe", &own) == 0 && stat(path, &its) == 0 && own.st_dev == its.st_dev &&
	       own.st_ino == its.st_ino;
}

int plan_process(uint32_t pid)
{
	bool only_look = false;
	int err;

	if (!wishes_len || is_our_own(pid))
		return 0;
	err = mappings_each(pid, see_mapping, &only_look);
	runs |= !err;
	if (!err && looked && some_missing()) {
		only_look = true;
		mappings_each(pid, see_mapping, &only_look);
	}
	if (!err && library_missing() && waiting_len < WAITING_MAX)
		mappings_changed(pid, &waiting[waiting_len++]);
	return err;
}

int plan_file(const char *path)
{
	struct look l = { .path = path, .name = path };
	struct stat is;

	if (!wishes_len || stat(path, &is))
		return 0;
	l.file = (struct file){ is.st_dev, is.st_ino };
	if (seen_before(&l.file) || files_len == FILES_MAX || !is_wanted(path, true))
		return 0;
	files[files_len++] = l.file;
	return look_into(&l, "", true);
}

static void say_absent(const struct wish *w)
{
	const char *what = w->spec.name;

	if (!what[0])
		log_error("there is no code at address 0x%llx of %s", (unsigned long long)w->spec.address,
			  program);
	else if (w->hint[0])
		log_error("%s has no function '%s', but %s has: --function %s:%s", program, what, w->hint,
			  w->hint, what);
	else if (w->spec.object[0] && !w->of_source)
		log_error("no library '%s' with a function '%s' is loaded", w->spec.object, what);
	else
		log_error("%s has no function '%s'%s%s%s", program, what, w->of_source ? " in " : "",
			  w->of_source ? w->spec.object : "",
			  stripped ? ": it is stripped of its symbols; install its debug symbols, trace a "
				     "build that "
				     "has them, or give an address"
				   : "; --functions-list '*' shows what it has");
}

int plan_verify(void)
{
	int err = 0;

	for (size_t i = 0; i < wishes_len; i++) {
		const struct wish *w = &wishes[i];

		if (w->refused)
			err = -ENOENT;
		/* A library is there only when its process runs. */
		if (w->found || w->refused || !(w->spec.object[0] && !w->of_source ? runs : looked))
			continue;
		say_absent(w);
		err = -ENOENT;
	}
	return err;
}

void plan_pause(void)
{
	paused = true;
	for (uint32_t i = 0; i < functions_len(); i++) {
		if (places[i].on)
			kernel->detach(i);
		places[i].on = false;
	}
}

static int resume_in(const struct mapping *m, void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < functions_len(); i++) {
		if (places[i].on || places[i].file.device != m->device || places[i].file.inode != m->inode ||
		    budget_let_go(i))
			continue;
		places[i].on =
			kernel->attach(function_at(i), m->path, places[i].offset, &places[i].returns) == 0;
	}
	return 0;
}

static void resume(uint32_t pid)
{
	mappings_each(pid, resume_in, NULL);
}

void plan_resume(void)
{
	paused = false;
	targets_each(resume);
}

void plan_tick(uint64_t now_ns)
{
	struct mapped again[WAITING_MAX];
	size_t n = waiting_len;

	if (!wishes_len)
		return;
	memcpy(again, waiting, n * sizeof(*again));
	waiting_len = 0;
	for (size_t i = 0; i < n; i++)
		if (mappings_changed(again[i].pid, &again[i]))
			plan_process(again[i].pid); /* one that has ended is not there any more */
		else if (library_missing())
			waiting[waiting_len++] = again[i];
	budget_tick(now_ns);
}
