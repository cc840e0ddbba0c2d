/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config_file.h"
#include "option.h"

void config_help(enum command command)
{
	char left[64];

	puts("\nOptions:");
	for (size_t i = 0; i < option_rows_len; i++) {
		const struct option_row *row = &option_rows[i];

		if (!(row->commands & command))
			continue;
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ', row->letter ? ", " : "  ", row->name,
			 row->arg ? " " : "", row->arg ? row->arg : "");
		printf("  %-32s %s\n", left, row->help);
	}
	printf("  %-32s %s\n", "-h, --help", "this help");
}

static const struct config defaults = {
	.output = OUTPUT_TEXT,
	.metrics_classic = true,
	.metrics_semconv = true,
	.label_sets_max = 2000,
	.function_rate = 5000,
	.function_cpu = 1,
	.sqlite = true,
#define RUNTIME(name, option, map, map_len, help) .runtimes[RUNTIME_##name] = true,
#include "../bpf/runtimes.def"
#undef RUNTIME
	.capture_len = 8192,
	.ring_len = 4 << 20,
	.connections_max = 65536,
	.spans_max = 65536,
	.statements_max = 8192,
	.body_limit_len = 16 << 10,
	.bodies_max = 2048,
	.matched_percent = 100,
};

static int take_files(int argc, char **argv, struct config *c)
{
	if (argc != 2) {
		log_error("say which two files to compare: OURS THEIRS; see --help");
		return -EINVAL;
	}
	c->files[0] = argv[0];
	c->files[1] = argv[1];
	return 0;
}

static int check(enum command command, const struct config *c)
{
	if (command & (COMMAND_CHECK | COMMAND_COMPARE))
		return 0;
	if (!c->replay_path && !c->pids_len && !c->exes_len && !c->ports_len && !c->command) {
		log_error("say what to trace: -p PID, --exe GLOB, --port N, or -- COMMAND; see --help");
		return -EINVAL;
	}
	return 0;
}

/* A short name's row; option_rows_len: there is none. */
static size_t row_of(int choice)
{
	size_t i = choice >= 256 ? (size_t)choice - 256 : 0;

	while (choice < 256 && i < option_rows_len && option_rows[i].letter != choice)
		i++;
	return i;
}

/* What getopt_long() is told. */
struct grammar {
	struct option options[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 4];
};

static void describe(enum command command, struct grammar *g)
{
	size_t n = 0;

	*g = (struct grammar){ .letters = "+h" }; /* what follows a COMMAND is the command's */
	for (size_t i = 0; i < option_rows_len; i++) {
		if (!(option_rows[i].commands & command))
			continue;
		g->options[n++] = (struct option){ option_rows[i].name,
						   option_rows[i].arg ? required_argument : no_argument, NULL,
						   256 + (int)i };
		if (option_rows[i].letter)
			snprintf(g->letters + strlen(g->letters), 3, "%c:", option_rows[i].letter);
	}
	g->options[n] = (struct option){ "help", no_argument, NULL, 'h' };
}

static int take_arguments(enum command command, int argc, char **argv, struct config *c,
			  bool given[OPTIONS_MAX])
{
	struct grammar g;
	int choice;

	describe(command, &g);
	optind = 0; /* glibc: forget what an earlier call has left */
	while ((choice = getopt_long(argc, argv, g.letters + (command == COMMAND_COMPARE), g.options,
				     NULL)) != -1) {
		size_t i = row_of(choice);

		if (choice == 'h')
			return CONFIG_HELP;
		if (choice == '?' || i == option_rows_len)
			return -EINVAL;
		if (option_rows[i].set(c, optarg)) {
			log_error("--%s %s: not what it takes: %s", option_rows[i].name, optarg,
				  option_rows[i].help);
			return -EINVAL;
		}
		given[i] = true;
	}
	if (command == COMMAND_COMPARE)
		return take_files(argc - optind, argv + optind, c);
	if (optind < argc && (command == COMMAND_CHECK || strcmp(argv[optind - 1], "--") != 0)) {
		log_error("unexpected argument '%s'%s", argv[optind],
			  command == COMMAND_CHECK ? "" : "; put -- before a command to be started");
		return -EINVAL;
	}
	if (optind < argc)
		c->command = argv + optind;
	return 0;
}

/* SPANHOOK_LABEL_SETS for label-sets. */
static const char *variable_of(const struct option_row *row, char *name, size_t size)
{
	size_t len = (size_t)snprintf(name, size, "SPANHOOK_%s", row->name);

	for (size_t i = 9; i < len && i < size; i++)
		name[i] = row->name[i - 9] == '-' ? '_' : (char)toupper(row->name[i - 9]);
	return getenv(name);
}

/* A switch takes true or false; what may be given again takes several, with a semicolon between them. */
static int take_variable(const struct option_row *row, const char *value, struct config *c)
{
	char *copy, *rest;
	int err = 0;

	if (!(row->commands & MANY))
		return option_set(row, value, c);
	copy = rest = arena_copy(&c->owned, slice_of(value));
	if (!copy)
		return -ENOMEM;
	while (!err && (value = strsep(&rest, ";")))
		err = option_set(row, value, c);
	return err;
}

static int take_environment(enum command command, struct config *c, bool given[OPTIONS_MAX])
{
	char name[64];

	for (size_t i = 0; i < option_rows_len; i++) {
		const char *value = variable_of(&option_rows[i], name, sizeof(name));

		if (!(option_rows[i].commands & command) || given[i] || !value || !value[0])
			continue;
		if (take_variable(&option_rows[i], value, c)) {
			log_error("%s=%s: not what it takes: %s%s", name, value, option_rows[i].help,
				  option_rows[i].arg ? "" : " (true or false)");
			return -EINVAL;
		}
		given[i] = true;
	}
	return 0;
}

static const char agent_listen[] = "127.0.0.1:9090";

int config_parse(enum command command, int argc, char **argv, struct config *ret_config)
{
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */
	struct config c = defaults;
	bool given[OPTIONS_MAX] = { 0 };
	int err;

	c.color = isatty(STDOUT_FILENO) && !(no_color && no_color[0]);
	if (command == COMMAND_AGENT) {
		c.output = OUTPUT_NONE;
		c.listen = agent_listen;
	}
	err = take_arguments(command, argc, argv, &c, given);
	if (!err)
		err = take_environment(command, &c, given);
	if (!err && c.config_path)
		err = config_file_take(command, option_rows, option_rows_len, given, &c);
	/* What replays must not be in the way of the agent that runs. */
	if (c.replay_path && c.listen == agent_listen)
		c.listen = NULL;
	if (!err)
		err = check(command, &c);
	if (err)
		config_free(&c);
	else
		*ret_config = c;
	return err == CONFIG_HELP || !err ? err : -EINVAL;
}

void config_free(struct config *config)
{
	arena_free(&config->owned);
	config->rules = NULL;
}
