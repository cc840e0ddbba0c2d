/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in which what is done for a request goes from thread to thread, so that what a thread does next
 * may be for another one. Not for the hot path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Is the process's program one of those, by its file and its libraries? */
bool hopping_is(uint32_t pid);
