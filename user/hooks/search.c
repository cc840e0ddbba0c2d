/* SPDX-License-Identifier: Apache-2.0 */
#include "search.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/log.h"

static void look_into(struct search *s, const struct mapping *m, size_t number)
{
	struct object *object;
	char root[32];

	snprintf(root, sizeof(root), "/proc/%u/root", m->pid);
	if (!file_mentions(m->path, s->text, strlen(s->text) + 1) || object_open(m->path, root, &object))
		return;
	s->found(object, m, number);
	object_close(object);
}

int search_file(struct search *s, const struct mapping *m)
{
	bool is_new;
	int number;

	if (!s->may_have(m))
		return -ENOENT;
	number = seen_file(&s->seen, m->device, m->inode, &is_new);
	if (number < 0 && !s->full)
		log_warn("%s is seen only in the first %d files that may tell", s->what, SEEN_MAX);
	s->full |= number < 0;
	if (number >= 0 && is_new)
		look_into(s, m, (size_t)number);
	return number;
}

void search_restart(struct search *s)
{
	s->seen.len = 0;
	s->full = false;
}
