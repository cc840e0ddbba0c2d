/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/slice.h"

/*
 * The low-cardinality form of a URL path: segments that are ids become {id}, UUIDs {uuid}. Writes at
 * most size bytes (a longer route is cut at a segment); returns the length. buf may not overlap path.
 */
size_t route_of(struct slice path, char *buf, size_t size);

/*
 * Copies a query string with the values of parameters that have secret-like names (token, password,
 * signature, key and the like, any case, percent-encoded too) replaced by REDACTED. Writes at most
 * size bytes; returns the length.
 */
size_t redact_query(struct slice query, char *buf, size_t size);
