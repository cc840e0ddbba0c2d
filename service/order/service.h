/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define SERVICE_NAME    "order-service"
#define SERVICE_VERSION "1.2.0"

struct cache;
struct events;
struct store;

/* A service that this one calls. */
struct upstream {
	const char *name; /* for messages: "User service" */
	const char *url;  /* without a slash at its end */
};

/* What an order needs besides itself; shared by all threads. */
struct service {
	struct upstream users, products, inventory;
	unsigned int timeout_ms; /* for one call to another service */
	struct store *store;
	struct cache *cache; /* NULL: there is none */
	struct events *events;
};
