/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: options by their names, and the rules of metrics. */
#pragma once

#include <stdio.h>

#include "config.h"

#define CONFIG_ROWS_MAX 64

/* The option may be given again. */
#define MANY (1 << 7)

struct option_row {
	const char *name;
	char letter;                                          /* 0: none */
	const char *arg;                                      /* NULL: a switch */
	unsigned commands;                                    /* enum command, and MANY */
	int (*set)(struct config *config, const char *value); /* 0 or -EINVAL */
	const char *help;
};

/* Sets an option by its text; a switch by "true", or not by "false". Returns 0 or -EINVAL. */
int config_set(const struct option_row *row, const char *value, struct config *config);

/*
 * Reads config->config_path: options of the command that are not given yet, and rules. What others would take
 * is checked too. Returns 0, or a negative errno after logging what is wrong and in which line.
 */
int config_file_take(enum command command, const struct option_row *rows, size_t rows_len, const bool *given,
		     struct config *config);

/* The same, of a file that is open. name: as messages call it. */
int config_file_read(FILE *in, const char *name, enum command command, const struct option_row *rows,
		     size_t rows_len, const bool *given, struct config *config);
