/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are quiet: neither being read, nor in their turn, nor waiting for a call that was seen. They
 * wait for something that cannot be seen, such as a timer, a file or a place in a queue, and may go on any
 * time, in anybody's turn. Hot path.
 */
#pragma once

#include "work.h"

/* Something of this has changed for an open request, or it is over. */
void quiet_update(struct work *request);

/*
 * Is there another request of the process that has waited since before receive number `turn`, and of whose
 * answer nothing was sent yet?
 */
bool quiet_others(const struct process *p, const struct work *request, uint64_t turn);
