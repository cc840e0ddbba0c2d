/* SPDX-License-Identifier: Apache-2.0 */
#include "node_probes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "mapping.h"
#include "node_code.h"
#include "refusal.h"
#include "seen.h"

static struct node_programs programs;
static struct seen seen;
static struct bpf_link
	*links[SEEN_MAX]; /* by the file's number; NULL: it has no Node.js that can be followed */
static bool opened;

void node_probes_open(const struct node_programs *p)
{
	programs = *p;
	seen.len = 0;
	opened = true;
	++*programs.generation;
}

void node_probes_close(void)
{
	if (!opened)
		return;
	++*programs.generation;
	while (seen.len) {
		bpf_link__destroy(links[--seen.len]);
		links[seen.len] = NULL;
	}
	opened = false;
}

static const char *put(const struct object *o, const struct mapping *m, const struct node_code *code,
		       struct bpf_link **ret_link)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->ids);
	const char *refusal;

	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where it keeps its async ids";
	if ((refusal = function_refusal(&code->batch_over, m)))
		return refusal;
	*ret_link = bpf_program__attach_uprobe_opts(programs.batch_over, -1, m->path, code->batch_over.entry,
						    &opts);
	return *ret_link ? NULL : strerror(errno);
}

static void follow(const struct object *o, const struct mapping *m, struct bpf_link **ret_link)
{
	struct node_code code;
	int err = node_code_read(o, &code);
	const char *why;

	if (err == -ENOENT)
		return;
	why = err ? "its code does not show where it keeps its async ids, as that of Node.js 12 and later "
		    "does"
		  : put(o, m, &code, ret_link);
	if (why)
		log_warn("what Node.js in %s puts off is not seen: %s", m->name, why);
}

static bool may_be_node(const struct mapping *m)
{
	const char *slash = strrchr(m->name, '/'), *name = slash ? slash + 1 : m->name;

	return strncmp(name, "node", 4) == 0 || strncmp(name, "libnode", 7) == 0;
}

static int see_mapping(const struct mapping *m, void *arg)
{
	struct object *object;
	char root[32];
	bool is_new;
	int number = may_be_node(m) ? seen_file(&seen, m->device, m->inode, &is_new) : -1;

	(void)arg;
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	if (number < 0 || !is_new || !file_mentions(m->path, NODE_EXECUTION, sizeof(NODE_EXECUTION)) ||
	    object_open(m->path, root, &object))
		return 0;
	follow(object, m, &links[number]);
	object_close(object);
	return 0;
}

void node_probes_look(uint32_t pid)
{
	if (opened)
		mappings_each(pid, see_mapping, NULL);
}
