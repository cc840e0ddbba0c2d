/* SPDX-License-Identifier: Apache-2.0 */
#include "role.h"

#include "json.h"

#include <microhttpd.h>
#include <stdbool.h>

enum { IDS_MAX = 1000 };

static unsigned int post_batch(void *context, const struct http_request *request, cJSON **ret)
{
	const struct backend *backend = context;
	const cJSON *known = cJSON_GetObjectItemCaseSensitive(backend->data, "products");
	JSON_CLEANUP cJSON *body = json_parse(request->body, request->body_len);
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(body, "product_ids");
	cJSON *found;

	if (!cJSON_IsArray(ids) || cJSON_GetArraySize(ids) > IDS_MAX) {
		*ret = role_refusal("invalid_request", "product_ids must be an array of at most %d", IDS_MAX);
		return MHD_HTTP_BAD_REQUEST;
	}
	*ret = cJSON_CreateObject();
	found = cJSON_AddArrayToObject(*ret, "products");
	for (const cJSON *id = ids->child; id; id = id->next) {
		int64_t number;
		const cJSON *product = json_integer(id, 0, JSON_INTEGER_MAX, &number)
					       ? NULL
					       : data_find(known, "id", number);

		if (product)
			cJSON_AddItemToArray(found, cJSON_Duplicate(product, true));
	}
	return MHD_HTTP_OK;
}

const struct role role_product = {
	.name = "product",
	.port = 8082,
	.data = "{\"products\":[{\"id\":1,\"name\":\"Kettle\",\"price\":29.99},"
		"{\"id\":2,\"name\":\"Teapot\",\"price\":19.5},"
		"{\"id\":3,\"name\":\"Samovar\",\"price\":450}]}",
	.method = MHD_HTTP_METHOD_POST,
	.path = "/products/batch",
	.handle = post_batch,
};
