/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"
#include "redis.h"

#include <errno.h>
#include <stdlib.h>

#define STREAM     "orders"
#define LENGTH_MAX "100000" /* about so many events are kept */

/* An entry of a stream, whose field "event" is the JSON object. */
struct stream {
	struct events events;
	struct redis *redis;
};

static int open_stream(const char *path, struct events **ret)
{
	struct stream *stream = malloc(sizeof(*stream));
	int err;

	if (!stream)
		return -ENOMEM;
	stream->events.kind = &events_redis;
	err = redis_open(path, &stream->redis);
	if (err) {
		free(stream);
		return err;
	}
	*ret = &stream->events;
	return 0;
}

static int publish(struct events *events, const char *text)
{
	const char *const words[] = { "XADD", STREAM, "MAXLEN", "~", LENGTH_MAX, "*", "event", text };

	return redis_command(((struct stream *)events)->redis, sizeof(words) / sizeof(words[0]), words, NULL);
}

static void close_stream(struct events *events)
{
	struct stream *stream = (struct stream *)events;

	redis_close(stream->redis);
	free(stream);
}

const struct events_kind events_redis = {
	.scheme = "redis",
	.open = open_stream,
	.publish = publish,
	.close = close_stream,
};
