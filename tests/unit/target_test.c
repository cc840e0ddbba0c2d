/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "stats.h"
#include "target.h"

#define PID_NONE 5000001 /* beyond the largest pid_max of Linux */

static struct config config;
static uint32_t rejected[8];
static size_t rejected_len;

static void reject(uint32_t pid)
{
	assert_true(rejected_len < COUNT(rejected));
	rejected[rejected_len++] = pid;
}

static int setup(void **state)
{
	(void)state;
	config = (struct config){ 0 };
	rejected_len = 0;
	return targets_init(&config, reject);
}

static int teardown(void **state)
{
	(void)state;
	targets_fini();
	return 0;
}

static void tell(enum process_change change, uint32_t pid, uint32_t parent, const char *path,
		 const char *command)
{
	struct event_process e = { .h = { .type = EVENT_PROCESS, .pid = pid },
				   .change = change,
				   .parent = parent };

	snprintf((char *)e.path, sizeof(e.path), "%s", path);
	snprintf((char *)e.command, sizeof(e.command), "%s", command);
	target_event(&e);
}

static void forks_and_exits(void **state)
{
	struct process *parent, *child;

	(void)state;
	tell(PROCESS_FORKED, PID_NONE, 1, "/usr/sbin/nginx", "nginx");
	parent = target_find(PID_NONE);
	assert_non_null(parent);
	assert_int_equal(targets_alive(), 1);
	assert_string_equal(parent->service, "nginx");
	tell(PROCESS_FORKED, PID_NONE + 1, PID_NONE, "", "worker");
	child = target_find(PID_NONE + 1);
	assert_string_equal(child->service, "nginx"); /* its parent's */
	assert_string_equal(child->command, "worker");
	tell(PROCESS_FORKED, PID_NONE + 1, PID_NONE, "", "again");
	assert_ptr_equal(target_find(PID_NONE + 1), child);
	targets_resolve(0);
	assert_string_equal(child->service, "nginx"); /* /proc does not have it */
	assert_int_equal(targets_alive(), 2);

	/* A span still speaks of it. */
	process_ref(child);
	tell(PROCESS_EXITED, PID_NONE + 1, 0, "", "");
	assert_true(child->exited);
	assert_int_equal(targets_alive(), 1);
	assert_string_equal(child->command, "worker");
	process_unref(child);
	tell(PROCESS_EXITED, PID_NONE + 1, 0, "", ""); /* not known */
	tell(PROCESS_EXITED, PID_NONE, 0, "", "");
	assert_int_equal(targets_alive(), 0);
	assert_int_equal(stat_get(STAT_processes), 0);
	assert_int_equal(rejected_len, 0);
}

/* Spans that began before the exec keep the names of the program that they ran in. */
static void exec_of_a_target(void **state)
{
	const struct process *old, *new;

	(void)state;
	tell(PROCESS_FORKED, PID_NONE, 1, "/bin/sh", "sh");
	old = target_find(PID_NONE);
	process_ref(old);
	tell(PROCESS_EXECED, PID_NONE, 0, "/opt/shop/order-service", "order-service");
	new = target_find(PID_NONE);
	assert_ptr_not_equal(old, new);
	targets_resolve(0);
	assert_string_equal(old->service, "sh");
	assert_string_equal(new->service, "order-service");
	assert_int_equal(rejected_len, 0); /* whoever is traced stays traced */
	assert_int_equal(targets_alive(), 1);
	process_unref(old);
}

/* With --exe, whoever executes anything is known until it is looked at. */
static void exec_of_others(void **state)
{
	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/ls", "ls");
	tell(PROCESS_EXECED, PID_NONE + 1, 0, "/opt/order-service", "order-service");
	assert_non_null(target_find(PID_NONE));
	targets_resolve(0);
	assert_int_equal(rejected_len, 1);
	assert_int_equal(rejected[0], PID_NONE);
	assert_null(target_find(PID_NONE)); /* its events may still come */
	assert_non_null(target_find(PID_NONE + 1));
	/* It executes another program, which matches. */
	tell(PROCESS_EXECED, PID_NONE, 0, "/usr/bin/order-service", "order-service");
	targets_resolve(0);
	assert_non_null(target_find(PID_NONE));
	assert_int_equal(rejected_len, 1);
}

