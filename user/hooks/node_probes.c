/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "node_code.h"
#include "refusal.h"
#include "runtime.h"
#include "search.h"

static struct runtime_kernel kernel;
static struct bpf_link
	*links[SEEN_MAX]; /* by the file's number; NULL: it has no Node.js that can be followed */

static const char *put(const struct object *o, const struct mapping *m, const struct node_code *code,
		       struct bpf_link **ret_link)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = code->ids);
	const char *refusal;

	if (o->convention->machine != EM_X86_64)
		return "on this architecture it is not known where it keeps its async ids";
	if ((refusal = function_refusal(&code->batch_over, m)))
		return refusal;
	*ret_link = bpf_program__attach_uprobe_opts(
		bpf_object__find_program_by_name(kernel.object, "node__batch_over"), -1, m->path,
		code->batch_over.entry, &opts);
	return *ret_link ? NULL : strerror(errno);
}

static void follow(const struct object *o, const struct mapping *m, size_t number)
{
	struct node_code code;
	int err = node_code_read(o, &code);
	const char *why;

	if (err == -ENOENT)
		return;
	why = err ? "its code does not show where it keeps its async ids, as that of Node.js 12 and later "
		    "does"
		  : put(o, m, &code, &links[number]);
	if (why)
		log_warn("what Node.js in %s puts off is not seen: %s", m->name, why);
}

static bool may_be_node(const struct mapping *m)
{
	const char *name = mapping_base(m);

	return strncmp(name, "node", 4) == 0 || strncmp(name, "libnode", 7) == 0;
}

static struct search search = {
	.what = "what Node.js puts off", .text = NODE_EXECUTION, .may_have = may_be_node, .found = follow
};

static void see(const struct mapping *m)
{
	search_file(&search, m);
}

static void open_all(const struct runtime_kernel *k)
{
	kernel = *k;
	search_restart(&search);
	++*kernel.generation;
}

static void close_all(void)
{
	++*kernel.generation;
	for (size_t i = 0; i < search.seen.len; i++) {
		bpf_link__destroy(links[i]);
		links[i] = NULL;
	}
}

const struct runtime_probes node_probes = { .open = open_all, .close = close_all, .see = see };
