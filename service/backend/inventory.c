/* SPDX-License-Identifier: Apache-2.0 */
#include "role.h"

#include "json.h"
#include "stamp.h"

#include <inttypes.h>
#include <microhttpd.h>

/* Enough for any quantity and any sum of a request's quantities to stay exact. */
enum { QUANTITY_MAX = 1000000, MINUTES_MAX = 1440, ITEMS_MAX = 1000 };

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Looks at one entry; its product's quantity in the whole request must be in stock. 0 or the status to
 * answer. */
static unsigned int check(const cJSON *stock, const cJSON *items, const cJSON *item, cJSON **ret)
{
	int64_t id, quantity, wanted = 0, left = 0, other;

	if (json_integer(member(item, "product_id"), 0, JSON_INTEGER_MAX, &id) ||
	    json_integer(member(item, "quantity"), 1, QUANTITY_MAX, &quantity)) {
		*ret = role_refusal("invalid_items", "Each item needs a product_id and a quantity from 1");
		return MHD_HTTP_BAD_REQUEST;
	}
	for (const cJSON *entry = items->child; entry; entry = entry->next)
		if (!json_integer(member(entry, "product_id"), id, id, &other) &&
		    !json_integer(member(entry, "quantity"), 1, QUANTITY_MAX, &quantity))
			wanted += quantity;
	json_integer(member(data_find(stock, "product_id", id), "quantity"), 0, JSON_INTEGER_MAX, &left);
	if (wanted <= left)
		return 0;
	*ret = role_refusal("out_of_stock",
			    "Insufficient stock for product %" PRId64 ": %" PRId64 " asked for, %" PRId64
			    " left",
			    id, wanted, left);
	return MHD_HTTP_CONFLICT;
}

/* The stock is not used up: any number of orders may be sent, and the answer depends on the request alone. */
static unsigned int post_reserve(void *context, const struct http_request *request, cJSON **ret)
{
	const struct backend *backend = context;
	JSON_CLEANUP cJSON *body = json_parse(request->body, request->body_len);
	const cJSON *items = member(body, "items");
	char id[UUID_LEN + 1], expires_at[TIME_LEN + 1];
	int64_t minutes;

	if (!cJSON_IsArray(items) || !items->child || cJSON_GetArraySize(items) > ITEMS_MAX ||
	    json_integer(member(body, "expires_in_minutes"), 1, MINUTES_MAX, &minutes)) {
		*ret = role_refusal("invalid_request", "items (1 to %d) and expires_in_minutes are required",
				    ITEMS_MAX);
		return MHD_HTTP_BAD_REQUEST;
	}
	for (const cJSON *item = items->child; item; item = item->next) {
		unsigned int status = check(member(backend->data, "stock"), items, item, ret);

		if (status)
			return status;
	}
	if (stamp_uuid(id))
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	stamp_time(minutes * 60, expires_at);
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "reservation_id", id);
	cJSON_AddStringToObject(*ret, "expires_at", expires_at);
	return MHD_HTTP_OK;
}

const struct role role_inventory = {
	.name = "inventory",
	.port = 8083,
	.data = "{\"stock\":[{\"product_id\":1,\"quantity\":1000},{\"product_id\":2,\"quantity\":1000},"
		"{\"product_id\":3,\"quantity\":0}]}",
	.method = MHD_HTTP_METHOD_POST,
	.path = "/inventory/reserve",
	.handle = post_reserve,
};
