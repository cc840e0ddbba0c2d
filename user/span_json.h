/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "span.h"

#define SPAN_JSON_MAX 8192

/* The span as one JSON line, newline included, in at most size bytes (SPAN_JSON_MAX holds any). Returns its
 * length. */
size_t span_json(const struct span *span, char *buf, size_t size);

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; empty when not known. Returns buf. */
const char *address_text(const struct span *span, const struct address *a, char *buf, size_t size);

/* A CLOCK_MONOTONIC time as RFC 3339 in UTC with nanoseconds. Returns buf. */
const char *time_text(uint64_t time_ns, char *buf, size_t size);
