/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

/* How a program's section starts, what its point is called in the kernel's type information, and what it is.
 */
static const struct place {
	const char *section;
	const char *type;
	uint32_t kind;
} places[] = {
	{ "tp_btf/", "btf_trace_", BTF_KIND_TYPEDEF },
	{ "iter/", "bpf_iter__", BTF_KIND_STRUCT },
	{ "fexit/", "", BTF_KIND_FUNC },
};
#define PLACES_LEN (sizeof(places) / sizeof(places[0]))

/* The better first. */
static const struct variant {
	const char *name;
	const char *section;
} variants[] = {
	{ "tracepoint", "tp_btf/" },
	{ "fexit", "fexit/" },
};
#define VARIANTS_LEN (sizeof(variants) / sizeof(variants[0]))

#define NAME(helper) #helper
static const char *const helpers[] = { __BPF_FUNC_MAPPER(NAME) };
#define HELPERS_LEN (sizeof(helpers) / sizeof(helpers[0]))

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

bool probe_point(const struct btf *btf, const struct bpf_program *prog, const char **ret_point)
{
	const char *section = bpf_program__section_name(prog), *point = strchr(section, '/');
	char type[128];

	*ret_point = point ? point + 1 : section;
	for (size_t i = 0; i < PLACES_LEN; i++) {
		if (!starts_with(section, places[i].section))
			continue;
		snprintf(type, sizeof(type), "%s%s", places[i].type, *ret_point);
		return btf__find_by_name_kind(btf, type, places[i].kind) > 0;
	}
	return true;
}

static bool in_variant(const struct bpf_program *prog, const struct variant *v)
{
	return !bpf_program__autoload(prog) && starts_with(bpf_program__section_name(prog), v->section);
}

bool probe_stands_in(const struct bpf_program *prog)
{
	static const char mark[] = "_stand_in";
	const char *name = bpf_program__name(prog);
	size_t len = strlen(name);

	return len >= sizeof(mark) && strcmp(name + len - (sizeof(mark) - 1), mark) == 0;
}

/* NULL: the kernel has no such type. */
static const struct btf_type *find_type(const struct btf *btf, const char *name, uint32_t kind)
{
	int id = btf__find_by_name_kind(btf, name, kind);

	return id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
}

/* HOOKS_ARE_PREEMPTIBLE of the programs. */
static bool hooks_are_preemptible(const struct btf *btf)
{
	const struct btf_type *t = find_type(btf, "task_struct", BTF_KIND_STRUCT);
	const struct btf_member *m = t ? btf_members(t) : NULL;

	for (uint32_t i = 0; m && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, m[i].name_off), "trc_reader_scp") == 0)
			return true;
	return false;
}

static bool variant_exists(const struct btf *btf, const struct bpf_object *obj, const struct variant *v)
{
	struct bpf_program *prog;
	const char *point;

	bpf_object__for_each_program(prog, obj)
	{
		if (in_variant(prog, v) && !probe_point(btf, prog, &point))
			return false;
	}
	return true;
}

uint32_t probe_variant(const struct btf *btf, const struct bpf_object *obj, const char **ret_name)
{
	const struct variant *v = variants;
	struct bpf_program *prog;
	bool missable = hooks_are_preemptible(btf);
	uint32_t len = 0;

	while (!variant_exists(btf, obj, v))
		if (++v == variants + VARIANTS_LEN)
			return 0;
	bpf_object__for_each_program(prog, obj)
	{
		if (!in_variant(prog, v) || (probe_stands_in(prog) && !missable))
			continue;
		bpf_program__set_autoload(prog, true);
		len += !probe_stands_in(prog);
	}
	*ret_name = v->name;
	return len;
}

/* How many helpers the kernel knows: they are numbered without holes. */
static uint32_t helpers_known(const struct btf *btf)
{
	const struct btf_type *t = find_type(btf, "bpf_func_id", BTF_KIND_ENUM);
	const struct btf_enum *e = t ? btf_enum(t) : NULL;

	for (uint32_t i = 0; e && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, e[i].name_off), "__BPF_FUNC_MAX_ID") == 0)
			return (uint32_t)e[i].val;
	return HELPERS_LEN;
}

const char *probe_helper(const struct btf *btf, const struct bpf_program *prog, size_t *at)
{
	const struct bpf_insn *insns = bpf_program__insns(prog);
	int32_t known = (int32_t)helpers_known(btf);

	while (*at < bpf_program__insn_cnt(prog)) {
		const struct bpf_insn *call = &insns[(*at)++];

		/* Without a source register it calls a helper, not a function of ours or of the kernel. */
		if (call->code == (BPF_JMP | BPF_CALL) && !call->src_reg && call->imm >= known)
			return call->imm < (int32_t)HELPERS_LEN ? helpers[call->imm] : "unknown";
	}
	return NULL;
}
