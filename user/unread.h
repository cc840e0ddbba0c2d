/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection that nobody can read still tells: for whom something is asked, and that an answer came.
 * Hot path. */
#pragma once

#include "conn.h"

/* Its process has sent something on it, or received something. */
void unread_sent(struct conn *c);
void unread_received(struct conn *c);

/* Whoever asked waits no more: an answer has come, or none will. */
void unread_end(struct conn *c);
