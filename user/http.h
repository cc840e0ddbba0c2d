/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

#include "config.h"

/* Serves /metrics, /traces and /healthz on config->listen, "address:port". Returns 0 or -errno (logged). */
int http_start(const struct config *config);

/* /healthz says 200 when ready, 503 before. */
void http_set_ready(bool ready);
void http_stop(void);

/* "127.0.0.1:9090", "[::1]:9090"; the port alone, ":9090", is that of 127.0.0.1. Returns 0 or -EINVAL. */
int http_parse_listen(const char *listen, struct sockaddr_storage *ret_address);
