/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct redis;

/* Connections to a Redis, of a URL without "redis://": [:PASSWORD@]HOST[:PORT][/DATABASE]. They are made when
 * they are needed. -EINVAL after a line on stderr; -ENOMEM. */
int redis_open(const char *path, struct redis **ret);

/*
 * Sends a command of `count` words. Returns 0, and its reply in *ret_text when that is not NULL: a string,
 * the caller's, or NULL if there is no such thing; -EIO after a line on stderr.
 */
int redis_command(struct redis *redis, int count, const char *const *words, char **ret_text);

/* NULL is fine. */
void redis_close(struct redis *redis);
