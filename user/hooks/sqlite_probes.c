/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/files.h"
#include "../base/log.h"
#include "../sqlite.h"
#include "../stats.h"
#include "load.h"
#include "mapping.h"
#include "refusal.h"
#include "seen.h"
#include "symbol.h"
#include "uprobe.h"

#define BURST_S    10 /* so many seconds' worth of calls may come at once */
#define SECOND_NS  1000000000ULL
#define LOOKED_FOR "sqlite3_finalize"

enum point {
	POINT_EXEC,
	POINT_FINALIZE,
	POINT_RESET,
	POINT_STEP,
	POINT_SQL, /* gets no probe: it is read */
	POINTS,
};

/* sqlite3.h */
static const char *const names[POINTS] = {
	[POINT_EXEC] = "sqlite3_exec", [POINT_FINALIZE] = LOOKED_FOR, [POINT_RESET] = "sqlite3_reset",
	[POINT_STEP] = "sqlite3_step", [POINT_SQL] = "sqlite3_sql",
};

/* The return's program comes first, so that no entry is without one. */
struct probe {
	struct bpf_link *leave, *enter;
};

static const struct config *config;
static struct sqlite_programs programs;
static struct seen seen;
static struct probe probes[SQLITE_FILES_MAX][POINTS];
static size_t traced_len;
static uint64_t last_ns, last_hits;
static double excess; /* calls beyond the rate */
static bool off = true;
static bool gone; /* it was called too often, and stays off */

void sqlite_probes_open(const struct config *c, const struct sqlite_programs *p)
{
	config = c;
	programs = *p;
	seen.len = traced_len = 0;
	last_ns = last_hits = 0;
	excess = 0;
	off = gone = false;
}

static void take_off(struct probe of[POINTS])
{
	for (int i = 0; i < POINTS; i++) {
		bpf_link__destroy(of[i].enter);
		bpf_link__destroy(of[i].leave);
		of[i] = (struct probe){ 0 };
	}
}

void sqlite_probes_close(void)
{
	while (traced_len)
		take_off(probes[--traced_len]);
	off = true;
}

void sqlite_probes_pause(uint64_t now_ns)
{
	if (off)
		return;
	sqlite_probes_close();
	sqlite_end(now_ns);
}

void sqlite_probes_resume(void)
{
	if (!config || !off || gone)
		return;
	seen.len = 0;
	last_ns = 0;
	off = false;
}

/* NULL: no program is put there. */
static const struct bpf_program *at_entry(enum point point)
{
	return point == POINT_STEP ? programs.step : point == POINT_EXEC ? NULL : programs.reset;
}

static const struct bpf_program *at_return(enum point point)
{
	return point == POINT_STEP ? programs.stepped : point == POINT_EXEC ? programs.executed : NULL;
}

static int put(enum point point, const char *path, uint64_t offset, uint32_t number, struct probe *p)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, enter, .bpf_cookie = number);
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, leave, .bpf_cookie = number, .retprobe = true);

	if (!files_left(FILES_RESERVED))
		return -EMFILE;
	if (at_return(point)) {
		p->leave = bpf_program__attach_uprobe_opts(at_return(point), -1, path, offset, &leave);
		if (!p->leave)
			return -errno;
	}
	if (at_entry(point)) {
		p->enter = bpf_program__attach_uprobe_opts(at_entry(point), -1, path, offset, &enter);
		if (!p->enter)
			return -errno;
	}
	return 0;
}

/* Where the functions of a file are. */
struct found {
	struct symbol symbols[POINTS];
	bool has[POINTS];
	const char *refusal; /* NULL: all can be traced */
	const struct mapping *m;
};

static int see_symbol(const struct symbol *s, void *arg)
{
	struct found *f = arg;

	for (int i = 0; i < POINTS; i++) {
		if (f->has[i] || strcmp(s->name, names[i]) != 0)
			continue;
		f->has[i] = true;
		f->symbols[i] = *s;
		if (i != POINT_SQL && !f->refusal)
			f->refusal = function_refusal(s, f->m);
	}
	return 0;
}

static bool is_complete(const struct found *f)
{
	for (int i = 0; i < POINTS; i++)
		if (!f->has[i] && i != POINT_SQL)
			return false;
	return true;
}

/* Steps come last: none is to be seen whose end would not be. */
static int put_all(const struct found *f, const char *path, uint32_t number)
{
	int err = 0;

	for (int i = 0; i < POINT_SQL && !err; i++)
		err = put((enum point)i, path, f->symbols[i].entry, number, &probes[number][i]);
	if (err)
		take_off(probes[number]);
	return err;
}

