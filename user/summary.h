/* SPDX-License-Identifier: Apache-2.0 */
/* The table at the end of `attach`: one row a route and a downstream service. */
#pragma once

#include <stdio.h>

#include "config.h"
#include "span.h"

/* Returns 0 or -ENOMEM. */
int summary_init(void);
void summary_fini(void);

/* Counts a finished span. O(1), no allocation; the spine only. */
void summary_add(const struct span *span);

/* Writes it to standard output as the configuration asks for it, if anybody reads there: who takes
 * nothing for a second does not get the rest (logged). */
void summary_report(const struct config *config, uint64_t elapsed_ns);

/* columns: of the terminal; 0: there is none, nothing is cut. */
void summary_write(FILE *out, uint64_t elapsed_ns, unsigned columns, bool color);
void summary_write_json(FILE *out, uint64_t elapsed_ns);
