/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

/*
 * `spanhook compare OURS THEIRS`. Returns the exit code: EXIT_OK when all that both sides can know is matched
 * and no parent disagrees, EXIT_DIFFERENT, EXIT_FAILED (a file that cannot be read or written), EXIT_USAGE
 * (no span in a file).
 */
int compare(const struct config *config);
