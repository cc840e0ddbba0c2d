/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/log.h"
#include "../exit_code.h"
#include "../target.h"
#include "dwarf.h"
#include "refusal.h"

#define FILES_MAX 256

static struct {
	FILE *out;
	const char *library; /* glob; empty: the executable */
	size_t library_len;
	const char *glob;
	unsigned found;
	unsigned files; /* looked through */
	struct {
		dev_t device;
		ino_t inode;
	} seen[FILES_MAX];
	size_t seen_len;
} list;

/* What is being listed. */
struct listed {
	const struct object *object;
	const struct mapping *m;
	const char *name;
	bool headed;
};

static void see_argument(const char *name, void *arg)
{
	struct value value = { 0 };
	char why[TYPE_TEXT_MAX];
	struct read read;

	/* A struct is no value, but its members are. */
	if (function_read(arg, name, false, &read, &value, why) == -ENOTSUP && !strstr(why, "members"))
		fprintf(list.out, "      %s cannot be shown: %s\n", name, why);
	for (size_t i = 0; i < value.names_len; i++)
		free(value.names[i].name);
	free(value.names);
}

static int see_symbol(const struct symbol *s, void *arg)
{
	struct listed *l = arg;
	char text[1024], refusal[REFUSAL_MAX];
	struct function_info info;
	struct returns returns;
	const char *why, *file;
	int line;

	if (fnmatch(list.glob, s->name, 0))
		return 0;
	if (!l->headed)
		fprintf(list.out, "%s:\n", l->name);
	l->headed = true;
	list.found++;
	why = function_refusal(s, l->m);
	if (function_info(l->object, s, &info)) {
		fprintf(list.out, "  %s  (no debug information: no attributes)\n", s->name);
	} else {
		function_prototype(&info, s->name, text, sizeof(text));
		file = function_file(&info, &line);
		fprintf(list.out, "  %s  %s:%d\n", text, file ? file : "?", line);
		if (!why)
			function_arguments(&info, see_argument, &info);
	}
	if (!why && !function_returns(l->object, s, l->m, false, &returns, refusal))
		why = refusal;
	if (why)
		fprintf(list.out, "      cannot be traced: %s\n", why);
	else if (returns.len)
		fprintf(list.out, "      its return is seen at the %zu instruction%s that return%s\n",
			returns.len, returns.len == 1 ? "" : "s", returns.len == 1 ? "s" : "");
	return 0;
}

static bool is_new(dev_t device, ino_t inode)
{
	for (size_t i = 0; i < list.seen_len; i++)
		if (list.seen[i].device == device && list.seen[i].inode == inode)
			return false;
	if (list.seen_len == FILES_MAX)
		return false;
	list.seen[list.seen_len].device = device;
	list.seen[list.seen_len++].inode = inode;
	return true;
}

static void look_into(const char *path, const char *root, struct listed *l)
{
	struct object *object;
	int err = object_open(path, root, &object);

	if (err) {
		log_warn("%s: %s", l->name,
			 err == -ENOEXEC ? "no ELF file that can be used" : strerror(-err));
		return;
	}
	list.files++;
	l->object = object;
	symbols_each(object, see_symbol, l);
	object_close(object);
}

static bool is_listed(const struct mapping *m)
{
	const char *base = strrchr(m->name, '/') + 1;
	char glob[256];

	if (!list.library_len)
		return m->executable;
	snprintf(glob, sizeof(glob), "%.*s", (int)list.library_len, list.library);
	return fnmatch(glob, base, 0) == 0 ||
	       (strncmp(glob, base, list.library_len) == 0 && base[list.library_len] == '.');
}

static int see_mapping(const struct mapping *m, void *arg)
{
	struct listed l = { .m = m, .name = m->name };
	char root[32];

	(void)arg;
	if (!is_listed(m) || !is_new(m->device, m->inode))
		return 0;
	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	look_into(m->path, root, &l);
	return 0;
}

static int add(uint32_t pid)
{
	return mappings_each(pid, see_mapping, NULL);
}

static void reject(uint32_t pid)
{
	(void)pid;
}

static void list_command(const char *name)
{
	char path[PATH_MAX];
	struct listed l = { .name = path };

	if (find_program(name, path))
		log_warn("there is no program %s", name);
	else if (!list.library_len)
		look_into(path, "", &l);
}

int list_functions(FILE *out, const struct config *config)
{
	const char *colon = strchr(config->functions_list, ':');

	memset(&list, 0, sizeof(list));
	list.out = out;
	list.library = config->functions_list;
	list.library_len = colon ? (size_t)(colon - config->functions_list) : 0;
	list.glob = colon ? colon + 1 : config->functions_list;
	for (size_t i = 0; i < config->pids_len; i++)
		if (add(config->pids[i])) {
			log_error("there is no process %u", config->pids[i]);
			return EXIT_USAGE;
		}
	if (targets_init(config, reject) || targets_scan(add) < 0)
		return EXIT_FAILED;
	targets_fini();
	if (config->command)
		list_command(config->command[0]);
	if (!list.found)
		log_error("no function matches '%s' in the %u file%s looked through", list.glob, list.files,
			  list.files == 1 ? "" : "s");
	return list.found ? EXIT_OK : EXIT_USAGE;
}
