/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

#include "config.h"
#include "metric.h"

/* Serves /metrics and /healthz on config->listen, "address:port". Returns 0 or -errno (logged). */
int http_start(const struct config *config);

/* /healthz says 200 when ready, 503 before. */
void http_set_ready(bool ready);
void http_stop(void);

/* What a request is answered with. */
struct http_answer {
	unsigned status;  /* 200, 404, 405, 503 */
	const char *text; /* static; NULL: the metrics */
};

/* path: without the query. */
struct http_answer http_answer(const char *method, const char *path);

/* The metrics as far as one client has read them, zeroed at first: however many there are, a part at a time
 * is held. */
struct http_metrics {
	struct metrics_reader reader;
	size_t at, len;
	char part[METRICS_PART_MAX];
};

/* The next bytes, at most max (not 0). Returns how many they are, 0 at the end. */
size_t http_read_metrics(struct http_metrics *page, char *buf, size_t max);

/* "127.0.0.1:9090", "[::1]:9090"; the port alone, ":9090", is that of 127.0.0.1. Returns 0 or -EINVAL. */
int http_parse_listen(const char *listen, struct sockaddr_storage *ret_address);
