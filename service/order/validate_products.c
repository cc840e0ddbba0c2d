/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include "json.h"
#include "order.h"
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

static bool appears_earlier(const struct order *order, int index)
{
	for (int i = 0; i < index; i++)
		if (order->items[i].product_id == order->items[index].product_id)
			return true;
	return false;
}

/* {"product_ids": [...]}, each once. */
static cJSON *question(const struct order *order)
{
	cJSON *body = cJSON_CreateObject();
	cJSON *ids = cJSON_AddArrayToObject(body, "product_ids");

	for (int i = 0; i < order->items_count; i++)
		if (!appears_earlier(order, i))
			cJSON_AddItemToArray(ids, cJSON_CreateNumber((double)order->items[i].product_id));
	return body;
}

static int take_price(struct order_item *item, const cJSON *products, struct reason *why)
{
	for (const cJSON *product = products->child; product; product = product->next) {
		const cJSON *price = cJSON_GetObjectItemCaseSensitive(product, "price");
		int64_t id;

		if (json_integer(cJSON_GetObjectItemCaseSensitive(product, "id"), 1, JSON_INTEGER_MAX, &id) ||
		    id != item->product_id)
			continue;
		if (!cJSON_IsNumber(price) || !(price->valuedouble >= 0))
			return fail(why, -EPROTO, "Product service gave no price for product %" PRId64, id);
		item->price = price->valuedouble;
		return 0;
	}
	return fail(why, -ENOENT, "Product %" PRId64 " not found", item->product_id);
}

int validate_products(struct order *order, struct service *service, struct reason *why)
{
	ANSWER_CLEANUP struct answer answer = { 0 };
	JSON_CLEANUP cJSON *body = question(order);
	const cJSON *products;
	int err;

	err = client_call(&service->products, "/products/batch", body, service->timeout_ms, &answer, why);
	if (err)
		return err;
	if (answer.status != 200)
		return fail(why, -EREMOTEIO, "Product service answered %ld", answer.status);
	products = cJSON_GetObjectItemCaseSensitive(answer.json, "products");
	if (!cJSON_IsArray(products))
		return fail(why, -EPROTO, "Product service gave no list of products");
	for (int i = 0; i < order->items_count && !err; i++)
		err = take_price(&order->items[i], products, why);
	return err;
}
