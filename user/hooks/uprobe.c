/* SPDX-License-Identifier: Apache-2.0 */
#include "uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/files.h"
#include "mapping.h"

#define NR_URETPROBE 335 /* arch/x86/entry/syscalls/syscall_64.tbl, Linux 6.11 */
#define SAMPLES      200 /* calls that are timed */

/* What is on a function; those of the return come first, so that no entry is without them. */
struct probe {
	struct bpf_link *leave[RETURNS_MAX], *enter;
};

static struct probe_programs programs;
static int functions_fd, hits_fd;
static struct probe probes[FUNCTIONS_MAX];

static void take_off(struct probe *p)
{
	bpf_link__destroy(p->enter);
	for (size_t i = 0; i < RETURNS_MAX; i++)
		bpf_link__destroy(p->leave[i]);
	*p = (struct probe){ 0 };
}

/* Returns 0 or -errno; the link is in *ret_link, NULL when there is none. */
static int put_one(const struct bpf_program *program, const char *path, uint64_t offset, bool at_return,
		   uint64_t cookie, struct bpf_link **ret_link)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = cookie, .retprobe = at_return);

	*ret_link = NULL;
	if (!files_left(FILES_RESERVED))
		return -EMFILE;
	*ret_link = bpf_program__attach_uprobe_opts(program, -1, path, offset, &opts);
	return *ret_link ? 0 : -errno;
}

static int put(struct probe *p, const char *path, uint64_t offset, const struct returns *returns,
	       uint64_t cookie)
{
	int err = 0;

	if (!returns->len)
		err = put_one(programs.leave, path, offset, true, cookie, &p->leave[0]);
	for (size_t i = 0; i < returns->len && !err; i++)
		err = put_one(programs.leave_at, path, returns->offsets[i], false, cookie, &p->leave[i]);
	if (!err)
		err = put_one(programs.enter, path, offset, false, cookie, &p->enter);
	if (err)
		take_off(p);
	return err;
}

static int attach(struct function *f, const char *path, uint64_t offset, const struct returns *returns)
{
	int err;

	f->reads.off = false;
	err = bpf_map_update_elem(functions_fd, &f->number, &f->reads, BPF_ANY);
	if (!err)
		err = put(&probes[f->number], path, offset, returns, f->number);
	f->reads.off = err != 0;
	return err;
}

static void detach(uint32_t number)
{
	struct function *f = function_at(number);

	/* Its open calls will not be seen to return: both sides are to know before it is so. */
	f->reads.off = true;
	f->reads.let_go++;
	bpf_map_update_elem(functions_fd, &number, &f->reads, BPF_ANY);
	take_off(&probes[number]);
}

uint64_t probes_count(int map_fd, uint32_t key)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t per_cpu[cpus > 0 ? cpus : 1], sum = 0;

	if (cpus <= 0 || bpf_map_lookup_elem(map_fd, &key, per_cpu))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += per_cpu[i];
	return sum;
}

static uint64_t hits(uint32_t number)
{
	return probes_count(hits_fd, number);
}

/* Functions of our own to try probes on: the kernel emulates what the first one starts with, where it does
 * that. */
#if defined(__x86_64__)
static __attribute__((naked, noinline)) void tried(void)
{
	__asm__ volatile("push %rbp\n\tpop %rbp\n\tret");
}
#else
static __attribute__((noinline)) void tried(void)
{
	__asm__ volatile("");
}
#endif

static __attribute__((noinline)) void tried_by_step(void)
{
	__asm__ volatile("");
}

/* *arg: an address, made an offset. */
static int see_own(const struct mapping *m, void *arg)
{
	uint64_t *at = arg;

	if (*at < m->start || *at >= m->end)
		return 0;
	*at += m->offset - m->start;
	return 1;
}

/* On one of ours, with a cookie that is no function's number. */
static int put_on_own(void (*own)(void), struct probe *p)
{
	struct returns by_probe = { 0 };
	uint64_t at = (uint64_t)(uintptr_t)own;

	if (mappings_each((uint32_t)getpid(), see_own, &at) != 1)
		return -ENOENT;
	return put(p, "/proc/self/exe", at, &by_probe, FUNCTIONS_MAX);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/* The median, so that an interruption does not count. */
static uint64_t time_calls(void (*own)(void))
{
	uint64_t took[SAMPLES];

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t start = clock_ns();

		own();
		took[i] = clock_ns() - start;
	}
	qsort(took, SAMPLES, sizeof(took[0]), by_size);
	return took[SAMPLES / 2];
}

/* What a probed call takes; 0: there are no probes. */
static uint64_t time_probed(void (*own)(void), int *ret_err)
{
	struct probe p = { 0 };
	uint64_t ns;

	*ret_err = put_on_own(own, &p);
	if (*ret_err)
		return 0;
	ns = time_calls(own);
	take_off(&p);
	return ns;
}

/* In a process of its own: a filter that kills who makes the system call of return probes. */
static void return_under_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_URETPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		_exit(1);
	tried();
	_exit(0);
}

/*
 * From Linux 6.11 on a return probe on x86-64 is a system call, which a filter may take offence at; the one
 * that lets it pass came later and was brought to older ones too. So it is tried.
 */
static bool return_is_filtered(void)
{
	static int known = -1;
	struct probe p = { 0 };
	int status = 1;
	pid_t pid;

	if (known >= 0)
		return known;
	if (put_on_own(tried, &p))
		return true;
	pid = fork();
	if (pid == 0)
		return_under_filter();
	known = pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
	take_off(&p);
	return known;
}

bool probes_kill_filtered(const struct bpf_program *enter_program, const struct bpf_program *leave_program)
{
	if (!programs.enter)
		programs = (struct probe_programs){ .enter = enter_program, .leave = leave_program };
	return return_is_filtered();
}

static struct plan_kernel kernel = {
	.attach = attach, .detach = detach, .hits = hits, .return_is_filtered = return_is_filtered
};

const struct plan_kernel *probes_open(const struct probe_programs *function_programs, int functions_map,
				      int hits_map, int *ret_err)
{
	uint64_t by_step_ns = 0;

	programs = *function_programs;
	functions_fd = functions_map;
	hits_fd = hits_map;
	kernel.call_ns = time_probed(tried, ret_err);
	if (!*ret_err)
		by_step_ns = time_probed(tried_by_step, ret_err);
	kernel.step_ns = by_step_ns > kernel.call_ns ? by_step_ns - kernel.call_ns : 0;
	return *ret_err ? NULL : &kernel;
}

void probes_close(void)
{
	for (int i = 0; i < FUNCTIONS_MAX; i++)
		take_off(&probes[i]);
	programs = (struct probe_programs){ 0 };
}
