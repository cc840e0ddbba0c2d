/* SPDX-License-Identifier: Apache-2.0 */
/* How many files this process may have open: RLIMIT_NOFILE. */
#pragma once

#include <stdbool.h>

#define FILES_RESERVED 80 /* for what comes and goes: clients of the metrics, files of /proc */

/* Raises the limit as far as it goes. Returns that, or -errno. */
long files_raise(void);

/* Sets the limit back: for a child that runs another program. */
void files_restore(void);

/* May so many more be opened? */
bool files_left(unsigned n);
