/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are called too often for what it costs are let go. */
#pragma once

#include "plan.h"

void budget_init(const struct config *config, const struct plan_kernel *kernel);

/* Was the function let go? */
bool budget_let_go(uint32_t number);

/* Counts, and detaches what is beyond the limits; logs each. */
void budget_tick(uint64_t now_ns);
