/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "base/files.h"
#include "base/log.h"
#include "base/random.h"
#include "base/wall.h"
#include "cause.h"
#include "conn.h"
#include "exit_code.h"
#include "export.h"
#include "function.h"
#include "function_tape.h"
#include "governor.h"
#include "hook.h"
#include "hooks/hopping.h"
#include "hooks/look.h"
#include "hooks/mapping.h"
#include "hooks/plan.h"
#include "hooks/runtime.h"
#include "hooks/sqlite_probes.h"
#include "http.h"
#include "link.h"
#include "replay.h"
#include "ring.h"
#include "round.h"
#include "settle.h"
#include "stats.h"
#include "summary.h"
#include "tape.h"
#include "target.h"

#define BUSY_WAIT_MS 50 /* longer than the kernel's WAKE_IDLE_NS: what comes after it wakes us */
#define IDLE_WAIT_MS 1000
#define SECOND_NS    1000000000ULL

static volatile sig_atomic_t stopped;
static bool attached; /* with attach: the summary is kept */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction stop = { .sa_handler = on_signal };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
}

/* Starts the command, held back before its first instruction. Returns its pid; *ret_go releases it. */
static pid_t start_command(char **argv, int *ret_go)
{
	int go[2];
	char byte;
	pid_t pid;

	if (pipe(go))
		return -errno;
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		close(go[1]);
		/* The pipe is closed without a byte when we end before. */
		if (read(go[0], &byte, 1) != 1)
			_exit(EXIT_FAILED);
		close(go[0]);
		files_restore();
		execvp(argv[0], argv);
		log_error("cannot run %s: %s", argv[0], strerror(errno));
		_exit(127);
	}
	close(go[0]);
	if (pid < 0)
		close(go[1]);
	*ret_go = go[1];
	return pid < 0 ? -errno : pid;
}

/* A process and its children; those that it forks from now on are followed in the kernel. */
static int add_target(uint32_t pid)
{
	int err;

	if (pid == (uint32_t)getpid())
		return 0;
	err = target_add(pid);
	if (!err)
		err = hook_add(pid);
	if (!err)
		tape_add(TAPE_TARGET, &pid, sizeof(pid));
	if (!err)
		err = target_children(pid, add_target);
	if (err == -ESRCH)
		log_error("there is no process %u", pid);
	else if (err)
		log_error("cannot trace process %u: %s", pid, strerror(-err));
	return err;
}

static int add_targets(const struct config *config, pid_t command)
{
	int err;

	for (size_t i = 0; i < config->pids_len; i++)
		if ((err = add_target(config->pids[i])))
			return err;
	if (command > 0 && (err = add_target((uint32_t)command)))
		return err;
	err = targets_scan(add_target);
	return err < 0 ? err : 0;
}

static bool plans; /* functions are traced */

static int see_mapping(const struct mapping *m, void *arg)
{
	bool *hops = arg;

	*hops |= hopping_is(m);
	sqlite_probes_see(m);
	runtimes_see(m);
	return 0;
}

/* Finds out what code a process runs. */
static void look_at(uint32_t pid)
{
	bool hops = false;

	look_remember(pid);
	mappings_each(pid, see_mapping, &hops);
	runtimes_seen(pid);
	if (hops && target_hops(pid))
		tape_add(TAPE_HOPS, &pid, sizeof(pid));
}

static void plan_found(uint32_t pid)
{
	if (plans)
		plan_process(pid);
	look_at(pid);
}

/* Traces the functions that were asked for, in what runs already; later in what is found. Returns 0, -ENOENT
 * or -ENOTSUP. */
static int plan_functions(const struct config *config)
{
	const struct plan_kernel *kernel;
	char path[PATH_MAX];
	int err;

	if (!config->functions_len)
		return 0;
	kernel = hook_functions();
	if (!kernel)
		return -ENOTSUP;
	if ((err = plan_init(config, kernel)))
		return err;
	plans = true;
	if (config->command && find_program(config->command[0], path) == 0)
		plan_file(path);
	targets_each(plan_found);
	return plan_verify();
}

