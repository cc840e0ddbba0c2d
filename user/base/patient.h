/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to somebody who may have stopped reading without going away. */
#pragma once

#include <stddef.h>

/*
 * Writes all of data to a pipe, a terminal or a file in pieces that it takes at once. Returns 0, -ETIMEDOUT
 * when it takes nothing for patience_ms, or -errno of write(); what came before that is written.
 */
int write_patiently(int fd, const char *data, size_t len, int patience_ms);
