/* SPDX-License-Identifier: Apache-2.0 */
#include "config_file.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "rules/read.h"

#define RULES_KEY "rules"

/* Options that make sense in a file. */
#define COMMANDS (COMMAND_ATTACH | COMMAND_AGENT)

struct reader {
	struct yaml_file yaml;
	enum command command;
	const struct option_row *rows;
	size_t rows_len;
	const bool *given; /* by what comes before the file */
	uint64_t seen;     /* keys of the file, by row; the bit behind them: rules */
	struct config *config;
	struct config checked; /* takes what config does not */
};

static const struct option_row *find_row(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->rows_len; i++)
		if (r->rows[i].commands & COMMANDS && r->rows[i].set && strcmp(r->rows[i].name, "config") &&
		    strcmp(r->rows[i].name, name) == 0)
			return &r->rows[i];
	return NULL;
}

static int take_scalar(struct reader *r, const struct option_row *row, const yaml_node_t *node)
{
	size_t i = (size_t)(row - r->rows);
	struct config *to = r->given[i] || !(row->commands & r->command) ? &r->checked : r->config;
	const char *text = yaml_text(node), *copy;

	if (!text)
		return yaml_error(&r->yaml, node, "%s takes %s%s: %s", row->name,
				  row->arg ? row->arg : "true or false",
				  row->commands & MANY ? ", or a list of such" : "", row->help);
	copy = arena_copy(&r->config->owned, slice_of(text));
	if (!copy)
		return -ENOMEM;
	if (option_set(row, copy, to))
		return yaml_error(&r->yaml, node, "%s: '%.200s' is no %s: %s", row->name, text,
				  row->arg ? row->arg : "true or false", row->help);
	return 0;
}

static int take_option(struct reader *r, const struct option_row *row, const yaml_node_t *node)
{
	int err = 0;

	if (!(row->commands & MANY) || node->type != YAML_SEQUENCE_NODE)
		return take_scalar(r, row, node);
	for (size_t i = 0; i < yaml_len(node) && !err; i++)
		err = take_scalar(r, row, yaml_at(&r->yaml, node, i));
	return err;
}

static int take_rules(struct reader *r, const yaml_node_t *node)
{
	struct rules *rules = NULL;
	int err = rules_read(&r->yaml, node, &r->config->owned, &rules);

	if (!err)
		r->config->rules = rules;
	return err;
}

static int take_key(struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	const char *name = yaml_text(key);
	const struct option_row *row = name ? find_row(r, name) : NULL;
	bool is_rules = name && strcmp(name, RULES_KEY) == 0;
	uint64_t bit;

	if (!row && !is_rules)
		return yaml_error(&r->yaml, key,
				  "there is no option '%.64s'; there are those of spanhook agent --help, "
				  "without the dashes, and " RULES_KEY,
				  name ? name : "");
	bit = 1ULL << (row ? row - r->rows : (ptrdiff_t)r->rows_len);
	if (r->seen & bit)
		return yaml_error(&r->yaml, key, "%s is there twice", name);
	r->seen |= bit;
	return row ? take_option(r, row, value) : take_rules(r, value);
}

static int read_keys(struct reader *r)
{
	const yaml_node_t *root = yaml_root(&r->yaml);
	int err = 0;

	if (!root)
		return 0;
	if (root->type != YAML_MAPPING_NODE)
		return yaml_error(&r->yaml, root, "the file has options with values, such as port: 8080");
	for (size_t i = 0; i < yaml_len(root) && !err; i++)
		err = take_key(r, yaml_key(&r->yaml, root, i), yaml_at(&r->yaml, root, i));
	return err;
}

int config_file_read(FILE *in, const char *name, enum command command, const struct option_row *rows,
		     size_t rows_len, const bool *given, struct config *config)
{
	struct reader r = {
		.command = command, .rows = rows, .rows_len = rows_len, .given = given, .config = config
	};
	int err = yaml_read(&r.yaml, in, name);

	if (err)
		return err;
	err = read_keys(&r);
	yaml_close(&r.yaml);
	return err;
}

int config_file_take(enum command command, const struct option_row *rows, size_t rows_len, const bool *given,
		     struct config *config)
{
	FILE *in = fopen(config->config_path, "re");
	int err;

	if (!in) {
		err = -errno;
		log_error("%s: cannot be read: %s", config->config_path, strerror(-err));
		return err;
	}
	err = config_file_read(in, config->config_path, command, rows, rows_len, given, config);
	fclose(in);
	return err;
}
