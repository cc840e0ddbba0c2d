/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "stamp.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

struct service;

enum {
	ORDER_ITEMS_MAX = 100,
	ORDER_QUANTITY_MAX = 10000,
	ORDER_TOTAL_MAX = 1000000, /* USD */
	RESERVATION_ID_LEN = 63,
};

struct order_item {
	int64_t product_id;
	int64_t quantity;
	double price; /* of one, USD; known after validate_products */
};

/* All strings are terminated; empty until the step that gives them. */
struct order {
	char order_id[UUID_LEN + 1];
	int64_t user_id;
	int items_count;
	struct order_item items[ORDER_ITEMS_MAX];
	double total_amount; /* USD, whole cents */
	char currency[4];
	char reservation_id[RESERVATION_ID_LEN + 1];
	char status[16];
	char created_at[TIME_LEN + 1];
	char *shipping_address; /* JSON text, the order's own */
};

/* Why something failed, in words for the client. */
struct reason {
	char text[256];
};

/* Fills WHY and returns ERR, so that a failure is one line. */
int fail(struct reason *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The order in a request body, text[len] == 0. Free it with order_release. -EINVAL: WHY says what is wrong.
 */
int order_parse(const char *text, size_t len, struct order *ret, struct reason *why);

/* The order as clients see it, and its items alone; the caller's. */
cJSON *order_json(const struct order *order);
cJSON *order_items_json(const struct order *order);

/* Reads what order_items_json wrote. -EINVAL if it is something else. */
int order_items_from_json(struct order *order, const cJSON *items);

/* Frees what the order owns. */
void order_release(struct order *order);

/*
 * The steps of an order. Each returns 0; or -errno with WHY filled: -EINVAL, -ENOENT (a user or product that
 * does not exist), -ERANGE for what the client got wrong; -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET,
 * -EHOSTUNREACH, -EPROTO, -EREMOTEIO for what a service called upon got wrong; any other is this service's
 * own failure.
 */
int create_order(struct order *order, struct service *service, struct reason *why);
int validate_user(const struct order *order, struct service *service, struct reason *why);
int validate_products(struct order *order, struct service *service, struct reason *why);
int reserve_inventory(struct order *order, struct service *service, struct reason *why);
int calculate_total_amount(struct order *order, struct reason *why);
int create_order_record(struct order *order, struct service *service, struct reason *why);
int publish_order_created_event(const struct order *order, struct service *service);
