/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct store_kind *const kinds[] = { &store_sqlite, &store_postgres };

int store_open(const char *url, struct store **ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i]->scheme);

		if (!strncmp(url, kinds[i]->scheme, len) && !strncmp(url + len, "://", 3))
			return kinds[i]->open(url + len + 3, ret);
	}
	fprintf(stderr, "%s: unknown kind of database: %s\n", SERVICE_NAME, url);
	return -EINVAL;
}

int store_insert(struct store *store, const struct order *order)
{
	return store->kind->insert(store, order);
}

int store_find(struct store *store, const char *order_id, struct order *ret)
{
	return store->kind->find(store, order_id, ret);
}

void store_close(struct store *store)
{
	if (store)
		store->kind->close(store);
}
