/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prepared statements stand for, by connection and key: the last ones used, up to a limit. Hot path.
 */
#pragma once

#include <stdint.h>

#include "statement.h"

/* Reserves room for max statements. Returns 0 or -ENOMEM. */
int prepared_init(uint32_t max);
void prepared_fini(void);

/* A statement to be filled in, for this connection and key (not 0) from here on; the one used longest ago
 * makes room. */
struct statement *prepared_put(uint64_t sock, uint64_t key);

/* The connection is closed: forgets what its keys stand for. */
void prepared_end(uint64_t sock);

/* What the key stands for, valid until the next prepared_put(); NULL when it is not known. */
const struct statement *prepared_get(uint64_t sock, uint64_t key);

/* What one key stands for is what another one stands for from here on. Nothing happens when it is not known.
 */
void prepared_rename(uint64_t sock, uint64_t from, uint64_t to);
