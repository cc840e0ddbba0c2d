/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoints.h"

#include "json.h"
#include "order.h"
#include "service.h"
#include "store.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int err;
	unsigned int status;
} statuses[] = {
	{ -EINVAL, MHD_HTTP_BAD_REQUEST },
	{ -ENOENT, MHD_HTTP_BAD_REQUEST },
	{ -ERANGE, MHD_HTTP_BAD_REQUEST },
	{ -ETIMEDOUT, MHD_HTTP_SERVICE_UNAVAILABLE },
	{ -ECONNREFUSED, MHD_HTTP_SERVICE_UNAVAILABLE },
	{ -ECONNRESET, MHD_HTTP_SERVICE_UNAVAILABLE },
	{ -EHOSTUNREACH, MHD_HTTP_SERVICE_UNAVAILABLE },
	{ -EPROTO, MHD_HTTP_SERVICE_UNAVAILABLE },
	{ -EREMOTEIO, MHD_HTTP_SERVICE_UNAVAILABLE },
};

static unsigned int status_of(int err)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].err == err)
			return statuses[i].status;
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static unsigned int refuse(int err, const struct reason *why, cJSON **ret)
{
	unsigned int status = status_of(err);

	if (status >= 500)
		fprintf(stderr, "%s: POST /orders: %u: %s\n", SERVICE_NAME, status, why->text);
	*ret = json_error(status == MHD_HTTP_INTERNAL_SERVER_ERROR ? "Internal server error" : why->text);
	return status;
}

static unsigned int post_order(void *context, const struct http_request *request, cJSON **ret)
{
	__attribute__((cleanup(order_release))) struct order order = { 0 };
	struct reason why;
	int err;

	err = order_parse(request->body, request->body_len, &order, &why);
	if (!err)
		err = create_order(&order, context, &why);
	if (err)
		return refuse(err, &why, ret);
	*ret = order_json(&order);
	return MHD_HTTP_CREATED;
}

static unsigned int get_order(void *context, const struct http_request *request, cJSON **ret)
{
	__attribute__((cleanup(order_release))) struct order order = { 0 };
	struct service *service = context;
	int err = store_find(service->store, request->id, &order);

	if (err == -ENOENT) {
		*ret = json_error("Order not found");
		return MHD_HTTP_NOT_FOUND;
	}
	if (err) {
		fprintf(stderr, "%s: GET /orders/%s: 500: %s\n", SERVICE_NAME, request->id, strerror(-err));
		*ret = json_error("Internal server error");
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
	*ret = order_json(&order);
	return MHD_HTTP_OK;
}

static unsigned int get_health(void *context, const struct http_request *request, cJSON **ret)
{
	char now[TIME_LEN + 1];

	(void)context;
	(void)request;
	stamp_time(0, now);
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "status", "healthy");
	cJSON_AddStringToObject(*ret, "service", SERVICE_NAME);
	cJSON_AddStringToObject(*ret, "version", SERVICE_VERSION);
	cJSON_AddStringToObject(*ret, "timestamp", now);
	return MHD_HTTP_OK;
}

const struct http_route order_routes[] = {
	{ MHD_HTTP_METHOD_POST, "/orders", post_order },
	{ MHD_HTTP_METHOD_GET, "/orders/", get_order },
	{ MHD_HTTP_METHOD_GET, "/health", get_health },
	{ NULL, NULL, NULL },
};