/* What is forked before its parent was looked at, and then executes something, is traced if the parent is. */
static void exec_of_children(void **state)
{
	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/sh", "sh");
	tell(PROCESS_FORKED, PID_NONE + 1, PID_NONE, "/bin/sh", "sh");
	tell(PROCESS_FORKED, PID_NONE + 2, PID_NONE, "/bin/sh", "sh");
	tell(PROCESS_EXECED, PID_NONE + 1, 0, "/bin/echo", "echo");
	tell(PROCESS_FORKED, PID_NONE + 3, PID_NONE + 1, "/bin/echo", "echo");
	tell(PROCESS_EXITED, PID_NONE + 1, 0, "", "");
	tell(PROCESS_EXECED, PID_NONE + 4, 0, "/opt/order-service", "order-service");
	tell(PROCESS_FORKED, PID_NONE + 5, PID_NONE + 4, "/opt/order-service", "order-service");
	tell(PROCESS_EXECED, PID_NONE + 5, 0, "/bin/cat", "cat");
	tell(PROCESS_EXECED, PID_NONE + 4, 0, "/bin/true", "true");
	targets_resolve(0);
	assert_null(target_find(PID_NONE));
	assert_null(target_find(PID_NONE + 2));
	assert_null(target_find(PID_NONE + 3));
	assert_non_null(target_find(PID_NONE + 4));
	assert_non_null(target_find(PID_NONE + 5));
	/* Its parent is known not to match by now. */
	tell(PROCESS_FORKED, PID_NONE + 6, PID_NONE, "/bin/sh", "sh");
	targets_resolve(0);
	assert_null(target_find(PID_NONE + 6));
}

/* It has ended before it was looked at: what it was executed as decides. */
static void exec_of_others_short(void **state)
{
	const struct process *other, *wanted;

	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/wget", "wget");
	tell(PROCESS_EXECED, PID_NONE + 1, 0, "/opt/order-service", "order-service");
	process_ref(other = target_find(PID_NONE));
	process_ref(wanted = target_find(PID_NONE + 1));
	tell(PROCESS_EXITED, PID_NONE, 0, "", "");
	tell(PROCESS_EXITED, PID_NONE + 1, 0, "", "");
	targets_resolve(0);
	assert_true(other->ignored);
	assert_false(wanted->ignored);
	process_unref(other);
	process_unref(wanted);
}

/* What it does before it is looked at is nobody's either: its children's fate is its own. */
static void children_of_others(void **state)
{
	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/sh", "sh");
	tell(PROCESS_FORKED, PID_NONE + 1, PID_NONE, "", "sh");
	tell(PROCESS_FORKED, PID_NONE + 2, PID_NONE, "", "sh");
	tell(PROCESS_EXECED, PID_NONE + 2, 0, "/bin/ls", "ls");
	tell(PROCESS_FORKED, PID_NONE + 3, PID_NONE, "", "sh");
	tell(PROCESS_EXECED, PID_NONE + 3, 0, "/opt/order-service", "order-service");
	targets_resolve(0);
	assert_null(target_find(PID_NONE));
	assert_null(target_find(PID_NONE + 1));
	assert_null(target_find(PID_NONE + 2));
	assert_non_null(target_find(PID_NONE + 3));
	/* The kernel had not heard of it yet. */
	tell(PROCESS_FORKED, PID_NONE + 4, PID_NONE, "", "sh");
	targets_resolve(0);
	assert_null(target_find(PID_NONE + 4));
	assert_int_equal(rejected_len, 4);
}

/* One that matches may do anything before it is looked at, too. */
static void children_of_those_wanted(void **state)
{
	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/opt/order-service", "order-service");
	tell(PROCESS_FORKED, PID_NONE + 1, PID_NONE, "", "order-service");
	tell(PROCESS_FORKED, PID_NONE + 2, PID_NONE, "", "order-service");
	tell(PROCESS_EXECED, PID_NONE + 2, 0, "/bin/sh", "sh");
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/sh", "sh");
	targets_resolve(0);
	for (uint32_t i = 0; i < 3; i++)
		assert_non_null(target_find(PID_NONE + i));
	assert_int_equal(rejected_len, 0);
}

/* With --exe too, whoever listens on a port that was asked for is traced, looked at before or after. */
static void selected_of_others(void **state)
{
	(void)state;
	config.exes[config.exes_len++] = "*/order-service";
	tell(PROCESS_EXECED, PID_NONE, 0, "/bin/sh", "sh");
	tell(PROCESS_SELECTED, PID_NONE, 0, "", "");
	tell(PROCESS_EXECED, PID_NONE + 1, 0, "/bin/sh", "sh");
	targets_resolve(0);
	assert_non_null(target_find(PID_NONE));
	assert_null(target_find(PID_NONE + 1));
	tell(PROCESS_SELECTED, PID_NONE + 1, 0, "", "");
	targets_resolve(0);
	assert_non_null(target_find(PID_NONE + 1));
	assert_int_equal(rejected_len, 1);
	assert_int_equal(targets_alive(), 2);
}

