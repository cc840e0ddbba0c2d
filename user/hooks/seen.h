/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were looked into, each once, whatever name it has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SEEN_MAX 1024 /* more are not looked into */

struct seen {
	size_t len;
	struct {
		dev_t device;
		ino_t inode;
	} files[SEEN_MAX];
};

/* The file's number, from 0 on, or -ENOSPC. *ret_new: it was not asked for before. */
int seen_file(struct seen *seen, dev_t device, ino_t inode, bool *ret_new);
