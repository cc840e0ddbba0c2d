/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs, compiled as a test needs them. */
#pragma once

#include "check.h"

#include <stdlib.h>

#include "hooks/symbol.h"

static char compile_folder[] = "/tmp/spanhook-test-XXXXXX";

/* Runs a command of the shell in the folder; what it says goes to the test's output. */
static inline void shell(const char *format, ...)
{
	char text[4096], command[4200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "cd %s && { %s; } >&2", compile_folder, text);
	if (system(command))
		fail_msg("%s", command);
}

static inline int compile_setup(void **state)
{
	(void)state;
	return mkdtemp(compile_folder) ? 0 : -1;
}

static inline int compile_teardown(void **state)
{
	(void)state;
	shell("rm -r %s", compile_folder);
	return 0;
}

static inline void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", compile_folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline struct object *open_object(const char *name)
{
	struct object *o = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", compile_folder, name);
	assert_int_equal(object_open(path, "", &o), 0);
	return o;
}

struct wanted {
	const char *name;
	struct symbol symbol;
	char file[128];
	unsigned found;
};

static inline int see_wanted(const struct symbol *s, void *arg)
{
	struct wanted *w = arg;

	if (strcmp(s->name, w->name))
		return 0;
	w->symbol = *s;
	snprintf(w->file, sizeof(w->file), "%s", s->file ? s->file : "");
	w->found++;
	return 0;
}

/* The function of this name, the last one if there are several. */
static inline struct wanted find_function(const struct object *o, const char *name)
{
	struct wanted w = { .name = name };

	assert_int_equal(symbols_each(o, see_wanted, &w), 0);
	return w;
}
