/* SPDX-License-Identifier: Apache-2.0 */
#include "redis.h"

#include "lend.h"
#include "service.h"

#include <curl/curl.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 500, PORT_DEFAULT = 6379 };

struct redis {
	char *host, *password, *database; /* of curl; the last two may be NULL */
	int port;
	struct lend connections; /* redisContext */
};

static char *url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, CURLU_URLDECODE) == CURLUE_OK ? text : NULL;
}

int redis_open(const char *path, struct redis **ret)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	CURLU *url = curl_url();
	char text[512], *port, *database;

	snprintf(text, sizeof(text), "redis://%s", path);
	if (!redis || !url || curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
	    !(redis->host = url_part(url, CURLUPART_HOST))) {
		fprintf(stderr, "%s: not the URL of a Redis: %s\n", SERVICE_NAME, text);
		curl_url_cleanup(url);
		free(redis);
		return -EINVAL;
	}
	redis->password = url_part(url, CURLUPART_PASSWORD);
	port = url_part(url, CURLUPART_PORT);
	redis->port = port ? atoi(port) : PORT_DEFAULT;
	curl_free(port);
	database = url_part(url, CURLUPART_PATH);
	if (database && strlen(database) > 1)
		redis->database = database;
	else
		curl_free(database);
	curl_url_cleanup(url);
	lend_init(&redis->connections);
	*ret = redis;
	return 0;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "%s: redis: %s: %s\n", SERVICE_NAME, what, why);
	return -EIO;
}

static bool succeeds(redisReply *reply)
{
	bool ok = reply && reply->type != REDIS_REPLY_ERROR;

	freeReplyObject(reply);
	return ok;
}

/* NULL after a line on stderr. */
static redisContext *connect_to(const struct redis *redis)
{
	const struct timeval timeout = { .tv_usec = TIMEOUT_MS * 1000 };
	redisContext *context = redisConnectWithTimeout(redis->host, redis->port, timeout);

	if (context && !context->err && redisSetTimeout(context, timeout) == REDIS_OK &&
	    (!redis->password || succeeds(redisCommand(context, "AUTH %s", redis->password))) &&
	    (!redis->database || succeeds(redisCommand(context, "SELECT %s", redis->database + 1))))
		return context;
	complain("connect", context && context->err ? context->errstr : "refused");
	if (context)
		redisFree(context);
	return NULL;
}

int redis_command(struct redis *redis, int count, const char *const *words, char **ret_text)
{
	redisContext *context = lend_take(&redis->connections);
	redisReply *reply;
	int err = -EIO;

	if (!context && !(context = connect_to(redis))) {
		lend_give(&redis->connections, NULL);
		return -EIO;
	}
	reply = redisCommandArgv(context, count, (const char **)words, NULL);
	if (!reply) {
		complain(words[0], context->errstr);
		redisFree(context);
		context = NULL;
	} else if (reply->type == REDIS_REPLY_ERROR) {
		complain(words[0], reply->str);
	} else {
		err = 0;
		if (ret_text)
			*ret_text = reply->type == REDIS_REPLY_STRING ? strdup(reply->str) : NULL;
	}
	freeReplyObject(reply);
	lend_give(&redis->connections, context);
	return err;
}

static void close_connection(void *connection)
{
	redisFree(connection);
}

void redis_close(struct redis *redis)
{
	if (!redis)
		return;
	lend_fini(&redis->connections, close_connection);
	curl_free(redis->host);
	curl_free(redis->password);
	curl_free(redis->database);
	free(redis);
}
