/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "lend.h"
#include "service.h"
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <postgresql/libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { URL_MAX = 512, COLUMNS = 9 };

struct postgres {
	struct store store;
	char url[URL_MAX];
	struct lend connections; /* PGconn */
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS orders ("
			     " order_id UUID PRIMARY KEY,"
			     " user_id BIGINT NOT NULL,"
			     " items TEXT NOT NULL,"
			     " total_amount DOUBLE PRECISION NOT NULL,"
			     " currency TEXT NOT NULL,"
			     " shipping_address TEXT NOT NULL,"
			     " reservation_id TEXT NOT NULL,"
			     " status TEXT NOT NULL,"
			     " created_at TEXT NOT NULL)";

static const char insert_sql[] = "INSERT INTO orders (order_id, user_id, items, total_amount, currency,"
				 " shipping_address, reservation_id, status, created_at)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

static const char find_sql[] = "SELECT order_id, user_id, items, total_amount, currency, shipping_address,"
			       " reservation_id, status, created_at FROM orders WHERE order_id = $1";

static int complain(PGconn *connection, const char *what)
{
	fprintf(stderr, "%s: database: %s: %s", SERVICE_NAME, what, PQerrorMessage(connection));
	return -EIO;
}

static bool succeeds(PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK;
}

/* NULL after a line on stderr. */
static PGconn *connect_to(const char *url)
{
	PGconn *connection = PQconnectdb(url);

	if (PQstatus(connection) == CONNECTION_OK &&
	    succeeds(PQexec(connection, "SET client_min_messages = warning")) &&
	    succeeds(PQexec(connection, schema)))
		return connection;
	complain(connection, "connect");
	PQfinish(connection);
	return NULL;
}

/* Executes a statement on a connection of its own; NULL after a line on stderr. The caller's. */
static PGresult *execute(struct postgres *postgres, const char *sql, int count, const char *const *values)
{
	PGconn *connection = lend_take(&postgres->connections);
	PGresult *result = NULL;

	if (!connection)
		connection = connect_to(postgres->url);
	if (connection)
		result = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);
	if (result && PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK) {
		complain(connection, "execute");
		PQclear(result);
		result = NULL;
	}
	if (connection && PQstatus(connection) != CONNECTION_OK) {
		PQfinish(connection);
		connection = NULL;
	}
	lend_give(&postgres->connections, connection);
	return result;
}

static int insert(struct store *store, const struct order *order)
{
	JSON_CLEANUP cJSON *json = order_items_json(order);
	char *items = cJSON_PrintUnformatted(json);
	char user_id[24], total_amount[32];
	const char *values[COLUMNS] = {
		order->order_id,       user_id,         items,
		total_amount,          order->currency, order->shipping_address,
		order->reservation_id, order->status,   order->created_at,
	};
	PGresult *result;

	if (!items)
		return -ENOMEM;
	snprintf(user_id, sizeof(user_id), "%" PRId64, order->user_id);
	snprintf(total_amount, sizeof(total_amount), "%.2f", order->total_amount);
	result = execute((struct postgres *)store, insert_sql, COLUMNS, values);
	free(items);
	PQclear(result);
	return result ? 0 : -EIO;
}

#define COPY_TEXT(field, row, column) snprintf((field), sizeof(field), "%s", PQgetvalue((row), 0, (column)))

static int read_row(const PGresult *row, struct order *ret)
{
	JSON_CLEANUP cJSON *items = cJSON_Parse(PQgetvalue(row, 0, 2));
	struct order order = { 0 };
	int err = order_items_from_json(&order, items);

	if (err)
		return err;
	COPY_TEXT(order.order_id, row, 0);
	order.user_id = strtoll(PQgetvalue(row, 0, 1), NULL, 10);
	order.total_amount = strtod(PQgetvalue(row, 0, 3), NULL);
	COPY_TEXT(order.currency, row, 4);
	COPY_TEXT(order.reservation_id, row, 6);
	COPY_TEXT(order.status, row, 7);
	COPY_TEXT(order.created_at, row, 8);
	order.shipping_address = strdup(PQgetvalue(row, 0, 5));
	if (!order.shipping_address)
		return -ENOMEM;
	*ret = order;
	return 0;
}

static int find(struct store *store, const char *order_id, struct order *ret)
{
	PGresult *row = execute((struct postgres *)store, find_sql, 1, &order_id);
	int err = !row ? -EIO : PQntuples(row) == 0 ? -ENOENT : read_row(row, ret);

	PQclear(row);
	return err;
}

static void close_connection(void *connection)
{
	PQfinish(connection);
}

static void close_postgres(struct store *store)
{
	struct postgres *postgres = (struct postgres *)store;

	lend_fini(&postgres->connections, close_connection);
	free(postgres);
}

static int open_postgres(const char *path, struct store **ret)
{
	struct postgres *postgres = calloc(1, sizeof(*postgres));
	PGconn *connection;

	if (!postgres)
		return -ENOMEM;
	postgres->store.kind = &store_postgres;
	lend_init(&postgres->connections);
	snprintf(postgres->url, sizeof(postgres->url), "postgres://%s", path);
	lend_take(&postgres->connections);
	connection = connect_to(postgres->url);
	lend_give(&postgres->connections, connection);
	if (!connection) {
		close_postgres(&postgres->store);
		return -EIO;
	}
	*ret = &postgres->store;
	return 0;
}

const struct store_kind store_postgres = {
	.scheme = "postgres",
	.open = open_postgres,
	.insert = insert,
	.find = find,
	.close = close_postgres,
};