/* Traces what SQLite executes where it is found. */
static void plan_sqlite(const struct config *config)
{
	struct sqlite_programs programs;
	char path[PATH_MAX];

	if (!config->sqlite)
		return;
	hook_sqlite(&programs);
	sqlite_probes_open(config, &programs);
	if (config->command && find_program(config->command[0], path) == 0)
		sqlite_probes_look_file(path);
}

static bool runtimes[RUNTIMES_LEN]; /* that are asked */

/* Calls that are open are not seen to return: they end, as incomplete. */
static void switch_functions(bool traced, uint64_t now_ns)
{
	if (traced) {
		if (plans)
			plan_resume();
		sqlite_probes_resume();
		runtimes_open(runtimes, hook_runtime);
		targets_each(look_at);
		return;
	}
	if (plans) {
		plan_pause();
		functions_end(now_ns);
	}
	sqlite_probes_pause(now_ns);
	runtimes_close();
}

static void govern(const struct config *config)
{
	governor_start(config, &(struct governor_kernel){ .limit = hook_limit,
							  .functions = switch_functions,
							  .usage = hook_usage });
}

/* A function is written down before the first event that may be its own. */
static void record_event(const void *record, size_t size)
{
	function_tape_add();
	tape_add(TAPE_EVENT, record, size);
}

static void record_names(const struct process *p)
{
	struct tape_names n = { .pid = p->pid, .ignored = p->ignored };

	memcpy(n.command, p->command, sizeof(n.command));
	memcpy(n.service, p->service, sizeof(n.service));
	tape_add(TAPE_NAMES, &n, sizeof(n));
}

/* Everything that the spine is given from now on is written down too. */
static int record(const struct config *config)
{
	struct wall wall;
	int err;

	wall_sample(&wall);
	wall_fix(wall.offset_ns);
	err = tape_create(config->record_path, wall.offset_ns, random_state());
	if (err) {
		log_error("cannot record to %s: %s", config->record_path, strerror(-err));
		return err;
	}
	ring_tap(record_event);
	targets_resolve_tap(record_names);
	return 0;
}

static int init(const struct config *config)
{
	int err = random_init();

	if (!err && config->record_path && (err = record(config)))
		return err;
	if (!err)
		err = rounds_init(config, attached, hook_remove);
	if (err)
		log_error("cannot reserve memory: %s", strerror(-err));
	return err;
}

static void fini(void)
{
	hook_close();
	ring_close();
	plan_fini();
	rounds_fini();
	tape_close();
}

static void record_time(enum tape_kind kind, uint64_t now)
{
	int err;

	tape_add(kind, &now, sizeof(now));
	if ((err = tape_flush()))
		log_error("recording ends: %s; tracing goes on", strerror(-err));
}

static bool after_poll(void)
{
	static uint64_t last_second_ns;
	uint64_t now = now_ns(), seen_ns = ring_seen_ns(now);
	bool waits = round_run(seen_ns);

	record_time(TAPE_ROUND, seen_ns);
	conns_take_whole(hook_capture_whole);
	governor_tick(now);
	if (now - last_second_ns >= SECOND_NS) {
		last_second_ns = now;
		hook_read_counters();
		plan_tick(now);
		sqlite_probes_tick(now);
		look_again(look_at);
	}
	return waits;
}

static void loop(const struct config *config, pid_t command, int *ret_status)
{
	uint64_t end_ns = config->duration_ns ? now_ns() + config->duration_ns : UINT64_MAX;
	bool ends_with_targets =
		attached && (config->pids_len || command > 0) && !config->exes_len && !config->ports_len;
	bool busy = true;

	while (!stopped) {
		uint64_t now = now_ns();

		if (export_broken() || now >= end_ns ||
		    (ends_with_targets && targets_alive() == 0 && !command && !busy))
			break;
		ring_wait(busy                                       ? BUSY_WAIT_MS
			  : end_ns - now < IDLE_WAIT_MS * 1000000ULL ? (int)((end_ns - now) / 1000000) + 1
								     : IDLE_WAIT_MS);
		busy = ring_poll() > 0;
		busy |= after_poll();
		if (command > 0 && waitpid(command, ret_status, WNOHANG) == command)
			command = 0;
	}
}

