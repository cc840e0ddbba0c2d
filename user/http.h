/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

/* Serves /metrics and /healthz on config->listen, "address:port". Returns 0 or -errno (logged). */
int http_start(const struct config *config);

/* /healthz says 200 when ready, 503 before. */
void http_set_ready(bool ready);
void http_stop(void);
