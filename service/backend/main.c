/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "options.h"
#include "role.h"
#include "stamp.h"
#include "trouble.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_MAX = 16 << 20 };

static const struct role *const roles[] = { &role_user, &role_product, &role_inventory, &role_payment };

static const char about[] = "Plays one of the services that the order service works with:\n"
			    "  user       GET /users/{id}          port 8081\n"
			    "  product    POST /products/batch     port 8082\n"
			    "  inventory  POST /inventory/reserve  port 8083\n"
			    "  payment    POST /payments           port 8084\n"
			    "and GET /health for each. Latency and failures do not touch /health.";

static const char examples[] = "  backend --role user --data service/data/user.json\n"
			       "  backend --role inventory --port 0 --latency-ms 20 --jitter-ms 30\n"
			       "  backend --role product --failure-rate 0.1 --seed 42\n"
			       "  curl -d '{\"product_ids\":[1,2]}' http://127.0.0.1:8082/products/batch\n";

static unsigned int serve_role(void *context, const struct http_request *request, cJSON **ret)
{
	struct backend *backend = context;

	if (trouble(backend)) {
		*ret = role_refusal("unavailable", "The %s service is temporarily unavailable",
				    backend->role->name);
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	return backend->role->handle(backend, request, ret);
}

static unsigned int get_health(void *context, const struct http_request *request, cJSON **ret)
{
	const struct backend *backend = context;
	char name[32], now[TIME_LEN + 1];

	(void)request;
	snprintf(name, sizeof(name), "%s-service", backend->role->name);
	stamp_time(0, now);
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "status", "healthy");
	cJSON_AddStringToObject(*ret, "service", name);
	cJSON_AddStringToObject(*ret, "timestamp", now);
	return MHD_HTTP_OK;
}

static const struct role *find_role(const char *name)
{
	for (size_t i = 0; name && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(roles[i]->name, name))
			return roles[i];
	fprintf(stderr, "backend: --role must be user, product, inventory or payment; try --help\n");
	return NULL;
}

/* NULL after a line on stderr. */
static cJSON *load(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(DATA_MAX + 1);
	size_t len = file && text ? fread(text, 1, DATA_MAX + 1, file) : 0;
	cJSON *json = NULL;

	if (!file || !text || ferror(file)) {
		fprintf(stderr, "backend: cannot read %s: %s\n", path, strerror(errno));
	} else if (len > DATA_MAX) {
		fprintf(stderr, "backend: %s is larger than %d bytes\n", path, DATA_MAX);
	} else {
		text[len] = '\0';
		json = json_parse(text, len);
		if (!json)
			fprintf(stderr, "backend: %s is not valid JSON\n", path);
	}
	free(text);
	if (file)
		fclose(file);
	return json;
}

static int serve(struct backend *backend, const char *bind, unsigned int port)
{
	const struct http_route routes[] = {
		{ backend->role->method, backend->role->path, serve_role },
		{ MHD_HTTP_METHOD_GET, "/health", get_health },
		{ NULL, NULL, NULL },
	};
	char name[32];
	const struct http_config http = {
		.name = name,
		.bind = bind,
		.port = port,
		.longest_ms = backend->latency_ms + backend->jitter_ms,
		.routes = routes,
		.context = backend,
	};

	snprintf(name, sizeof(name), "%s-service", backend->role->name);
	return http_serve(&http);
}

int main(int argc, char **argv)
{
	enum { PORT_OF_ROLE = 65536 };
	const char *role = NULL, *bind = "127.0.0.1", *path = NULL;
	unsigned int port = PORT_OF_ROLE, seed = 1;
	struct backend backend = { 0 };
	const struct option_row rows[] = {
		{ "role", "ROLE", "user, product, inventory or payment", &role, OPTION_TEXT, 0, 0 },
		{ "bind", "ADDRESS", "listen on this address", &bind, OPTION_TEXT, 0, 0 },
		{ "port", "PORT", "0 = any free one; the first line on stdout tells it", &port, OPTION_NUMBER,
		  0, 65535 },
		{ "data", "FILE", "what it knows, JSON; a few entries are built in", &path, OPTION_TEXT, 0,
		  0 },
		{ "latency-ms", "MS", "wait before each answer", &backend.latency_ms, OPTION_NUMBER, 0,
		  60000 },
		{ "jitter-ms", "MS", "wait up to this much longer", &backend.jitter_ms, OPTION_NUMBER, 0,
		  60000 },
		{ "failure-rate", "SHARE", "answer 503 this often, 0 to 1", &backend.failure_rate,
		  OPTION_REAL, 0, 1 },
		{ "seed", "N", "of the failures and the jitter", &seed, OPTION_NUMBER, 0, 4294967295.0 },
		{ NULL, NULL, NULL, NULL, OPTION_TEXT, 0, 0 },
	};
	const struct command command = { "backend", "1.2.0", about, examples, rows };
	JSON_CLEANUP cJSON *data = NULL;
	int result = options_parse(&command, argc, argv);

	if (result)
		return result < 0 ? 2 : 0;
	backend.role = find_role(role);
	if (!backend.role)
		return 2;
	backend.data = data = path ? load(path) : json_parse(backend.role->data, strlen(backend.role->data));
	if (!data)
		return 1;
	backend.seed = seed;
	return serve(&backend, bind, port == PORT_OF_ROLE ? backend.role->port : port) ? 1 : 0;
}