static void selected_by_port(void **state)
{
	(void)state;
	tell(PROCESS_SELECTED, PID_NONE, 0, "", "");
	assert_int_equal(targets_alive(), 1);
	targets_resolve(0);
	assert_string_equal(target_find(PID_NONE)->service, "unknown");
}

static pid_t start_sleep(const char *path)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl(path, path, "60", NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

/* A program that was started by a link beside it has the link's name; links elsewhere are not looked for. */
static void started_by_a_link(void **state)
{
	static const struct {
		const char *target, *service;
	} cases[] = { { "/bin/sleep", "sleep" }, { "program", "shop-service" } };
	char folder[] = "/tmp/spanhook-XXXXXX", link[64], command[64];
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command), "cp /bin/sleep %s/program", folder);
	assert_int_equal(system(command), 0);
	snprintf(link, sizeof(link), "%s/shop-service", folder);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(symlink(cases[i].target, link), 0);
		pid = start_sleep(link);
		assert_int_equal(target_add((uint32_t)pid), 0);
		targets_resolve(0);
		assert_string_equal(target_find((uint32_t)pid)->service, cases[i].service);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		unlink(link);
	}
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void process_limit(void **state)
{
	enum { MAX = 16384 };
	uint64_t dropped = drop_get(DROP_processes_full);
	uint32_t pid;

	(void)state;
	for (pid = PID_NONE; target_find(pid) && pid < PID_NONE + 2 * MAX; pid++)
		;
	assert_int_equal(pid, PID_NONE + MAX);
	assert_int_equal(drop_get(DROP_processes_full) - dropped, 1);
	assert_int_equal(targets_alive(), MAX);
	tell(PROCESS_FORKED, pid, 1, "/bin/a", "a");
	tell(PROCESS_EXITED, PID_NONE, 0, "", "");
	targets_resolve(0);
	assert_non_null(target_find(pid));
}

/* A thousand forks and exits leave nothing. */
static void churn(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		tell(PROCESS_FORKED, PID_NONE + i, 1, "/bin/a", "a");
		tell(PROCESS_EXITED, PID_NONE + i, 0, "", "");
		if (i % 1000 == 0)
			targets_resolve(0);
	}
	assert_int_equal(targets_alive(), 0);
}

/* A child of ours that runs `path` until its standard input is closed. */
struct child {
	pid_t pid;
	int in;
};

static struct child start(const char *path, const char *const *env)
{
	struct child child;
	int in[2], executed[2];
	char byte;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(executed, O_CLOEXEC), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		execve(path, (char *[]){ (char *)path, NULL }, (char **)env);
		_exit(127);
	}
	child.in = in[1];
	close(in[0]);
	close(executed[1]);
	assert_int_equal(read(executed[0], &byte, 1), 0); /* closed by the exec */
	close(executed[0]);
	return child;
}

/* Ends it; it stays a zombie until reap(). */
static void end(struct child child)
{
	siginfo_t info;

	close(child.in);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
}

