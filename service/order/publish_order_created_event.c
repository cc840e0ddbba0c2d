/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"
#include "json.h"
#include "order.h"
#include "service.h"

int publish_order_created_event(const struct order *order, struct service *service)
{
	JSON_CLEANUP cJSON *event = cJSON_CreateObject();

	cJSON_AddStringToObject(event, "event", "order.created");
	cJSON_AddStringToObject(event, "order_id", order->order_id);
	cJSON_AddNumberToObject(event, "user_id", (double)order->user_id);
	cJSON_AddNumberToObject(event, "total_amount", order->total_amount);
	cJSON_AddStringToObject(event, "timestamp", order->created_at);
	return events_publish(service->events, event);
}
