/* SPDX-License-Identifier: Apache-2.0 */
#include "refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_LEN 8 /* bytes of code that are compared */

static bool read_at(const char *path, uint64_t at, char bytes[START_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = pread(fd, bytes, START_LEN, (off_t)at) == START_LEN;
	close(fd);
	return done;
}

/* Is the code in memory another than that of the file? One byte may be another tracer's breakpoint. */
static bool is_patched(const struct mapping *m, uint64_t offset)
{
	char path[64], in_memory[START_LEN], in_file[START_LEN];

	if (offset < m->offset || offset - m->offset + START_LEN > m->end - m->start)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/mem", m->pid);
	return read_at(path, m->start + offset - m->offset, in_memory) && read_at(m->path, offset, in_file) &&
	       memcmp(in_memory + 1, in_file + 1, START_LEN - 1);
}

bool process_is_filtered(uint32_t pid)
{
	char path[64], line[256];
	bool filtered = false;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	status = fopen(path, "re");
	/* If it cannot be told: as if, unless it is gone. */
	if (!status)
		return errno != ENOENT && errno != ESRCH;
	while (fgets(line, sizeof(line), status))
		filtered |= strncmp(line, "Seccomp:\t2", 10) == 0; /* SECCOMP_MODE_FILTER */
	fclose(status);
	return filtered;
}

const char *function_refusal(const struct symbol *s, const struct mapping *m)
{
	if (s->refusal || !m)
		return s->refusal;
	return is_patched(m, s->offset) ? "its code was patched by somebody else" : NULL;
}

/* Why the process's stack is to be left alone; NULL: it need not be. */
static const char *hazard_of(const struct object *o, const struct mapping *m, bool filter_kills)
{
	if (m && filter_kills && process_is_filtered(m->pid))
		return "its process has a seccomp filter, which on this kernel kills it at a return probe";
	return o->throws ? "an exception that passes a return probe ends the program" : NULL;
}

bool function_returns(const struct object *o, const struct symbol *s, const struct mapping *m,
		      bool filter_kills, struct returns *ret_returns, char why[REFUSAL_MAX])
{
	const char *hazard = hazard_of(o, m, filter_kills), *unknown = NULL;

	ret_returns->len = 0;
	if (hazard)
		unknown = returns_find(o, s, ret_returns);
	if (unknown)
		snprintf(why, REFUSAL_MAX, "%s, and %s", hazard, unknown);
	return !unknown;
}
