/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_LEN (PATH_MAX + 128)

/* By its name in the process's own root, if that is still the file; else by what the kernel keeps of it. */
static bool locate(uint32_t pid, const char *kept, struct mapping *m)
{
	struct stat named, is;

	if (stat(kept, &is))
		return false;
	m->device = is.st_dev;
	m->inode = is.st_ino;
	if ((size_t)snprintf(m->path, sizeof(m->path), "/proc/%u/root%s", pid, m->name) < sizeof(m->path) &&
	    stat(m->path, &named) == 0 && named.st_dev == is.st_dev && named.st_ino == is.st_ino)
		return true;
	snprintf(m->path, sizeof(m->path), "%s", kept);
	return true;
}

static bool read_line(uint32_t pid, const char *line, const struct stat *exe, struct mapping *m)
{
	char kept[96], permissions[5];
	int at = 0;

	m->pid = pid;
	if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &m->start, &m->end, permissions, &m->offset, &at) <
		    4 ||
	    permissions[2] != 'x' || line[at] != '/')
		return false;
	snprintf(m->name, sizeof(m->name), "%.*s", (int)strcspn(line + at, "\n"), line + at);
	snprintf(kept, sizeof(kept), "/proc/%u/map_files/%lx-%lx", pid, m->start, m->end);
	if (!locate(pid, kept, m))
		return false;
	m->executable = m->device == exe->st_dev && m->inode == exe->st_ino;
	return true;
}

/* The first number of /proc/PID/statm, proc(5); 0: not known. */
static uint64_t mapped_pages(uint32_t pid)
{
	char path[64], text[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strtoull(text, NULL, 10);
}

bool mappings_changed(uint32_t pid, struct mapped *last)
{
	struct mapped now = { pid, mapped_pages(pid) };
	bool changed = !now.pages || last->pid != pid || last->pages != now.pages;

	*last = now;
	return changed;
}

int mappings_each(uint32_t pid, int (*see)(const struct mapping *m, void *arg), void *arg)
{
	char path[64], line[LINE_MAX_LEN];
	struct mapping m;
	struct stat exe;
	int err = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	if (stat(path, &exe))
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!err && fgets(line, sizeof(line), maps))
		if (read_line(pid, line, &exe, &m))
			err = see(&m, arg);
	fclose(maps);
	return err;
}

const char *mapping_base(const struct mapping *m)
{
	const char *slash = strrchr(m->name, '/');

	return slash ? slash + 1 : m->name;
}

bool file_mentions(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat is;
	bool does = false;
	void *all;

	if (fd < 0)
		return false;
	if (fstat(fd, &is) == 0 && is.st_size > 0) {
		all = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (all != MAP_FAILED) {
			does = memmem(all, (size_t)is.st_size, bytes, len);
			munmap(all, (size_t)is.st_size);
		}
	}
	close(fd);
	return does;
}

int find_program(const char *name, char ret_path[PATH_MAX])
{
	const char *list = getenv("PATH");
	char path[PATH_MAX];
	size_t len;

	if (strchr(name, '/'))
		list = "";
	else if (!list)
		list = "/bin:/usr/bin"; /* execvp(3) */
	for (;; list += len + 1) {
		len = strcspn(list, ":");
		snprintf(path, sizeof(path), "%.*s%s%s", (int)len, list, len ? "/" : "", name);
		if (access(path, X_OK) == 0) {
			memcpy(ret_path, path, sizeof(path));
			return 0;
		}
		if (!list[len])
			return -ENOENT;
	}
}
