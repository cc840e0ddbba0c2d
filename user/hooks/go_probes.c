/* SPDX-License-Identifier: Apache-2.0 */
#include "go_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "go_code.h"
#include "mapping.h"
#include "seen.h"

/* A file that was looked into. */
struct file {
	struct bpf_link *links[GO_POINTS]; /* NULL: it has no Go, or one that cannot be followed */
	uint32_t goid_offset;              /* 0: the same */
};

static struct go_programs programs;
static struct seen seen;
static struct file files[SEEN_MAX]; /* by their number */
static bool opened;

void go_probes_open(const struct go_programs *p)
{
	programs = *p;
	seen.len = 0;
	opened = true;
}

static void take_off(struct file *f)
{
	for (int i = 0; i < GO_POINTS; i++) {
		bpf_link__destroy(f->links[i]);
		f->links[i] = NULL;
	}
	f->goid_offset = 0;
}

void go_probes_close(void)
{
	uint32_t pid;

	if (!opened)
		return;
	while (bpf_map_get_next_key(programs.gos_fd, NULL, &pid) == 0)
		if (bpf_map_delete_elem(programs.gos_fd, &pid))
			break;
	++*programs.generation;
	while (seen.len)
		take_off(&files[--seen.len]);
	opened = false;
}

static const char *put(const struct object *o, const struct mapping *m, const struct go_code *code,
		       struct file *f)
{
	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where one starts or wakes another";
	for (int i = 0; i < GO_POINTS; i++) {
		DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->inlined);

		f->links[i] =
			bpf_program__attach_uprobe_opts(programs.at[i], -1, m->path, code->points[i], &opts);
		if (!f->links[i])
			return strerror(errno);
	}
	f->goid_offset = code->goid_offset;
	return NULL;
}

static void follow(const struct object *o, const struct mapping *m, struct file *f)
{
	struct go_code code;
	int err = go_code_read(o, &code);
	const char *why;

	if (err == -ENOENT)
		return;
	why = err ? "its code does not show where one starts or wakes another, as that of Go 1.18 and later "
		    "does"
		  : put(o, m, &code, f);
	if (!why)
		return;
	take_off(f);
	log_warn("which goroutine of %s does what is not seen: %s", m->name, why);
}

/* What is known of the executable that is mapped; NULL: there is no more room. */
static struct file *file_of(const struct mapping *m)
{
	bool is_new;
	int number = seen_file(&seen, m->device, m->inode, &is_new);
	struct object *object;
	char root[32];

	if (number < 0 || !is_new)
		return number < 0 ? NULL : &files[number];
	files[number] = (struct file){ 0 };
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	if (file_mentions(m->path, GO_SEND, sizeof(GO_SEND)) && object_open(m->path, root, &object) == 0) {
		follow(object, m, &files[number]);
		object_close(object);
	}
	return &files[number];
}

static int see_mapping(const struct mapping *m, void *arg)
{
	struct file *f = m->executable ? file_of(m) : NULL;
	bool *is_followed = arg;
	uint32_t offset;

	if (!f || !f->goid_offset)
		return 0;
	*is_followed = true;
	if (bpf_map_lookup_elem(programs.gos_fd, &m->pid, &offset) == 0 && offset == f->goid_offset)
		return 0;
	if (bpf_map_update_elem(programs.gos_fd, &m->pid, &f->goid_offset, BPF_ANY))
		log_warn("which goroutine of process %u does what is not seen: %s", m->pid, strerror(errno));
	++*programs.generation;
	return 0;
}

void go_probes_look(uint32_t pid)
{
	bool is_followed = false;

	if (!opened)
		return;
	mappings_each(pid, see_mapping, &is_followed);
	/* It executes something else by now, or another one had its id. */
	if (!is_followed && bpf_map_delete_elem(programs.gos_fd, &pid) == 0)
		++*programs.generation;
}
