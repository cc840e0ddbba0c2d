/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping of the configuration file, read by a table of the keys that it may have. */
#pragma once

#include <stdbool.h>

#include "yaml_file.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct mapping_key {
	const char *name;
	int (*read)(void *ctx, const yaml_node_t *value); /* 0, or a negative errno after logging */
	bool needed;
};

/*
 * Hands each value to its key's function. `what` it is that has the keys: for messages. Returns 0, what a
 * function has returned, or -EINVAL after logging: no mapping, an unknown key, one that is there twice or not
 * there at all.
 */
int mapping_read(struct yaml_file *file, const yaml_node_t *node, const char *what,
		 const struct mapping_key *keys, size_t keys_len, void *ctx);
