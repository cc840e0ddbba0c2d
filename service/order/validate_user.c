/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"
#include "client.h"
#include "order.h"
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int validate_user(const struct order *order, struct service *service, struct reason *why)
{
	ANSWER_CLEANUP struct answer answer = { 0 };
	char path[48], *text;
	int err;

	if (cache_has_user(service->cache, order->user_id))
		return 0;

	snprintf(path, sizeof(path), "/users/%" PRId64, order->user_id);
	err = client_call(&service->users, path, NULL, service->timeout_ms, &answer, why);
	if (err)
		return err;
	if (answer.status == 404)
		return fail(why, -ENOENT, "User %" PRId64 " not found", order->user_id);
	if (answer.status != 200)
		return fail(why, -EREMOTEIO, "User service answered %ld", answer.status);
	text = service->cache ? cJSON_PrintUnformatted(answer.json) : NULL;
	cache_put_user(service->cache, order->user_id, text);
	free(text);
	return 0;
}
