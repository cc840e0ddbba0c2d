/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: what is foreign never steers a terminal and never takes more room than it has. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "slice.h"

/* Does the environment's locale say UTF-8? */
bool terminal_utf8(void);

/* Columns of the terminal at fd, 0 when there is none. */
unsigned terminal_columns(int fd);

/*
 * Writes text with a dot for each character that cannot be shown; what is longer than width is cut in its
 * middle (width 0: nothing is cut). Returns how many columns it took, a column a character.
 */
unsigned terminal_put(FILE *out, struct slice text, unsigned width, bool utf8);
