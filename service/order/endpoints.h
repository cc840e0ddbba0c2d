/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "http.h"

/* The order service's HTTP interface; its context is a struct service. */
extern const struct http_route order_routes[];
