/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include <errno.h>
#include <string.h>

static const char *names(const struct mapping_key *keys, size_t keys_len, char *buf, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < keys_len && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", keys[i].name);
	return buf;
}

int mapping_read(struct yaml_file *file, const yaml_node_t *node, const char *what,
		 const struct mapping_key *keys, size_t keys_len, void *ctx)
{
	char buf[256];
	unsigned seen = 0;
	int err;

	if (node->type != YAML_MAPPING_NODE)
		return yaml_error(file, node, "%s takes keys with values; the keys are %s", what,
				  names(keys, keys_len, buf, sizeof(buf)));
	for (size_t i = 0; i < yaml_len(node); i++) {
		const yaml_node_t *key = yaml_key(file, node, i);
		const char *text = yaml_text(key);
		size_t at = 0;

		while (at < keys_len && !(text && strcmp(keys[at].name, text) == 0))
			at++;
		if (at == keys_len)
			return yaml_error(file, key, "%s has no key '%.64s'; the keys are %s", what,
					  text ? text : "", names(keys, keys_len, buf, sizeof(buf)));
		if (seen & 1U << at)
			return yaml_error(file, key, "%s has the key %s twice", what, text);
		seen |= 1U << at;
		if ((err = keys[at].read(ctx, yaml_at(file, node, i))))
			return err;
	}
	for (size_t at = 0; at < keys_len; at++)
		if (keys[at].needed && !(seen & 1U << at))
			return yaml_error(file, node, "%s lacks the key %s", what, keys[at].name);
	return 0;
}
