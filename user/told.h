/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request for which a thread does something by the word of its runtime (EVENT_TOLD): that tells the turn
 * in which it was begun or put off. Hot path.
 */
#pragma once

#include "cause.h"

/* For whom the connection's thread does what it does now. */
struct verdict told_cause(const struct conn *c, const struct thread *t);

/* The calls that are r's because this is what it does now: for each of them something spoke for another.
 * NULL: none. */
struct group *told_group(const struct conn *c, const struct work *r);
