/* SPDX-License-Identifier: Apache-2.0 */
#include "python_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "mapping.h"
#include "python_code.h"
#include "refusal.h"
#include "seen.h"

/* A file that was looked into. Addresses are as it counts them. */
struct file {
	struct bpf_link *copying; /* NULL: it has no interpreter, or one that cannot be followed */
	struct bpf_link *made[PYTHON_MADE_MAX];
	struct python_code code;
};

static struct python_programs programs;
static struct seen seen;
static struct file files[SEEN_MAX]; /* by their number */
static bool opened, full;

void python_probes_open(const struct python_programs *p)
{
	programs = *p;
	seen.len = 0;
	opened = true;
	full = false;
}

static void take_off(struct file *f)
{
	bpf_link__destroy(f->copying);
	f->copying = NULL;
	for (size_t i = 0; i < PYTHON_MADE_MAX; i++) {
		bpf_link__destroy(f->made[i]);
		f->made[i] = NULL;
	}
}

void python_probes_close(void)
{
	struct context_key key;

	while (seen.len)
		take_off(&files[--seen.len]);
	while (opened && bpf_map_get_next_key(programs.contexts_fd, NULL, &key) == 0)
		if (bpf_map_delete_elem(programs.contexts_fd, &key))
			break;
	opened = false;
}

/* Return probes are not for it: programs that switch stacks, as greenlets do, would not survive them. */
static const char *put(const struct object *o, const struct mapping *m, struct file *f)
{
	const struct python_code *code = &f->code;
	const char *refusal;

	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where it keeps them";
	if ((refusal = function_refusal(&code->copy, m)))
		return refusal;
	for (size_t i = 0; i < code->made_len; i++) {
		DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->made[i].reg);

		f->made[i] = bpf_program__attach_uprobe_opts(programs.copied, -1, m->path,
							     code->made[i].offset, &opts);
		if (!f->made[i])
			return strerror(errno);
	}
	f->copying = bpf_program__attach_uprobe_opts(programs.copying, -1, m->path, code->copy.entry, NULL);
	return f->copying ? NULL : strerror(errno);
}

static void follow(const struct object *o, const struct mapping *m, struct file *f)
{
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
	const char *slash = strrchr(m->name, '/'), *name = slash ? slash + 1 : m->name;

	return strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0;
}

/* What is known of the file that is mapped; NULL: there is no more room. */
static struct file *file_of(const struct mapping *m)
{
	bool is_new;
	int number = seen_file(&seen, m->device, m->inode, &is_new);
	struct file *f = number < 0 ? NULL : &files[number];
	struct object *object;
	char root[32];

	if (!f && !full)
		log_warn("which task of Python does what is seen in the first %d files with an interpreter "
			 "only",
			 SEEN_MAX);
	full = !f;
	if (!f || !is_new)
		return f;
	*f = (struct file){ 0 };
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	if (!file_mentions(m->path, PYTHON_COPY, sizeof(PYTHON_COPY)) || object_open(m->path, root, &object))
		return f;
	follow(object, m, f);
	object_close(object);
	return f;
}

static int see_mapping(const struct mapping *m, void *arg)
{
	struct file *f = may_be_python(m) ? file_of(m) : NULL;
	const struct symbol *copy = f ? &f->code.copy : NULL;
	struct python python;

	(void)arg;
	if (!f || !f->copying || copy->offset < m->offset || copy->offset - m->offset >= m->end - m->start)
		return 0;
	python = f->code.python;
	if (python.storage != PYTHON_THREAD)
		python.thread_state += m->start - m->offset - (copy->address - copy->offset);
	if (bpf_map_update_elem(programs.pythons_fd, &m->pid, &python, BPF_ANY))
		log_warn("which task of Python in process %u does what is not seen: %s", m->pid,
			 strerror(errno));
	return 0;
}

void python_probes_look(uint32_t pid)
{
	if (opened)
		mappings_each(pid, see_mapping, NULL);
}