static void reap(struct child child)
{
	int status;

	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void names_from_proc(void **state)
{
	static const char *const env[] = { "A=1", "OTEL_SERVICE_NAME=shop-orders", "B=2", NULL };
	static const char *const empty[] = { "OTEL_SERVICE_NAME=", "OTEL_SERVICE_NAMES=x", NULL };
	struct child named = start("/bin/cat", env), plain = start("/bin/cat", empty);

	(void)state;
	assert_int_equal(target_add((uint32_t)named.pid), 0);
	assert_int_equal(target_add((uint32_t)plain.pid), 0);
	targets_resolve(0);
	assert_string_equal(target_find((uint32_t)named.pid)->service, "shop-orders");
	assert_string_equal(target_find((uint32_t)named.pid)->command, "cat");
	assert_string_equal(target_find((uint32_t)plain.pid)->service, "cat");
	end(named);
	end(plain);
	reap(named);
	reap(plain);
}

static void add_checks_the_process(void **state)
{
	static const char *const env[] = { NULL };
	struct child child = start("/bin/cat", env);

	(void)state;
	assert_int_equal(target_add(PID_NONE), -ESRCH);
	assert_int_equal(target_add((uint32_t)child.pid), 0);
	end(child);
	assert_int_equal(target_add((uint32_t)child.pid), -ESRCH); /* a zombie */
	reap(child);
}

/* Who ended before the hooks were attached is not waited for. */
static void verify(void **state)
{
	static const char *const env[] = { NULL };
	struct child runs = start("/bin/cat", env), ends = start("/bin/cat", env);

	(void)state;
	assert_int_equal(target_add((uint32_t)runs.pid), 0);
	assert_int_equal(target_add((uint32_t)ends.pid), 0);
	for (uint32_t i = 0; i < 3; i++)
		target_find(PID_NONE + i);
	end(ends);
	targets_verify();
	assert_int_equal(targets_alive(), 1);
	assert_false(target_find((uint32_t)runs.pid)->exited);
	assert_int_equal(rejected_len, 4);
	end(runs);
	reap(runs);
	reap(ends);
}

static uint32_t added[2048];
static size_t added_len;
static int add_result;

static int add(uint32_t pid)
{
	if (added_len < COUNT(added))
		added[added_len++] = pid;
	return add_result;
}

static bool was_added(pid_t pid)
{
	for (size_t i = 0; i < added_len; i++)
		if (added[i] == (uint32_t)pid)
			return true;
	return false;
}

static void children(void **state)
{
	static const char *const env[] = { NULL };
	struct child one = start("/bin/cat", env), two = start("/bin/cat", env);

	(void)state;
	added_len = 0;
	add_result = -ESRCH; /* gone meanwhile: no error */
	assert_int_equal(target_children((uint32_t)getpid(), add), 0);
	assert_true(was_added(one.pid) && was_added(two.pid));
	assert_int_equal(added_len, 2);
	add_result = -ENOSPC;
	assert_int_equal(target_children((uint32_t)getpid(), add), -ENOSPC);
	add_result = 0;
	added_len = 0;
	assert_int_equal(target_children(PID_NONE, add), 0);
	assert_int_equal(target_children((uint32_t)one.pid, add), 0);
	assert_int_equal(added_len, 0);
	end(one);
	end(two);
	reap(one);
	reap(two);
}

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* By the path of the executable, also when it was deleted since. */
static void scan(void **state)
{
	static const char *const env[] = { NULL };
	char folder[] = "/tmp/target_test.XXXXXX", path[64], glob[64];
	struct child child;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/order-service", folder);
	snprintf(glob, sizeof(glob), "%s/*", folder);
	copy_file("/bin/cat", path);
	child = start(path, env);
	added_len = 0;
	add_result = 0;
	assert_int_equal(targets_scan(add), 0); /* nothing is asked for */
	config.exes[config.exes_len++] = "/nonexistent/*";
	config.exes[config.exes_len++] = glob;
	assert_int_equal(targets_scan(add), 1);
	assert_int_equal(added_len, 1);
	assert_true(was_added(child.pid));
	unlink(path);
	assert_int_equal(targets_scan(add), 1);
	/* /proc decides, whatever the caller of execve() wrote. */
	tell(PROCESS_EXECED, (uint32_t)child.pid, 0, "order-service", "cat");
	targets_resolve(0);
	assert_int_equal(rejected_len, 0);
	assert_string_equal(target_find((uint32_t)child.pid)->service, "order-service");
	add_result = -ENOSPC;
	assert_int_equal(targets_scan(add), -ENOSPC);
	end(child);
	reap(child);
	rmdir(folder);
}

/* More than /proc gives in one read. */
static void many_children(void **state)
{
	enum { MANY = 1100 };
	pid_t pids[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(1);
		}
	}
	added_len = 0;
	add_result = 0;
	assert_int_equal(target_children((uint32_t)getpid(), add), 0);
	assert_int_equal(added_len, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_true(was_added(pids[i]));
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
}

#define target_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		target_test(forks_and_exits),
		target_test(exec_of_a_target),
		target_test(exec_of_others),
		target_test(exec_of_children),
		target_test(exec_of_others_short),
		target_test(children_of_others),
		target_test(children_of_those_wanted),
		target_test(selected_of_others),
		target_test(selected_by_port),
		target_test(started_by_a_link),
		target_test(process_limit),
		target_test(churn),
		target_test(names_from_proc),
		target_test(add_checks_the_process),
		target_test(verify),
		target_test(children),
		target_test(many_children),
		target_test(scan),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
