/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/*
 * Parses the value of a W3C traceparent header (Trace Context level 1, section 3.2.2). Returns 0 and both
 * ids, or -EINVAL.
 */
int traceparent_parse(struct slice value, uint8_t ret_trace_id[16], uint8_t ret_span_id[8]);
