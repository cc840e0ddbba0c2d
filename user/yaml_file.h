/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree, and what is wrong in it by file and line. */
#pragma once

#include <stdio.h>
#include <yaml.h>

#define YAML_FILE_MAX (1 << 20) /* bytes */

struct yaml_file {
	yaml_document_t document;
	const char *name; /* borrowed */
};

/* Returns 0, or -EINVAL or -ENOMEM after logging why. An empty file has no root. Free it with yaml_close().
 */
int yaml_read(struct yaml_file *file, FILE *in, const char *name);
void yaml_close(struct yaml_file *file);

/* NULL: the file is empty. */
const yaml_node_t *yaml_root(struct yaml_file *file);

/* How many elements a sequence has, or pairs a mapping; of anything else: 0. */
size_t yaml_len(const yaml_node_t *node);

/* An element of a sequence, or the value of a mapping's pair; at < yaml_len(). */
const yaml_node_t *yaml_at(struct yaml_file *file, const yaml_node_t *node, size_t at);

/* The key of a mapping's pair. */
const yaml_node_t *yaml_key(struct yaml_file *file, const yaml_node_t *node, size_t at);

/* A scalar's text, terminated, never empty; NULL: it is no scalar, or empty, or has a NUL. Owned by the file.
 */
const char *yaml_text(const yaml_node_t *node);

/* Logs "name:line: ..." and returns -EINVAL. */
int __attribute__((format(printf, 3, 4)))
yaml_error(const struct yaml_file *file, const yaml_node_t *at, const char *format, ...);
