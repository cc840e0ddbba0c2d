/* SPDX-License-Identifier: Apache-2.0 */
#include "role.h"

#include "json.h"
#include "stamp.h"

#include <microhttpd.h>

static unsigned int post_payment(void *context, const struct http_request *request, cJSON **ret)
{
	const struct backend *backend = context;
	const cJSON *limit = cJSON_GetObjectItemCaseSensitive(backend->data, "limit");
	JSON_CLEANUP cJSON *body = json_parse(request->body, request->body_len);
	const cJSON *amount = cJSON_GetObjectItemCaseSensitive(body, "amount");
	const char *order_id = json_text(body, "order_id");
	char id[UUID_LEN + 1];

	if (!order_id || !cJSON_IsNumber(amount) || !(amount->valuedouble > 0)) {
		*ret = role_refusal("invalid_request", "order_id and a positive amount are required");
		return MHD_HTTP_BAD_REQUEST;
	}
	if (cJSON_IsNumber(limit) && amount->valuedouble > limit->valuedouble) {
		*ret = role_refusal("declined", "Payments above %.2f are declined", limit->valuedouble);
		return MHD_HTTP_PAYMENT_REQUIRED;
	}
	if (stamp_uuid(id))
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "payment_id", id);
	cJSON_AddStringToObject(*ret, "order_id", order_id);
	cJSON_AddNumberToObject(*ret, "amount", amount->valuedouble);
	cJSON_AddStringToObject(*ret, "status", "authorized");
	return MHD_HTTP_CREATED;
}

const struct role role_payment = {
	.name = "payment",
	.port = 8084,
	.data = "{\"limit\":5000}",
	.method = MHD_HTTP_METHOD_POST,
	.path = "/payments",
	.handle = post_payment,
};
