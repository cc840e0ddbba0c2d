/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "rule.h"
#include "yaml_file.h"

/*
 * Reads the rules that `list`, a node of the file, holds, into memory of the arena. Returns 0, or -EINVAL or
 * -ENOMEM after logging what is wrong, in which line, and what would be right.
 */
int rules_read(struct yaml_file *file, const yaml_node_t *list, struct arena *arena,
	       struct rules **ret_rules);
