/* SPDX-License-Identifier: Apache-2.0 */
#include "hook.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../bpf/event.h"
#include "base/files.h"
#include "base/log.h"
#include "hooks/runtime.h"
#include "hooks/sqlite_probes.h"
#include "hooks/uprobe.h"
#include "loaded.h"
#include "probe.h"
#include "rule.h"
#include "spanhook.skel.h"
#include "stats.h"

/* Bytes that wait before the agent is woken: more of them, and what it then does in one go delays the traced
 * process where both share a processor; at most a quarter of the ring. */
#define WAKE_LEN (64U << 10)

struct source {
	const char *name;
	bool required;
	const char *help;
};

static const struct source sources[] = {
#define HOOK(source, required, help) { #source, required, help },
#include "hooks.def"
#undef HOOK
};
#define FILES_MIN   192 /* some 50 for maps, programs and links, FILES_RESERVED, the rest for probes */
#define SOURCES_LEN (sizeof(sources) / sizeof(sources[0]))

static struct spanhook *skel;
static const char *variant; /* of the programs that are there in several */
static bool watch_ports;
static uint64_t last_drops[DROPS_LEN];
static struct limits limits;
static char last_warning[512]; /* what libbpf said last */

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (getenv("SPANHOOK_DEBUG"))
		return vfprintf(stderr, format, args);
	return level == LIBBPF_WARN ? vsnprintf(last_warning, sizeof(last_warning), format, args) : 0;
}

static const struct source *source_of(const struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog), *end = strstr(name, "__");

	for (size_t i = 0; i < SOURCES_LEN && end; i++)
		if (strlen(sources[i].name) == (size_t)(end - name) &&
		    strncmp(sources[i].name, name, (size_t)(end - name)) == 0)
			return &sources[i];
	return NULL;
}

static int open_skeleton(struct btf **ret_btf)
{
	struct btf *btf;

	libbpf_set_print(on_libbpf);
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		log_error("this kernel has no type information (BTF); Spanhook needs CONFIG_DEBUG_INFO_BTF");
		return -ENOTSUP;
	}
	skel = spanhook__open();
	if (!skel) {
		btf__free(btf);
		log_error("cannot open the BPF programs: %s", strerror(errno));
		return -errno;
	}
	*ret_btf = btf;
	return 0;
}

/* Nothing of a source is loaded when nobody wants it; its maps go with its programs. */
static void leave_out(const char *name, struct bpf_map *const maps[], size_t maps_len)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		const struct source *source = source_of(prog);

		if (source && strcmp(source->name, name) == 0)
			bpf_program__set_autoload(prog, false);
	}
	for (size_t i = 0; i < maps_len; i++)
		bpf_map__set_autocreate(maps[i], false);
}

