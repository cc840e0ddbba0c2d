/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MAX = 30 };

static void print_default(const struct option_row *row)
{
	if (row->kind == OPTION_NUMBER && *(unsigned int *)row->value <= row->max)
		printf(" (default %u)", *(unsigned int *)row->value);
	if (row->kind == OPTION_REAL)
		printf(" (default %g)", *(double *)row->value);
	if (row->kind == OPTION_TEXT && *(const char **)row->value)
		printf(" (default %s)", *(const char **)row->value);
	printf("\n");
}

static void print_help(const struct command *command)
{
	printf("Usage: %s [OPTION]...\n\n%s\n\nOptions:\n", command->name, command->about);
	for (const struct option_row *row = command->rows; row->name; row++) {
		int width = printf("  --%s %s", row->name, row->arg);

		printf("%*s%s", width < 27 ? 27 - width : 1, "", row->help);
		print_default(row);
	}
	printf("  --help                   print this text\n"
	       "  --version                print the version\n\n"
	       "Examples:\n%s\n"
	       "Exit status: 0 after a stop by SIGTERM or SIGINT, 1 on a failure, 2 on wrong usage.\n",
	       command->examples);
}

static int set(const struct command *command, const struct option_row *row, const char *text)
{
	char *end;
	double number;

	if (row->kind == OPTION_TEXT) {
		*(const char **)row->value = text;
		return 0;
	}
	number = strtod(text, &end);
	if (end == text || *end || !(number >= row->min && number <= row->max) ||
	    (row->kind == OPTION_NUMBER && number != (unsigned int)number)) {
		fprintf(stderr, "%s: --%s: '%s' is not a number from %g to %g\n", command->name, row->name,
			text, row->min, row->max);
		return -EINVAL;
	}
	if (row->kind == OPTION_NUMBER)
		*(unsigned int *)row->value = (unsigned int)number;
	else
		*(double *)row->value = number;
	return 0;
}

int options_parse(const struct command *command, int argc, char **argv)
{
	struct option known[ROWS_MAX + 3] = { { "help", no_argument, NULL, 'h' },
					      { "version", no_argument, NULL, 'v' } };
	int letter, index;

	for (int i = 0; i < ROWS_MAX && command->rows[i].name; i++)
		known[i + 2] = (struct option){ command->rows[i].name, required_argument, NULL, 0 };

	while ((letter = getopt_long(argc, argv, "h", known, &index)) != -1) {
		if (letter == 'h') {
			print_help(command);
			return 1;
		}
		if (letter == 'v') {
			printf("%s %s\n", command->name, command->version);
			return 1;
		}
		if (letter == '?' || set(command, &command->rows[index - 2], optarg))
			return -EINVAL;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'; try --help\n", command->name, argv[optind]);
		return -EINVAL;
	}
	return 0;
}
