/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include "json.h"
#include "order.h"
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { EXPIRES_IN_MINUTES = 15 };

static cJSON *question(const struct order *order)
{
	cJSON *body = cJSON_CreateObject();
	cJSON *items = cJSON_AddArrayToObject(body, "items");

	for (int i = 0; i < order->items_count; i++) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddNumberToObject(item, "product_id", (double)order->items[i].product_id);
		cJSON_AddNumberToObject(item, "quantity", (double)order->items[i].quantity);
		cJSON_AddItemToArray(items, item);
	}
	cJSON_AddNumberToObject(body, "expires_in_minutes", EXPIRES_IN_MINUTES);
	return body;
}

static int refused(const struct answer *answer, struct reason *why)
{
	const char *message = json_text(answer->json, "message");

	if (message && *message && strlen(message) < sizeof(why->text))
		return fail(why, -EREMOTEIO, "%s", message);
	return fail(why, -EREMOTEIO, "Inventory service answered %ld", answer->status);
}

int reserve_inventory(struct order *order, struct service *service, struct reason *why)
{
	ANSWER_CLEANUP struct answer answer = { 0 };
	JSON_CLEANUP cJSON *body = question(order);
	const char *id;
	int err;

	err = client_call(&service->inventory, "/inventory/reserve", body, service->timeout_ms, &answer, why);
	if (err)
		return err;
	if (answer.status != 200)
		return refused(&answer, why);
	id = json_text(answer.json, "reservation_id");
	if (!id || !*id || strlen(id) > RESERVATION_ID_LEN)
		return fail(why, -EPROTO, "Inventory service gave no reservation_id");
	snprintf(order->reservation_id, sizeof(order->reservation_id), "%s", id);
	return 0;
}
