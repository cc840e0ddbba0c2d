/* SPDX-License-Identifier: Apache-2.0 */
/* A search for some code in the files that processes run. Not for the hot path. */
#pragma once

#include "mapping.h"
#include "seen.h"
#include "symbol.h"

struct search {
	const char *what; /* it is for, as a warning says */
	const char *text; /* that a file with it holds, its NUL included */
	/* Is the file one that may have it, by what it is called? */
	bool (*may_have)(const struct mapping *m);
	/* A file that holds the text, with the number that is its own from 0 to SEEN_MAX - 1. */
	void (*found)(const struct object *o, const struct mapping *m, size_t number);
	struct seen seen;
	bool full;
};

/* Looks into a file that may have it, the first time that it is asked for. Returns its number, -ENOENT or
 * -ENOSPC. */
int search_file(struct search *s, const struct mapping *m);

/* From here on no file was looked into. */
void search_restart(struct search *s);