static void leave_out_unwanted(const struct config *config)
{
	struct bpf_map *const of_functions[] = { skel->maps.functions, skel->maps.function_hits,
						 skel->maps.call_stacks };
	struct bpf_map *const of_sqlite[] = { skel->maps.sqlite_executions, skel->maps.sqlite_files,
					      skel->maps.sqlite_hits, skel->maps.sqlite_calls };

	if (!config->functions_len)
		leave_out("function", of_functions, sizeof(of_functions) / sizeof(of_functions[0]));
	if (!config->sqlite)
		leave_out("sqlite", of_sqlite, sizeof(of_sqlite) / sizeof(of_sqlite[0]));
	if (!config->exact_turns)
		leave_out("turns", NULL, 0);
#define RUNTIME(name, option, map, map_len, help)                                                            \
	if (config->runtimes[RUNTIME_##name])                                                                \
		bpf_map__set_max_entries(skel->maps.map, map_len);                                           \
	else                                                                                                 \
		leave_out(#name, NULL, 0);
#include "../bpf/runtimes.def"
#undef RUNTIME
}

/* Leaves out the programs whose point or helper is absent; -ENOTSUP when one is required. */
static int select_programs(const struct btf *btf)
{
	struct bpf_program *prog;
	const char *missing;
	uint32_t len = probe_variant(btf, skel->obj, &variant);

	if (!len) {
		log_error(
			"this kernel offers no way to see what processes send and receive; `spanhook check` "
			"says more");
		return -ENOTSUP;
	}
	bpf_map__set_max_entries(skel->maps.scratches, len);
	bpf_object__for_each_program(prog, skel->obj)
	{
		const struct source *source = source_of(prog);
		size_t at = 0;

		if (!bpf_program__autoload(prog))
			continue;
		if (probe_point(btf, prog, &missing) && !(missing = probe_helper(btf, prog, &at)))
			continue;
		bpf_program__set_autoload(prog, false);
		if (!source || source->required) {
			log_error("this kernel lacks '%s', which is needed to show %s; `spanhook check` says "
				  "more",
				  missing, source ? source->help : "events");
			return -ENOTSUP;
		}
	}
	return 0;
}

static int load(void)
{
	int err = spanhook__load(skel);

	/* A program that the kernel's verifier refuses is -EACCES, too. */
	if (err == -EPERM || (err == -EACCES && geteuid() != 0)) {
		log_error("loading BPF programs is not permitted: run as root, or with CAP_BPF, CAP_PERFMON "
			  "and "
			  "CAP_SYS_PTRACE");
		return -EPERM;
	}
	if (err == -ENOMEM)
		log_error("no memory for the BPF programs and their maps: a control group needs 32 MB, or a "
			  "smaller "
			  "--ring-size");
	else if (err)
		log_error("cannot load the BPF programs: %s (%s)", strerror(-err), last_warning);
	return err;
}

static int allow_files(void)
{
	long most = files_raise();

	if (most >= 0 && most < FILES_MIN) {
		log_error("only %ld files may be open at a time, %d are needed: raise the limit, as with "
			  "`ulimit -n 1024` "
			  "or LimitNOFILE=",
			  most, FILES_MIN);
		return -EMFILE;
	}
	return most < 0 ? (int)most : 0;
}

int hook_open(const struct config *config)
{
	struct btf *btf = NULL;
	int err;

	if ((err = allow_files()) || (err = open_skeleton(&btf)))
		return err;
	skel->bss->limits = limits;
	skel->rodata->settings.self_pid = (uint32_t)getpid();
	skel->rodata->settings.wake_len = config->ring_len / 4 < WAKE_LEN ? config->ring_len / 4 : WAKE_LEN;
	skel->rodata->settings.exact_turns = config->exact_turns;
	for (size_t i = 0; i < RUNTIMES_LEN; i++)
		skel->rodata->settings.runtimes[i] = config->runtimes[i];
	skel->rodata->settings.watch_exec = config->exes_len > 0;
	skel->rodata->settings.watch_ports = watch_ports = config->ports_len > 0;
	bpf_map__set_max_entries(skel->maps.ring, config->ring_len);
	err = select_programs(btf);
	leave_out_unwanted(config);
	btf__free(btf);
	if (err || (err = load()))
		return err;
	for (size_t i = 0; i < config->ports_len; i++) {
		uint8_t one = 1;

		bpf_map__update_elem(skel->maps.ports, &config->ports[i], sizeof(config->ports[i]), &one,
				     sizeof(one), BPF_ANY);
	}
	memset(last_drops, 0, sizeof(last_drops));
	err = spanhook__attach(skel);
	if (err)
		log_error("cannot attach the BPF programs: %s (%s)", strerror(-err), last_warning);
	return err;
}

const struct plan_kernel *hook_functions(void)
{
	const struct probe_programs programs = { skel->progs.function__enter, skel->progs.function__return,
						 skel->progs.function__leave };
	const struct plan_kernel *kernel;
	int err;

	kernel = probes_open(&programs, bpf_map__fd(skel->maps.functions),
			     bpf_map__fd(skel->maps.function_hits), &err);
	if (!kernel)
		log_error("this kernel does not let us put probes on functions: %s (%s)", strerror(-err),
			  last_warning);
	return kernel;
}

void hook_sqlite(struct sqlite_programs *ret_programs)
{
	*ret_programs = (struct sqlite_programs){
		.step = skel->progs.sqlite__step,
		.stepped = skel->progs.sqlite__stepped,
		.reset = skel->progs.sqlite__reset,
		.executed = skel->progs.sqlite__executed,
		.files_fd = bpf_map__fd(skel->maps.sqlite_files),
		.hits_fd = bpf_map__fd(skel->maps.sqlite_hits),
	};
}

void hook_runtime(enum runtime runtime, struct runtime_kernel *ret_kernel)
{
	*ret_kernel = (struct runtime_kernel){
		.object = skel->obj,
		.generation = &skel->bss->runtime_generations[runtime],
	};
}

void hook_limit(const struct limits *l)
{
	limits = *l;
	if (skel)
		skel->bss->limits = limits;
}

void hook_detach(void)
{
	runtimes_close();
	sqlite_probes_close();
	probes_close();
	if (skel)
		spanhook__detach(skel);
}

void hook_close(void)
{
	runtimes_close();
	sqlite_probes_close();
	probes_close();
	spanhook__destroy(skel);
	skel = NULL;
}

int hook_ring_fd(void)
{
	return bpf_map__fd(skel->maps.ring);
}

static uint32_t target_flags(uint32_t pid)
{
	struct target t = { 0 };

	bpf_map__lookup_elem(skel->maps.targets, &pid, sizeof(pid), &t, sizeof(t), 0);
	return t.flags;
}

/* The bit of the program's `followed`. */
static void follow(uint32_t pid, bool on)
{
	__typeof__(skel->bss->followed[0]) *word = &skel->bss->followed[pid / 64 % FOLLOWED_LEN];
	uint64_t bit = 1ULL << pid % 64;

	if (on)
		__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

static int set_target(uint32_t pid, uint32_t flags, uint64_t how)
{
	struct target t = { .flags = flags };
	int err;

	/* Before: who ends meanwhile is taken from the map, then its bit is. */
	follow(pid, !(flags & TARGET_PAUSED));
	err = bpf_map__update_elem(skel->maps.targets, &pid, sizeof(pid), &t, sizeof(t), how);
	if (err)
		follow(pid, false);
	return err;
}

int hook_add(uint32_t pid)
{
	return set_target(pid, TARGET_PAUSED, BPF_ANY);
}

void hook_remove(uint32_t pid)
{
	struct target t = { 0 };

	if (target_flags(pid) & TARGET_ASKED)
		return;
	/* Meanwhile it may have begun to listen on a port that was asked for, or begin now. */
	bpf_map__lookup_and_delete_elem(skel->maps.targets, &pid, sizeof(pid), &t, sizeof(t), 0);
	follow(pid, false);
	if (t.flags & TARGET_ASKED)
		set_target(pid, t.flags, BPF_ANY);
	else if (target_flags(pid) & TARGET_ASKED)
		follow(pid, true);
}

void hook_capture_whole(uint64_t sock)
{
	uint8_t one = 1;

	bpf_map__update_elem(skel->maps.wholes, &sock, sizeof(sock), &one, sizeof(one), BPF_ANY);
}

/* An iterator does its work while it is read. */
static int run_iterator(const struct bpf_link *link)
{
	int fd = bpf_iter_create(bpf_link__fd(link));
	char buf[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

int hook_start(void)
{
	/* A listener that is found by its port may have other sockets that were passed by already. */
	int err, passes = watch_ports ? 2 : 1;
	uint32_t pid, next;
	bool more;

	while (passes--)
		if ((err = run_iterator(skel->links.socket__existing)))
			return err;
	if (skel->links.sched__existing && (err = run_iterator(skel->links.sched__existing)))
		return err;
	/* An update moves a key to the front: the next one has to be known before. */
	more = bpf_map__get_next_key(skel->maps.targets, NULL, &pid, sizeof(pid)) == 0;
	while (more) {
		more = bpf_map__get_next_key(skel->maps.targets, &pid, &next, sizeof(next)) == 0;
		/* It may have ended meanwhile. */
		set_target(pid, target_flags(pid) & ~TARGET_PAUSED, BPF_EXIST);
		pid = next;
	}
	return 0;
}

void hook_read_counters(void)
{
	static const char *const stages[] = {
#define DROP(reason, stage, help) #stage,
#include "../bpf/drops.def"
#undef DROP
	};
	/* First: what was stood in for was missed before. */
	uint64_t stood_in = loaded_sum(skel->maps.stood_in);
	uint64_t sums[DROPS_LEN], misses, run_ns;

	loaded_sums(skel->maps.drops, sums, DROPS_LEN);
	loaded_runs(skel->obj, &misses, &run_ns);
	sums[DROP_hook_busy] = (int64_t)(misses - stood_in) > 0 ? misses - stood_in : 0;
	for (uint32_t id = 0; id < DROPS_LEN; id++) {
		if (strcmp(stages[id], "kernel") != 0 || sums[id] <= last_drops[id])
			continue;
		drop_add(id, sums[id] - last_drops[id]);
		last_drops[id] = sums[id];
	}
	stat_set(STAT_events_sent, loaded_sum(skel->maps.events_sent));
}

static void read_run(uint64_t *ret_run_ns, uint64_t *ret_events)
{
	uint64_t misses;

	loaded_runs(skel->obj, &misses, ret_run_ns);
	*ret_events = loaded_sum(skel->maps.events_sent);
}

static uint64_t all_map_bytes(void)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		if (bpf_map__fd(map) >= 0 && map != skel->maps.ring)
			sum += loaded_map_bytes(map);
	}
	return sum;
}

static int statistics(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

const struct usage_kernel hook_usage = { .run = read_run,
					 .map_bytes = all_map_bytes,
					 .statistics = statistics };

static void check_line(FILE *out, bool json, bool *first, const char *name, bool ok, const char *detail)
{
	if (json)
		fprintf(out, "%s{\"name\":\"%s\",\"ok\":%s,\"detail\":\"%s\"}", *first ? "" : ",", name,
			ok ? "true" : "false", detail);
	else
		fprintf(out, "  %-4s %-28s %s\n", ok ? "ok" : "NO", name, detail);
	*first = false;
}

/* The points of the programs that are wanted here, and the helpers that they lack, each once. */
static bool check_programs(const struct btf *btf, FILE *out, bool json, bool *first)
{
	const char *point, *helper, *lacking[32] = { 0 };
	bool complete = probe_variant(btf, skel->obj, &variant), all_variants = !complete;
	struct bpf_program *prog;
	size_t lacking_len = 0;

	bpf_object__for_each_program(prog, skel->obj)
	{
		const struct source *source = source_of(prog);
		bool ok = probe_point(btf, prog, &point);
		size_t at = 0, i;

		if (!bpf_program__autoload(prog) && !all_variants)
			continue;
		complete &= ok || (source && !source->required);
		check_line(out, json, first, point, ok, ok && source ? source->help : "absent");
		while ((helper = probe_helper(btf, prog, &at))) {
			for (i = 0; i < lacking_len && strcmp(lacking[i], helper) != 0; i++)
				;
			if (i == lacking_len && i < sizeof(lacking) / sizeof(lacking[0]))
				lacking[lacking_len++] = helper;
		}
	}
	for (size_t i = 0; i < lacking_len; i++) {
		char name[64];

		snprintf(name, sizeof(name), "bpf_%s()", lacking[i]);
		check_line(out, json, first, name, false, "absent: this kernel is older than the helper");
	}
	return complete && !lacking_len;
}

int hook_check(FILE *out, bool json)
{
	struct config config = {
		.capture_len = 4096, .ring_len = 1 << 16, .functions_len = 1, .sqlite = true
	};
	const struct plan_kernel *functions;
	char cost[128];
	bool first = true, complete = false;
	struct utsname kernel;
	struct btf *btf;
	int err;

	uname(&kernel);
	fprintf(out, json ? "{\"kernel\":\"%s\",\"arch\":\"%s\",\"checks\":[" : "kernel %s on %s\n",
		kernel.release, kernel.machine);
	libbpf_set_print(on_libbpf);
	btf = btf__load_vmlinux_btf();
	check_line(out, json, &first, "type information (BTF)", btf,
		   btf ? "/sys/kernel/btf/vmlinux"
		       : "absent: Spanhook cannot run without CONFIG_DEBUG_INFO_BTF");
	skel = btf ? spanhook__open() : NULL;
	if (skel) {
		complete = check_programs(btf, out, json, &first);
		hook_close();
	}
	btf__free(btf);
	err = complete ? hook_open(&config) : -ENOTSUP;
	functions = err ? NULL : hook_functions();
	if (functions)
		snprintf(
			cost, sizeof(cost),
			"a traced call takes %.1f us longer, %.1f if the function does not start with a push",
			(double)functions->call_ns / 1e3,
			(double)(functions->call_ns + functions->step_ns) / 1e3);
	check_line(out, json, &first, "probes on functions", functions,
		   functions ? cost : "--function does not work here");
	if (functions)
		check_line(out, json, &first, "probes under seccomp filters",
			   !functions->return_is_filtered(),
			   functions->return_is_filtered()
				   ? "seen at the instructions that return, where these can be told"
				   : "safe: tried");
	hook_close();
	check_line(out, json, &first, "load and attach", !err,
		   !err       ? "all programs"
		   : complete ? strerror(-err)
			      : "not tried");
	fprintf(out, json ? "],\"variant\":\"%s\",\"ok\":%s}\n" : "hook variant: %s\n%s",
		err ? "none" : variant,
		json  ? (err ? "false" : "true")
		: err ? "Spanhook cannot run here.\n"
		      : "Spanhook can run here.\n");
	return err;
}
