/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "options.h"
#include "service.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char about[] =
	"Takes the orders of an online shop: POST /orders, GET /orders/{id}, GET /health.\n"
	"An order is checked with the user and product services, reserved at the inventory\n"
	"service, stored in the database and told as an event.";

static const char examples[] =
	"  order-service --port 8080 --database sqlite:///var/lib/shop/orders.db\n"
	"  order-service --database postgres://shop@127.0.0.1:5432/shop --cache redis://127.0.0.1:6379\n"
	"  order-service --port 0 --mode thread-pool --threads 8 --timeout-ms 2000\n"
	"  order-service --user-url http://10.0.0.5:8081 --product-url http://10.0.0.6:8082\n"
	"  curl -d '{\"user_id\":1,\"items\":[{\"product_id\":1,\"quantity\":2}],\n"
	"            \"shipping_address\":{\"city\":\"Oslo\"}}' http://127.0.0.1:8080/orders\n";

static bool is_http_url(const char *option, const char *url)
{
	size_t len = strlen(url);

	if ((!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8)) && len < 512 && url[len - 1] != '/')
		return true;
	fprintf(stderr, "%s: --%s: '%s' is not like http://HOST:PORT, with no slash at its end\n",
		SERVICE_NAME, option, url);
	return false;
}

int config_read(int argc, char **argv, struct config *ret)
{
	const char *mode = "thread-per-connection";
	unsigned int threads = 4;
	struct config c = {
		.bind = "127.0.0.1",
		.port = 8080,
		.user_url = "http://127.0.0.1:8081",
		.product_url = "http://127.0.0.1:8082",
		.inventory_url = "http://127.0.0.1:8083",
		.payment_url = "http://127.0.0.1:8084",
		.timeout_ms = 10000,
		.database = "sqlite://orders.db",
		.cache = "none",
	};
	const struct option_row rows[] = {
		{ "bind", "ADDRESS", "listen on this address", &c.bind, OPTION_TEXT, 0, 0 },
		{ "port", "PORT", "0 = any free one; the first line on stdout tells it", &c.port,
		  OPTION_NUMBER, 0, 65535 },
		{ "mode", "MODE", "thread-per-connection or thread-pool", &mode, OPTION_TEXT, 0, 0 },
		{ "threads", "N", "size of the thread pool", &threads, OPTION_NUMBER, 1, 256 },
		{ "user-url", "URL", "user service", &c.user_url, OPTION_TEXT, 0, 0 },
		{ "product-url", "URL", "product service", &c.product_url, OPTION_TEXT, 0, 0 },
		{ "inventory-url", "URL", "inventory service", &c.inventory_url, OPTION_TEXT, 0, 0 },
		{ "payment-url", "URL", "payment service, not called to create an order", &c.payment_url,
		  OPTION_TEXT, 0, 0 },
		{ "timeout-ms", "MS", "the longest that one call to a service takes", &c.timeout_ms,
		  OPTION_NUMBER, 1, 600000 },
		{ "database", "URL", "sqlite://PATH or postgres://USER@HOST:PORT/NAME", &c.database,
		  OPTION_TEXT, 0, 0 },
		{ "cache", "URL", "redis://HOST:PORT or none", &c.cache, OPTION_TEXT, 0, 0 },
		{ "events", "URL",
		  "file://PATH or redis://HOST:PORT; the cache's, or else file://order-events.jsonl",
		  &c.events, OPTION_TEXT, 0, 0 },
		{ NULL, NULL, NULL, NULL, OPTION_TEXT, 0, 0 },
	};
	const struct command command = { SERVICE_NAME, SERVICE_VERSION, about, examples, rows };
	int result = options_parse(&command, argc, argv);

	if (result)
		return result;
	if (strcmp(mode, "thread-per-connection") != 0 && strcmp(mode, "thread-pool") != 0) {
		fprintf(stderr, "%s: --mode: '%s' is not thread-per-connection or thread-pool\n",
			SERVICE_NAME, mode);
		return -EINVAL;
	}
	if (!is_http_url("user-url", c.user_url) || !is_http_url("product-url", c.product_url) ||
	    !is_http_url("inventory-url", c.inventory_url) || !is_http_url("payment-url", c.payment_url))
		return -EINVAL;
	if (!c.events)
		c.events = strcmp(c.cache, "none") != 0 ? c.cache : "file://order-events.jsonl";
	c.threads = strcmp(mode, "thread-pool") == 0 ? threads : 0;
	*ret = c;
	return 0;
}
