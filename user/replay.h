/* SPDX-License-Identifier: Apache-2.0 */
/* Gives the spine what a recording holds. */
#pragma once

#include "config.h"

/* Runs config->replay_path to its end. Returns an exit code; what is wrong with the file is logged. */
int replay(const struct config *config, bool attach);
