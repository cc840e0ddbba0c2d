/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "../config.h"

/*
 * Prints the functions of the selected processes and of the command that match config->functions_list, and
 * what speaks against tracing them. Returns the exit code.
 */
int list_functions(FILE *out, const struct config *config);
