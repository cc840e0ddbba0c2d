/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/pool.h"
#include "base/table.h"
#include "stats.h"

#define PROCESSES_MAX 16384
#define FILES_TO_LOOK 16            /* names, mappings, probes of a process: a few at a time */
#define IGNORED_NS    2000000000ULL /* how long rejected processes stay known, at least */

static const struct config *config;
static target_reject_fn reject;
static target_found_fn found;
static struct pool pool;
static struct table by_pid;
static struct process *unresolved;
static struct process *ignored[2]; /* rejected in this period and in the one before */
static uint64_t ignored_ns;        /* when this period began */

int targets_init(const struct config *conf, target_reject_fn fn)
{
	int err;

	config = conf;
	reject = fn;
	found = NULL;
	unresolved = ignored[0] = ignored[1] = NULL;
	ignored_ns = 0;
	err = pool_init(&pool, sizeof(struct process), PROCESSES_MAX);
	return err ? err : table_init(&by_pid, PROCESSES_MAX);
}

void targets_on_found(target_found_fn fn)
{
	found = fn;
}

void targets_fini(void)
{
	table_free(&by_pid);
	pool_free(&pool);
}

void process_ref(const struct process *process)
{
	((struct process *)process)->refs++;
}

void process_unref(const struct process *process)
{
	struct process *p = (struct process *)process;

	if (!p)
		return;
	assert(p->refs > 0);
	if (--p->refs == 0)
		pool_put(&pool, p);
}

uint32_t targets_alive(void)
{
	return by_pid.used;
}

/* The table and the list of unresolved processes hold one reference each. */
static struct process *process_new(uint32_t pid)
{
	struct process *p = pool_get(&pool);

	if (!p || table_put(&by_pid, pid, p)) {
		if (p)
			pool_put(&pool, p);
		loss_add(DROP_processes_full, 1);
		return NULL;
	}
	p->pid = pid;
	p->refs = 2;
	p->unresolved = unresolved;
	unresolved = p;
	stat_set(STAT_processes, by_pid.used);
	return p;
}

static void process_gone(struct process *p)
{
	p->exited = true;
	table_remove(&by_pid, p->pid, p);
	stat_set(STAT_processes, by_pid.used);
	process_unref(p);
}

bool target_hops(uint32_t pid)
{
	struct process *p = table_get(&by_pid, pid);
	bool is_news = p && !p->hops;

	if (p)
		p->hops = true;
	return is_news;
}

void targets_each(void (*see)(uint32_t pid))
{
	for (uint32_t i = 0; i <= by_pid.mask; i++) {
		const struct process *p = by_pid.slots[i].value;

		if (p && !p->ignored)
			see(p->pid);
	}
}

struct process_share targets_busiest(void)
{
	struct process_share busiest = { 0 };

	for (uint32_t i = 0; i <= by_pid.mask; i++) {
		struct process *p = by_pid.slots[i].value;
		uint64_t events = p ? p->events - p->events_before : 0;

		if (p)
			p->events_before = p->events;
		if (events <= busiest.events)
			continue;
		busiest = (struct process_share){ .pid = p->pid, .events = events };
		memcpy(busiest.command, p->command, sizeof(busiest.command));
	}
	return busiest;
}

struct process *target_find(uint32_t pid)
{
	struct process *p = table_get(&by_pid, pid);

	if (!p)
		p = process_new(pid);
	if (!p || !p->ignored)
		return p;
	stat_add(STAT_events_ignored, 1);
	return NULL;
}

