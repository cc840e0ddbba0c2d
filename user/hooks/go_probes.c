/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "go_code.h"
#include "runtime.h"
#include "search.h"

/* A file that was looked into. */
struct file {
	struct bpf_link *links[GO_POINTS]; /* NULL: it has no Go, or one that cannot be followed */
	uint32_t goid_offset;              /* 0: the same */
};

static const char *const programs[GO_POINTS] = {
	[GO_SENDING] = "go__sending",
	[GO_STARTING] = "go__starting",
	[GO_STARTED] = "go__started",
};

static struct runtime_kernel kernel;
static int gos_fd;                  /* process id → where a goroutine's id is */
static struct file files[SEEN_MAX]; /* by their number */

static void take_off(struct file *f)
{
	for (int i = 0; i < GO_POINTS; i++) {
		bpf_link__destroy(f->links[i]);
		f->links[i] = NULL;
	}
	f->goid_offset = 0;
}

static const char *put(const struct object *o, const struct mapping *m, const struct go_code *code,
		       struct file *f)
{
	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where one starts or wakes another";
	for (int i = 0; i < GO_POINTS; i++) {
		DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->inlined);

		f->links[i] = bpf_program__attach_uprobe_opts(
			bpf_object__find_program_by_name(kernel.object, programs[i]), -1, m->path,
			code->points[i], &opts);
		if (!f->links[i])
			return strerror(errno);
	}
	f->goid_offset = code->goid_offset;
	return NULL;
}

static void follow(const struct object *o, const struct mapping *m, size_t number)
{
	struct file *f = &files[number];
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

static bool may_be_go(const struct mapping *m)
{
	return m->executable;
}

static struct search search = {
	.what = "which goroutine does what", .text = GO_SEND, .may_have = may_be_go, .found = follow
};

static bool followed; /* of what the process has mapped, something is */

static void see(const struct mapping *m)
{
	int number = search_file(&search, m);
	const struct file *f = number < 0 ? NULL : &files[number];
	uint32_t offset;

	if (!f || !f->goid_offset)
		return;
	followed = true;
	if (bpf_map_lookup_elem(gos_fd, &m->pid, &offset) == 0 && offset == f->goid_offset)
		return;
	if (bpf_map_update_elem(gos_fd, &m->pid, &f->goid_offset, BPF_ANY))
		log_warn("which goroutine of process %u does what is not seen: %s", m->pid, strerror(errno));
	++*kernel.generation;
}

static void seen(uint32_t pid)
{
	/* It executes something else by now, or another one had its id. */
	if (!followed && bpf_map_delete_elem(gos_fd, &pid) == 0)
		++*kernel.generation;
	followed = false;
}

static void open_all(const struct runtime_kernel *k)
{
	kernel = *k;
	gos_fd = bpf_object__find_map_fd_by_name(kernel.object, "gos");
	search_restart(&search);
}

static void close_all(void)
{
	uint32_t pid;

	while (bpf_map_get_next_key(gos_fd, NULL, &pid) == 0)
		if (bpf_map_delete_elem(gos_fd, &pid))
			break;
	++*kernel.generation;
	for (size_t i = 0; i < search.seen.len; i++)
		take_off(&files[i]);
}

const struct runtime_probes go_probes = { .open = open_all, .close = close_all, .see = see, .seen = seen };
