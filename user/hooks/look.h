/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at processes again, whose libraries may be there only now. Not for the hot path. */
#pragma once

#include <stdint.h>

/* The process is looked at now: not again before it has mapped something. */
void look_remember(uint32_t pid);

/* Calls look() for some of the targets, those that have mapped something since they were looked at last: once
 * a second. */
void look_again(void (*look)(uint32_t pid));
