/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "python_code.h"
#include "refusal.h"
#include "runtime.h"
#include "search.h"

/* A file that was looked into. Addresses are as it counts them. */
struct file {
	struct bpf_link *copying; /* NULL: it has no interpreter, or one that cannot be followed */
	struct bpf_link *made[PYTHON_MADE_MAX];
	struct python_code code;
};

static struct runtime_kernel kernel;
static struct file files[SEEN_MAX]; /* by their number */

static void take_off(struct file *f)
{
	bpf_link__destroy(f->copying);
	f->copying = NULL;
	for (size_t i = 0; i < PYTHON_MADE_MAX; i++) {
		bpf_link__destroy(f->made[i]);
		f->made[i] = NULL;
	}
}

/* Return probes are not for it: programs that switch stacks, as greenlets do, would not survive them. */
static const char *put(const struct object *o, const struct mapping *m, struct file *f)
{
	const struct bpf_program *copying =
		bpf_object__find_program_by_name(kernel.object, "python__copying");
	const struct bpf_program *copied = bpf_object__find_program_by_name(kernel.object, "python__copied");
	const struct python_code *code = &f->code;
	const char *refusal;

	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where it keeps them";
	if ((refusal = function_refusal(&code->copy, m)))
		return refusal;
	for (size_t i = 0; i < code->made_len; i++) {
		DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->made[i].reg);

		f->made[i] =
			bpf_program__attach_uprobe_opts(copied, -1, m->path, code->made[i].offset, &opts);
		if (!f->made[i])
			return strerror(errno);
	}
	f->copying = bpf_program__attach_uprobe_opts(copying, -1, m->path, code->copy.entry, NULL);
	return f->copying ? NULL : strerror(errno);
}

static void follow(const struct object *o, const struct mapping *m, size_t number)
{
	struct file *f = &files[number];
	int err = python_code_read(o, &f->code);
	const char *why;

	if (err == -ENOENT)
		return;
	why = err ? "its code does not show where it keeps them, as that of Python 3.7 and later does"
		  : put(o, m, f);
	if (!why)
		return;
	/* A part of the probes tells nothing, and costs as much. */
	take_off(f);
	log_warn("which task of Python in %s does what is not seen: %s", m->name, why);
}

/* Its own libraries have the name of the version in theirs: cpython-311. */
static bool may_be_python(const struct mapping *m)
{
	const char *name = mapping_base(m);

	return strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0;
}

static struct search search = { .what = "which task of Python does what",
				.text = PYTHON_COPY,
				.may_have = may_be_python,
				.found = follow };

static void see(const struct mapping *m)
{
	int number = search_file(&search, m);
	const struct file *f = number < 0 ? NULL : &files[number];
	const struct symbol *copy = f ? &f->code.copy : NULL;
	struct python python;

	if (!f || !f->copying || copy->offset < m->offset || copy->offset - m->offset >= m->end - m->start)
		return;
	python = f->code.python;
	if (python.storage != PYTHON_THREAD)
		python.thread_state += m->start - m->offset - (copy->address - copy->offset);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(kernel.object, "pythons"), &m->pid, &python,
				BPF_ANY))
		log_warn("which task of Python in process %u does what is not seen: %s", m->pid,
			 strerror(errno));
}

static void open_all(const struct runtime_kernel *k)
{
	kernel = *k;
	search_restart(&search);
}

/* What would not be seen of the contexts meanwhile would be taken for what was. */
static void forget_contexts(void)
{
	int fd = bpf_object__find_map_fd_by_name(kernel.object, "contexts");
	struct context_key key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		if (bpf_map_delete_elem(fd, &key))
			break;
}

static void close_all(void)
{
	for (size_t i = 0; i < search.seen.len; i++) {
		take_off(&files[i]);
		files[i] = (struct file){ 0 };
	}
	forget_contexts();
}

const struct runtime_probes python_probes = { .open = open_all, .close = close_all, .see = see };
