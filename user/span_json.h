/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/wall.h"
#include "span.h"

#define SPAN_JSON_MAX 8192

/*
 * The span as one JSON line, newline included, in at most size bytes (SPAN_JSON_MAX holds any). Returns its
 * length.
 */
size_t span_json(const struct span *span, struct wall *wall, char *buf, size_t size);
