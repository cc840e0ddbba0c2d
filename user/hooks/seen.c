/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

#include <errno.h>

int seen_file(struct seen *s, dev_t device, ino_t inode, bool *ret_new)
{
	size_t i = 0;

	while (i < s->len && (s->files[i].device != device || s->files[i].inode != inode))
		i++;
	*ret_new = i == s->len;
	if (i == SEEN_MAX)
		return -ENOSPC;
	if (*ret_new) {
		s->files[s->len].device = device;
		s->files[s->len++].inode = inode;
	}
	return (int)i;
}
