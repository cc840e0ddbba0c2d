/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int fail(struct reason *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

static int parse_items(struct order *order, const cJSON *items, struct reason *why)
{
	int count = cJSON_GetArraySize(items);

	if (!cJSON_IsArray(items) || count == 0)
		return fail(why, -EINVAL, "items must be a non-empty array");
	if (count > ORDER_ITEMS_MAX)
		return fail(why, -EINVAL, "items must not have more than %d entries", ORDER_ITEMS_MAX);

	for (const cJSON *entry = items->child; entry; entry = entry->next) {
		struct order_item *item = &order->items[order->items_count];

		if (json_integer(cJSON_GetObjectItemCaseSensitive(entry, "product_id"), 1, JSON_INTEGER_MAX,
				 &item->product_id))
			return fail(why, -EINVAL, "items[%d].product_id must be a positive integer",
				    order->items_count);
		if (json_integer(cJSON_GetObjectItemCaseSensitive(entry, "quantity"), 1, ORDER_QUANTITY_MAX,
				 &item->quantity))
			return fail(why, -EINVAL, "items[%d].quantity must be an integer from 1 to %d",
				    order->items_count, ORDER_QUANTITY_MAX);
		order->items_count++;
	}
	return 0;
}

/* An address is the client's own structure or text: it is kept as it came. */
static int parse_address(struct order *order, const cJSON *address, struct reason *why)
{
	const char *text = cJSON_GetStringValue(address);

	if (!(cJSON_IsObject(address) && address->child) && !(text && *text))
		return fail(why, -EINVAL, "shipping_address must be a non-empty object or string");
	order->shipping_address = cJSON_PrintUnformatted(address);
	return order->shipping_address ? 0 : fail(why, -ENOMEM, "Out of memory");
}

static int parse_fields(const cJSON *request, struct order *order, struct reason *why)
{
	static const char *const required[] = { "user_id", "items", "shipping_address" };
	int err;

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		const cJSON *field = cJSON_GetObjectItemCaseSensitive(request, required[i]);

		if (!field || cJSON_IsNull(field))
			return fail(why, -EINVAL, "Missing required field: %s", required[i]);
	}
	if (json_integer(cJSON_GetObjectItemCaseSensitive(request, "user_id"), 1, JSON_INTEGER_MAX,
			 &order->user_id))
		return fail(why, -EINVAL, "user_id must be a positive integer");
	err = parse_items(order, cJSON_GetObjectItemCaseSensitive(request, "items"), why);
	if (err)
		return err;
	return parse_address(order, cJSON_GetObjectItemCaseSensitive(request, "shipping_address"), why);
}

int order_parse(const char *text, size_t len, struct order *ret, struct reason *why)
{
	JSON_CLEANUP cJSON *request = NULL;
	struct order order = { .currency = "USD" };
	int err;

	if (len == 0)
		return fail(why, -EINVAL, "Request body is required");
	request = json_parse(text, len);
	if (!request)
		return fail(why, -EINVAL, "Request body is not valid JSON");
	if (!cJSON_IsObject(request))
		return fail(why, -EINVAL, "Request body must be a JSON object");
	err = parse_fields(request, &order, why);
	if (!err)
		*ret = order;
	return err;
}

cJSON *order_items_json(const struct order *order)
{
	cJSON *items = cJSON_CreateArray();

	for (int i = 0; i < order->items_count; i++) {
		const struct order_item *item = &order->items[i];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddNumberToObject(entry, "product_id", (double)item->product_id);
		cJSON_AddNumberToObject(entry, "quantity", (double)item->quantity);
		cJSON_AddNumberToObject(entry, "price", item->price);
		cJSON_AddItemToArray(items, entry);
	}
	return items;
}

int order_items_from_json(struct order *order, const cJSON *items)
{
	struct reason unused;
	int err = parse_items(order, items, &unused);

	for (int i = 0; !err && i < order->items_count; i++) {
		const cJSON *price = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(items, i), "price");

		if (!cJSON_IsNumber(price))
			err = -EINVAL;
		else
			order->items[i].price = price->valuedouble;
	}
	return err;
}

cJSON *order_json(const struct order *order)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "order_id", order->order_id);
	cJSON_AddNumberToObject(json, "user_id", (double)order->user_id);
	cJSON_AddItemToObject(json, "items", order_items_json(order));
	cJSON_AddNumberToObject(json, "total_amount", order->total_amount);
	cJSON_AddStringToObject(json, "currency", order->currency);
	cJSON_AddRawToObject(json, "shipping_address", order->shipping_address);
	cJSON_AddStringToObject(json, "reservation_id", order->reservation_id);
	cJSON_AddStringToObject(json, "status", order->status);
	cJSON_AddStringToObject(json, "created_at", order->created_at);
	return json;
}

void order_release(struct order *order)
{
	free(order->shipping_address);
	order->shipping_address = NULL;
}
