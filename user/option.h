/* SPDX-License-Identifier: Apache-2.0 */
/* The options: their names, what they take and what they set. */
#pragma once

#include "config.h"

#define OPTIONS_MAX 64 /* rows at most */

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

/* One row an option, in the order of --help. */
extern const struct option_row option_rows[];
extern const size_t option_rows_len;

/* Sets an option by its text; a switch by "true", or not by "false". Returns 0 or -EINVAL. */
int option_set(const struct option_row *row, const char *value, struct config *config);
