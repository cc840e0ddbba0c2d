/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in which what is done for a request goes from thread to thread, so that what a thread does next
 * may be for another one. Not for the hot path.
 */
#pragma once

#include "mapping.h"

/* Is this the code of one of those, or a library that such a program runs in? */
bool hopping_is(const struct mapping *m);
