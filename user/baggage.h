/* SPDX-License-Identifier: Apache-2.0 */
/* The members of W3C Baggage (section 3.3) that become attributes of spans. Hot path but for
 * baggage_select(). */
#pragma once

#include "span.h"

/*
 * Selects the members: names, separated by commas. Returns 0, or -EINVAL when a name is empty, too long or no
 * token, or there are too many; nothing is selected then.
 */
int baggage_select(const char *names);

/* Gives the span an attribute for each selected member that the header's value has, percent-decoded. */
void baggage_read(struct span *span, struct slice header);