static bool matches(const char *path)
{
	for (size_t i = 0; i < config->exes_len; i++)
		if (fnmatch(config->exes[i], path, 0) == 0)
			return true;
	return false;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static void set_names(struct process *p, const struct event_process *e)
{
	const char *path = (const char *)e->path, *base = strrchr(path, '/');

	copy_text(p->command, sizeof(p->command), (const char *)e->command);
	copy_text(p->path, sizeof(p->path), path);
	copy_text(p->service, sizeof(p->service), path[0] ? (base ? base + 1 : path) : p->command);
}

/* A new program in a known process is a new service; spans of the old one keep their names. */
static bool executed(const struct event_process *e)
{
	struct process *old = table_get(&by_pid, e->h.pid), *p;
	bool known = old && !old->ignored && (!old->undecided || matches(old->path));

	if (old)
		process_gone(old);
	p = process_new(e->h.pid);
	if (!p)
		return false;
	set_names(p, e);
	/* The path is as the caller named it, and a script's is not its interpreter's: /proc decides, if it
	 * can. */
	p->undecided = !known;
	return true;
}

static bool forked(const struct event_process *e)
{
	struct process *p, *parent = table_get(&by_pid, e->parent);

	if (table_get(&by_pid, e->h.pid))
		return true;
	p = process_new(e->h.pid);
	if (!p)
		return false;
	set_names(p, e);
	if (!parent)
		return true;
	memcpy(p->service, parent->service, sizeof(p->service));
	memcpy(p->path, parent->path, sizeof(p->path));
	p->hops = parent->hops;
	p->undecided = parent->undecided || parent->ignored;
	return true;
}

/* A process that was rejected before it listened is a new one. */
static bool selected(uint32_t pid)
{
	struct process *p = table_get(&by_pid, pid);

	if (p && p->ignored) {
		process_gone(p);
		p = NULL;
	}
	if (!p)
		p = process_new(pid);
	if (p)
		p->undecided = false;
	return p;
}

bool target_event(const struct event_process *e)
{
	struct process *p;

	switch (e->change) {
	case PROCESS_FORKED:
		return forked(e);
	case PROCESS_EXECED:
		return executed(e);
	case PROCESS_SELECTED:
		return selected(e->h.pid);
	case PROCESS_EXITED:
		p = table_get(&by_pid, e->h.pid);
		if (p)
			process_gone(p);
	}
	return true;
}

/* Reads the start of a file in /proc/PID; returns its length or -errno. */
static ssize_t read_proc(uint32_t pid, const char *name, char *buf, size_t size)
{
	char path[96];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n;
}

static ssize_t read_exe(uint32_t pid, char *buf, size_t size)
{
	char path[64], *deleted;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	deleted = strstr(buf, " (deleted)");
	if (deleted && !deleted[10])
		*deleted = '\0';
	return n;
}

/* Was the program started under another name of its file, as redis-server is a link to redis-check-rdb? */
static bool is_other_name(uint32_t pid, const char *exe, const char *name)
{
	const char *base = strrchr(exe, '/');
	struct stat exe_stat, name_stat;
	char path[PATH_MAX + 64];

	if (!base || !name[0] || strchr(name, '/'))
		return false;
	snprintf(path, sizeof(path), "/proc/%u/root%.*s/%s", pid, (int)(base - exe), exe, name);
	if (stat(path, &name_stat))
		return false;
	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	return stat(path, &exe_stat) == 0 && exe_stat.st_dev == name_stat.st_dev &&
	       exe_stat.st_ino == name_stat.st_ino;
}

static void read_service(struct process *p, const char *exe)
{
	static const char key[] = "OTEL_SERVICE_NAME=";
	static char environ_text[65536];
	ssize_t n = read_proc(p->pid, "environ", environ_text, sizeof(environ_text));
	const char *base = strrchr(exe, '/');

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(environ_text + at) + 1)
		if (strncmp(environ_text + at, key, sizeof(key) - 1) == 0 &&
		    environ_text[at + sizeof(key) - 1]) {
			snprintf(p->service, sizeof(p->service), "%.63s",
				 environ_text + at + sizeof(key) - 1);
			return;
		}
	if (is_other_name(p->pid, exe, p->command))
		snprintf(p->service, sizeof(p->service), "%s", p->command);
	else if (exe[0])
		snprintf(p->service, sizeof(p->service), "%.63s", base ? base + 1 : exe);
}

/* Sets command and service as far as they can be found out. Returns whether the process matches nothing. */
static bool names_of_proc(struct process *p)
{
	char exe[PATH_MAX] = "", comm[32];
	ssize_t n;

	/* After its end the id may belong to another process; its own events told what is known. */
	if (!p->exited) {
		n = read_proc(p->pid, "comm", comm, sizeof(comm));
		if (n > 1) {
			comm[strcspn(comm, "\n")] = '\0';
			snprintf(p->command, sizeof(p->command), "%.15s", comm);
		}
		read_exe(p->pid, exe, sizeof(exe));
		read_service(p, exe);
	}
	if (!p->service[0])
		snprintf(p->service, sizeof(p->service), "%s", p->command[0] ? p->command : "unknown");
	return p->undecided && !matches(exe[0] ? exe : p->path);
}

static bool (*names_of)(struct process *p) = names_of_proc;
static void (*tapped)(const struct process *p);

