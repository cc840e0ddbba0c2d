/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

enum option_kind {
	OPTION_TEXT,   /* value: const char ** */
	OPTION_NUMBER, /* value: unsigned int *, min to max */
	OPTION_REAL,   /* value: double *, min to max */
};

struct option_row {
	const char *name; /* without the dashes; NULL ends a table */
	const char *arg;  /* what --help calls the value */
	const char *help;
	void *value; /* holds the default (NULL, above max: none) before, the choice after */
	enum option_kind kind;
	double min, max;
};

struct command {
	const char *name, *version;
	const char *about;    /* printed above the options by --help */
	const char *examples; /* printed below them */
	const struct option_row *rows;
};

/*
 * Reads the command line into the rows' values; a text stays owned by argv.
 * Returns 0; 1 when --help or --version was asked for and has been printed; -EINVAL after a line on stderr.
 */
int options_parse(const struct command *command, int argc, char **argv);
