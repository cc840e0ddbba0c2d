/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct events_kind *const kinds[] = { &events_file, &events_redis };

int events_open(const char *url, struct events **ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i]->scheme);

		if (!strncmp(url, kinds[i]->scheme, len) && !strncmp(url + len, "://", 3))
			return kinds[i]->open(url + len + 3, ret);
	}
	fprintf(stderr, "%s: unknown kind of event publisher: %s\n", SERVICE_NAME, url);
	return -EINVAL;
}

int events_publish(struct events *events, const cJSON *event)
{
	char *text = cJSON_PrintUnformatted(event);
	int err = text ? events->kind->publish(events, text) : -ENOMEM;

	free(text);
	return err;
}

void events_close(struct events *events)
{
	if (events)
		events->kind->close(events);
}
