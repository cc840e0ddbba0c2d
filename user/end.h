/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of connections that are on this host, by address pair, or by unix peer: from one, the other is
 * found. Hot path, but for ends_init() and ends_fini().
 */
#pragma once

#include <stdint.h>

#include "conn.h"

/* Reserves room. Returns 0 or -ENOMEM. */
int ends_init(uint32_t ends_max);
void ends_fini(void);

/* Finds c from now on, if its addresses are known; again when they have changed. */
void end_add(struct conn *c);
void end_remove(struct conn *c);

/* The other end of this connection, or NULL: it is on another host, or not known. */
struct conn *end_other(const struct conn *c);
