/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <cjson/cJSON.h>

struct events;

/* Where events are told. Safe for all threads. A kind of publisher is one file and one row in events.c. */
struct events_kind {
	const char *scheme;                                 /* of its URLs: "file" */
	int (*open)(const char *path, struct events **ret); /* what follows "scheme://" */
	int (*publish)(struct events *events, const char *text);
	void (*close)(struct events *events);
};

/* The first member of each kind's own struct. */
struct events {
	const struct events_kind *kind;
};

extern const struct events_kind events_file, events_redis;

/* Opens the publisher of a URL. -EINVAL (no such kind) or another -errno: after a line on stderr. */
int events_open(const char *url, struct events **ret);

/* Publishes one event, an object. 0 or -errno. */
int events_publish(struct events *events, const cJSON *event);

/* Closes it when no thread uses it any more; NULL is fine. */
void events_close(struct events *events);