static void drain(void)
{
	uint64_t now;

	hook_detach();
	while (ring_poll() > 0)
		after_poll();
	now = now_ns();
	rounds_end(now);
	record_time(TAPE_END, now);
	hook_read_counters();
	export_stop();
}

static void say_attached(const struct config *config, uint64_t start_ns)
{
	log_info("attached to %u process%s in %.0f ms%s", targets_alive(), targets_alive() == 1 ? "" : "es",
		 (double)(now_ns() - start_ns) / 1e6,
		 config->exes_len || config->ports_len ? "; new ones will be followed" : "");
}

/* Everything that was seen and everything that was lost. */
static void report_stats(void)
{
	for (const struct account *a = accounts; a < accounts + accounts_len; a++)
		log_info("%-8s %llu %s = %llu passed on + %llu dropped%s%lld open", a->stage,
			 (unsigned long long)stat_get((enum stat_id)a->seen), a->what,
			 (unsigned long long)account_passed(a), (unsigned long long)account_dropped(a),
			 account_open(a) < 0 ? " - " : " + ", llabs(account_open(a)));
#define STAT(symbol, name, type, help)                                                                       \
	log_info("%-48s %llu", name, (unsigned long long)stat_get(STAT_##symbol));
#include "stats.def"
#undef STAT
#define UNDECIDED(reason, help)                                                                              \
	log_info("%-48s %llu", "undecided " #reason,                                                         \
		 (unsigned long long)atomic_load(&cause_undecided[UNDECIDED_##reason]));
#include "undecided.def"
#undef UNDECIDED
#define DROP(reason, stage, help)                                                                            \
	log_info("%-48s %llu", "dropped " #stage " " #reason, (unsigned long long)drop_get(DROP_##reason));
#include "../bpf/drops.def"
#undef DROP
}

static void report_losses(void)
{
	static const char *const reasons[] = {
#define DROP(reason, stage, help) help,
#include "../bpf/drops.def"
#undef DROP
	};

	for (size_t i = 0; i < DROPS_LEN; i++)
		if (drop_get((enum drop_id)i))
			log_warn("lost: %llu %s", (unsigned long long)drop_get((enum drop_id)i), reasons[i]);
}

int run(const struct config *config, bool attach)
{
	uint64_t start_ns = now_ns();
	int go = -1, status = 0, err;
	pid_t command = 0;

	attached = attach;
	signal(SIGPIPE, SIG_IGN);
	if (config->replay_path) {
		status = replay(config, attach);
		report_losses();
		if (config->stats)
			report_stats();
		return status;
	}
	catch_signals();
	if (init(config))
		return EXIT_FAILED;
	if (config->listen && http_start(config))
		return EXIT_FAILED;
	govern(config);
	err = hook_open(config);
	if (!err)
		err = ring_open(hook_ring_fd());
	if (err)
		return EXIT_FAILED;
	if (config->command && (command = start_command(config->command, &go)) < 0) {
		log_error("cannot start a process: %s", strerror(-command));
		return EXIT_FAILED;
	}
	err = add_targets(config, command);
	if (err)
		return err == -ESRCH ? EXIT_USAGE : EXIT_FAILED;
	err = plan_functions(config);
	if (err)
		return err == -ENOENT ? EXIT_USAGE : EXIT_FAILED;
	plan_sqlite(config);
	memcpy(runtimes, config->runtimes, sizeof(runtimes));
	runtimes_open(runtimes, hook_runtime);
	targets_each(look_at);
	targets_on_found(plan_found);
	if (export_start(config))
		return EXIT_FAILED;
	if ((err = hook_start())) {
		log_error("cannot list open sockets: %s", strerror(-err));
		return EXIT_FAILED;
	}
	ring_poll();
	targets_verify();
	after_poll();
	say_attached(config, start_ns);
	http_set_ready(true);
	start_ns = now_ns();
	if (go >= 0 && write(go, "", 1) != 1)
		log_warn("the command ended before it was started");
	if (go >= 0)
		close(go);
	loop(config, command, &status);
	http_set_ready(false);
	drain();
	if (attached)
		summary_report(config, now_ns() - start_ns);
	report_losses();
	if (config->stats)
		report_stats();
	http_stop();
	fini();
	if (config->command)
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return EXIT_OK;
}
