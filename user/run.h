/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

/*
 * Traces what the configuration selects until it ends, its duration is over or a signal comes, then
 * flushes everything. attach: live output and the table at the end; else the daemon. Returns the exit code.
 */
int run(const struct config *config, bool attach);
