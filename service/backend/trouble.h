/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "role.h"

#include <stdbool.h>

/*
 * Waits for the backend's latency and jitter; then whether this request is to fail. The numbers are drawn in
 * the order of the requests: the same seed and requests one after another give the same failures.
 */
bool trouble(const struct backend *backend);
