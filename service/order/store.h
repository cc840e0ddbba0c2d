/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "order.h"

struct store;

/* Where orders are kept. Safe for all threads. A kind of store is one file and one row in store.c. */
struct store_kind {
	const char *scheme;                                /* of its URLs: "sqlite" */
	int (*open)(const char *path, struct store **ret); /* what follows "scheme://" */
	int (*insert)(struct store *store, const struct order *order);
	int (*find)(struct store *store, const char *order_id, struct order *ret);
	void (*close)(struct store *store);
};

/* The first member of each kind's own struct. */
struct store {
	const struct store_kind *kind;
};

extern const struct store_kind store_sqlite, store_postgres;

/* Opens the store of a URL, and makes its table if there is none. -EINVAL (no such kind), -EIO: after a line
 * on stderr. */
int store_open(const char *url, struct store **ret);

/* Adds an order. -EIO after a line on stderr; -ENOMEM. */
int store_insert(struct store *store, const struct order *order);

/* Reads an order back; free it with order_release. -ENOENT: none has that id; -EIO after a line on stderr;
 * -ENOMEM. */
int store_find(struct store *store, const char *order_id, struct order *ret);

/* Closes it when no thread uses it any more; NULL is fine. */
void store_close(struct store *store);
