/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "redis.h"
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_S "300"

struct cache {
	struct redis *redis;
};

int cache_open(const char *url, struct cache **ret)
{
	struct cache *cache;
	int err;

	*ret = NULL;
	if (!strcmp(url, "none"))
		return 0;
	if (strncmp(url, "redis://", 8) != 0) {
		fprintf(stderr, "%s: unknown kind of cache: %s\n", SERVICE_NAME, url);
		return -EINVAL;
	}
	cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	err = redis_open(url + 8, &cache->redis);
	if (err) {
		free(cache);
		return err;
	}
	*ret = cache;
	return 0;
}

static void user_key(int64_t user_id, char key[static 32])
{
	snprintf(key, 32, "user:%" PRId64, user_id);
}

bool cache_has_user(struct cache *cache, int64_t user_id)
{
	char key[32], *user = NULL;
	const char *const words[] = { "GET", key };

	if (!cache)
		return false;
	user_key(user_id, key);
	if (redis_command(cache->redis, 2, words, &user))
		return false;
	free(user);
	return user;
}

void cache_put_user(struct cache *cache, int64_t user_id, const char *text)
{
	char key[32];
	const char *const words[] = { "SET", key, text, "EX", KEEP_S };

	if (!cache || !text)
		return;
	user_key(user_id, key);
	redis_command(cache->redis, 5, words, NULL);
}

void cache_close(struct cache *cache)
{
	if (!cache)
		return;
	redis_close(cache->redis);
	free(cache);
}
