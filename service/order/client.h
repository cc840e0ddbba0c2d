/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "order.h"
#include "service.h"

#include <cjson/cJSON.h>

struct answer {
	long status; /* HTTP */
	cJSON *json; /* NULL if the body is not JSON */
};

/*
 * Sends POST with BODY, or GET when it is NULL, to the upstream's PATH, on the calling thread's own
 * connections, which stay open for its next calls. Any status is an answer; release it with answer_cleanup.
 * -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ECONNRESET, -EPROTO (not HTTP, or over 1 MiB): WHY names the
 * service.
 */
int client_call(const struct upstream *upstream, const char *path, const cJSON *body, unsigned int timeout_ms,
		struct answer *ret, struct reason *why);

static inline void answer_cleanup(struct answer *answer)
{
	cJSON_Delete(answer->json);
}
#define ANSWER_CLEANUP __attribute__((cleanup(answer_cleanup)))