/*
 * Where a statement keeps its text: sqlite3_sql() does nothing but load it, into the register of results from
 * behind its argument. Returns 0 when its code says nothing of the kind.
 */
static uint32_t text_offset(const struct object *o, const struct symbol *s)
{
	size_t size, len = s->size < 64 ? s->size : 64;
	const uint8_t *code = (const uint8_t *)elf_rawfile(o->elf, &size);

	if (!code || s->offset > size || len > size - s->offset)
		return 0;
	return load_offset(o->convention->machine, code + s->offset, len);
}

static void trace(const struct found *f, const struct object *object, const char *path, const char *name)
{
	const struct symbol *step = &f->symbols[POINT_STEP], *exec = &f->symbols[POINT_EXEC];
	struct sqlite_file file = { .exec_len = (uint32_t)exec->size,
				    .exec_from = (int64_t)(exec->address - step->address) -
						 (int64_t)(step->entry - step->offset) };
	uint32_t number = (uint32_t)traced_len;
	int err;

	if (f->refusal) {
		log_warn("SQLite in %s is not traced: %s", name, f->refusal);
		return;
	}
	if (traced_len == SQLITE_FILES_MAX) {
		log_warn("SQLite in %s is not traced: it is in more than %d files", name, SQLITE_FILES_MAX);
		return;
	}
	if (f->has[POINT_SQL])
		file.text_offset = text_offset(object, &f->symbols[POINT_SQL]);
	if (!file.text_offset)
		log_warn("SQLite in %s does not let us see where statements keep their text: they are shown "
			 "without",
			 name);
	err = bpf_map_update_elem(programs.files_fd, &number, &file, BPF_ANY);
	if (!err)
		err = put_all(f, path, number);
	if (err)
		log_warn("SQLite in %s is not traced: %s", name, strerror(-err));
	else
		traced_len++;
}

static void look_into(const char *path, const char *root, const char *name, const struct mapping *m)
{
	struct found f = { .m = m };
	struct object *object;

	/* Most executables can be told by their bytes to have nothing to do with SQLite. */
	if (!file_mentions(path, LOOKED_FOR, sizeof(LOOKED_FOR)) || object_open(path, root, &object))
		return;
	symbols_each(object, see_symbol, &f);
	if (is_complete(&f))
		trace(&f, object, path, name);
	object_close(object);
}

/* Remembers a file. Returns false when it was looked into before, or cannot be remembered. */
static bool is_new(dev_t device, ino_t inode)
{
	bool new;

	return seen_file(&seen, device, inode, &new) >= 0 && new;
}

static bool may_have_sqlite(const struct mapping *m)
{
	return m->executable || strstr(mapping_base(m), "sqlite");
}

void sqlite_probes_see(const struct mapping *m)
{
	char root[32];

	if (off || !may_have_sqlite(m) || !is_new(m->device, m->inode))
		return;
	if (process_is_filtered(m->pid) && probes_kill_filtered(programs.step, programs.stepped)) {
		log_warn("SQLite in %s is not traced: process %u has a seccomp filter, which on this kernel "
			 "kills it "
			 "when a traced function returns",
			 m->name, m->pid);
		return;
	}
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	look_into(m->path, root, m->name, m);
}

void sqlite_probes_look_file(const char *path)
{
	struct stat is;

	if (!off && stat(path, &is) == 0 && is_new(is.st_dev, is.st_ino))
		look_into(path, "", path, NULL);
}

static void let_go(double rate)
{
	sqlite_probes_pause(last_ns);
	gone = true;
	stat_add(STAT_functions_detached, 1);
	log_warn("SQLite was called %.0f times a second: it is no longer traced (--function-rate %u)", rate,
		 config->function_rate);
}

static void check_rate(double elapsed_s)
{
	uint64_t hits = probes_count(programs.hits_fd, 0);
	double called = (double)(hits - last_hits);

	last_hits = hits;
	excess += called - elapsed_s * config->function_rate;
	excess = excess < 0 ? 0 : excess;
	if (excess > BURST_S * (double)config->function_rate)
		let_go(called / elapsed_s);
}

void sqlite_probes_tick(uint64_t now_ns)
{
	double elapsed_s = (double)(now_ns - last_ns) / SECOND_NS;
	bool first = !last_ns;

	last_ns = now_ns;
	if (off || first || elapsed_s <= 0)
		return;
	check_rate(elapsed_s);
}
