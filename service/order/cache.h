/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cache;

/* Opens the cache of a redis:// URL; "none": *ret is NULL, which every function takes. -EINVAL after a line
 * on stderr; -ENOMEM. A cache that cannot be reached is an empty one, with a line on stderr for each attempt.
 */
int cache_open(const char *url, struct cache **ret);

/* Is the user known to exist? */
bool cache_has_user(struct cache *cache, int64_t user_id);

/* Keeps for some minutes what the user service said of a user who exists. */
void cache_put_user(struct cache *cache, int64_t user_id, const char *text);

void cache_close(struct cache *cache);
