/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: options by their names, and the rules of metrics. */
#pragma once

#include <stdio.h>

#include "option.h"

/*
 * Reads config->config_path: options of the command that are not given yet, and rules. What others would take
 * is checked too. Returns 0, or a negative errno after logging what is wrong and in which line.
 */
int config_file_take(enum command command, const struct option_row *rows, size_t rows_len, const bool *given,
		     struct config *config);

/* The same, of a file that is open. name: as messages call it. */
int config_file_read(FILE *in, const char *name, enum command command, const struct option_row *rows,
		     size_t rows_len, const bool *given, struct config *config);
