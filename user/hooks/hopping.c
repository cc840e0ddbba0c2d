/* SPDX-License-Identifier: Apache-2.0 */
#include "hopping.h"

#include <string.h>

#include "seen.h"

/* What such a program's file holds, whether or not it was stripped. */
static const struct {
	const char *bytes;
	size_t len;
} marks[] = {
	{ "runtime.goexit", sizeof("runtime.goexit") }, /* Go: a function's name */
	{ "tokio-runtime-worker",
	  sizeof("tokio-runtime-worker") - 1 } /* Rust: a thread's, which no NUL ends */
};

/* Libraries that such a program runs in. */
static const char *const libraries[] = { "libcoreclr.so" /* .NET: tasks run on its thread pool */ };

static struct seen seen;
static bool marked[SEEN_MAX]; /* files, by their number */

static bool has_mark(const char *path)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (file_mentions(path, marks[i].bytes, marks[i].len))
			return true;
	return false;
}

static bool is_marked(const struct mapping *m)
{
	bool is_new;
	int number = seen_file(&seen, m->device, m->inode, &is_new);

	if (number < 0)
		return has_mark(m->path);
	if (is_new)
		marked[number] = has_mark(m->path);
	return marked[number];
}

static bool is_library(const struct mapping *m)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (strcmp(mapping_base(m), libraries[i]) == 0)
			return true;
	return false;
}

bool hopping_is(const struct mapping *m)
{
	return m->executable ? is_marked(m) : is_library(m);
}
