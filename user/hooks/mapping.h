/* SPDX-License-Identifier: Apache-2.0 */
/* The files whose code a process runs, from /proc/PID/maps. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint32_t pid;
	char name[PATH_MAX]; /* as the process sees it */
	char path[PATH_MAX]; /* as it can be opened from here, whatever the process's mount namespace */
	dev_t device;
	ino_t inode;
	bool executable; /* the process's own program; else a library */
	uint64_t start, end, offset;
};

/* How much a process has mapped when it was looked at last; zeroed before its first use. */
struct mapped {
	uint32_t pid;
	uint64_t pages;
};

/*
 * Has the process most likely mapped or unmapped anything since it was looked at last? Much cheaper than
 * mappings_each(): its address space has not the same size then. True too when it cannot be told.
 */
bool mappings_changed(uint32_t pid, struct mapped *last);

/* Calls see() for each mapped range of code until it returns other than 0, and returns that, or -errno. */
int mappings_each(uint32_t pid, int (*see)(const struct mapping *m, void *arg), void *arg);

/* The last part of the file's name. */
const char *mapping_base(const struct mapping *m);

/* Does the file hold these bytes? */
bool file_mentions(const char *path, const void *bytes, size_t len);

/* The file that execvp() takes for this name. Returns 0 or -ENOENT. */
int find_program(const char *name, char ret_path[PATH_MAX]);