void targets_resolve_from(bool (*names)(struct process *p))
{
	names_of = names;
}

void targets_resolve_tap(void (*tap)(const struct process *p))
{
	tapped = tap;
}

static void resolve(struct process *p)
{
	p->ignored = names_of(p);
	if (p->ignored) {
		/* Not what has come after it, which ended it by executing another program. */
		if (table_get(&by_pid, p->pid) == p)
			reject(p->pid);
		process_ref(p);
		p->unresolved = ignored[0];
		ignored[0] = p;
	}
	p->undecided = false;
	p->resolved = true;
	if (tapped)
		tapped(p);
	if (found && !p->ignored && !p->exited)
		found(p->pid);
}

/*
 * Events of a rejected process may still wait in the ring: it stays known, as ignored, for one to two
 * periods.
 */
static void forget_ignored(uint64_t now_ns)
{
	if (now_ns < ignored_ns + IGNORED_NS)
		return;
	ignored_ns = now_ns;
	while (ignored[1]) {
		struct process *p = ignored[1];

		ignored[1] = p->unresolved;
		if (!p->exited)
			process_gone(p);
		process_unref(p);
	}
	ignored[1] = ignored[0];
	ignored[0] = NULL;
}

/* While too many files are open: what matches nothing is let go at once, which takes none. */
static bool waits(struct process *p)
{
	char exe[PATH_MAX];

	if (p->exited || (p->undecided && !matches(read_exe(p->pid, exe, sizeof(exe)) > 0 ? exe : p->path)))
		return false;
	stat_add(STAT_processes_late, !p->late);
	p->late = true;
	p->undecided = false;
	return true;
}

void targets_resolve(uint64_t now_ns)
{
	bool late = unresolved && names_of == names_of_proc && !files_left(FILES_TO_LOOK);
	struct process **link = &unresolved, *p;

	forget_ignored(now_ns);
	while ((p = *link)) {
		if (late && waits(p)) {
			link = &p->unresolved;
			continue;
		}
		*link = p->unresolved;
		resolve(p);
		process_unref(p);
	}
}

/* A process that has ended but was not waited for yet is none to trace. */
static bool runs(uint32_t pid)
{
	char stat[512], *state;

	if (read_proc(pid, "stat", stat, sizeof(stat)) <= 0)
		return false;
	state = strrchr(stat, ')');
	return state && state[1] == ' ' && !strchr("ZXx", state[2]);
}

void targets_verify(void)
{
	for (uint32_t i = 0; i <= by_pid.mask; i++) {
		struct process *p = by_pid.slots[i].value;

		if (!p || runs(p->pid))
			continue;
		reject(p->pid);
		process_gone(p);
		i--; /* the table has moved the next one here */
	}
}

int target_add(uint32_t pid)
{
	if (!runs(pid))
		return -ESRCH;
	return target_find(pid) ? 0 : -ENOSPC;
}

/* /proc/PID/task/TID/children lists what the thread has forked, a page at a time. */
static int thread_children(uint32_t pid, const char *tid, int (*add)(uint32_t pid))
{
	char path[96], *list = NULL, *save, *word;
	size_t size = 0;
	ssize_t n;
	FILE *f;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%u/task/%.20s/children", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	n = getdelim(&list, &size, '\0', f);
	fclose(f);
	for (word = n > 0 ? strtok_r(list, " ", &save) : NULL; word && (!err || err == -ESRCH);
	     word = strtok_r(NULL, " ", &save))
		err = add((uint32_t)atoi(word));
	free(list);
	return err == -ESRCH ? 0 : err;
}

int target_children(uint32_t pid, int (*add)(uint32_t pid))
{
	struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(tasks)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = thread_children(pid, entry->d_name, add);
	closedir(tasks);
	return err;
}

int targets_scan(int (*add)(uint32_t pid))
{
	char exe[PATH_MAX];
	struct dirent *entry;
	int matching = 0, err = 0;
	DIR *proc;

	if (config->exes_len == 0)
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (err == 0 && (entry = readdir(proc))) {
		uint32_t pid = isdigit((unsigned char)entry->d_name[0]) ? (uint32_t)atoi(entry->d_name) : 0;

		if (pid == 0 || pid == (uint32_t)getpid() || read_exe(pid, exe, sizeof(exe)) < 0 ||
		    !matches(exe))
			continue;
		err = add(pid);
		matching += err == 0;
	}
	closedir(proc);
	return err ? err : matching;
}
