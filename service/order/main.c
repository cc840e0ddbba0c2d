/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"
#include "config.h"
#include "endpoints.h"
#include "events.h"
#include "http.h"
#include "service.h"
#include "store.h"

#include <curl/curl.h>

static int serve(const struct config *config, struct service *service)
{
	const struct http_config http = {
		.name = SERVICE_NAME,
		.bind = config->bind,
		.port = config->port,
		.threads = config->threads,
		.longest_ms = 3 * config->timeout_ms + 5000, /* three calls and the database */
		.routes = order_routes,
		.context = service,
	};
	int err;

	err = store_open(config->database, &service->store);
	if (!err)
		err = cache_open(config->cache, &service->cache);
	if (!err)
		err = events_open(config->events, &service->events);
	return err ? err : http_serve(&http);
}

int main(int argc, char **argv)
{
	struct service service = { 0 };
	struct config config;
	int result = config_read(argc, argv, &config);

	if (result)
		return result < 0 ? 2 : 0;
	service.users = (struct upstream){ "User service", config.user_url };
	service.products = (struct upstream){ "Product service", config.product_url };
	service.inventory = (struct upstream){ "Inventory service", config.inventory_url };
	service.timeout_ms = config.timeout_ms;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	result = serve(&config, &service);
	events_close(service.events);
	cache_close(service.cache);
	store_close(service.store);
	curl_global_cleanup();
	return result ? 1 : 0;
}
