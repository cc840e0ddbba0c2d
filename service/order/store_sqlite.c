/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "service.h"
#include "store.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite has one writer at a time whatever the number of connections: one, behind a lock, is the fastest. */
struct sqlite {
	struct store store;
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *insert, *find;
};

enum { BUSY_MS = 5000 };

static const char schema[] = "PRAGMA journal_mode = WAL;"
			     "PRAGMA synchronous = NORMAL;"
			     "CREATE TABLE IF NOT EXISTS orders ("
			     " order_id TEXT PRIMARY KEY,"
			     " user_id INTEGER NOT NULL,"
			     " items TEXT NOT NULL,"
			     " total_amount REAL NOT NULL,"
			     " currency TEXT NOT NULL,"
			     " shipping_address TEXT NOT NULL,"
			     " reservation_id TEXT NOT NULL,"
			     " status TEXT NOT NULL,"
			     " created_at TEXT NOT NULL) WITHOUT ROWID";

static const char insert_sql[] = "INSERT INTO orders (order_id, user_id, items, total_amount, currency,"
				 " shipping_address, reservation_id, status, created_at)"
				 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

static const char find_sql[] = "SELECT order_id, user_id, items, total_amount, currency, shipping_address,"
			       " reservation_id, status, created_at FROM orders WHERE order_id = ?1";

static int complain(struct sqlite *sqlite, const char *what)
{
	fprintf(stderr, "%s: database: %s: %s\n", SERVICE_NAME, what, sqlite3_errmsg(sqlite->db));
	return -EIO;
}

/* Ready for the next use, holding no pointer to what was bound. */
static void rewind_statement(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int insert_locked(struct sqlite *sqlite, const struct order *order, const char *items)
{
	sqlite3_stmt *row = sqlite->insert;
	int err = 0;

	bind_text(row, 1, order->order_id);
	sqlite3_bind_int64(row, 2, order->user_id);
	bind_text(row, 3, items);
	sqlite3_bind_double(row, 4, order->total_amount);
	bind_text(row, 5, order->currency);
	bind_text(row, 6, order->shipping_address);
	bind_text(row, 7, order->reservation_id);
	bind_text(row, 8, order->status);
	bind_text(row, 9, order->created_at);
	if (sqlite3_step(row) != SQLITE_DONE)
		err = complain(sqlite, "insert");
	rewind_statement(row);
	return err;
}

static int insert(struct store *store, const struct order *order)
{
	struct sqlite *sqlite = (struct sqlite *)store;
	JSON_CLEANUP cJSON *json = order_items_json(order);
	char *items = cJSON_PrintUnformatted(json);
	int err;

	if (!items)
		return -ENOMEM;
	pthread_mutex_lock(&sqlite->lock);
	err = insert_locked(sqlite, order, items);
	pthread_mutex_unlock(&sqlite->lock);
	free(items);
	return err;
}

#define COPY_TEXT(field, row, column)                                                                        \
	snprintf((field), sizeof(field), "%s", (const char *)sqlite3_column_text((row), (column)))

static int read_row(sqlite3_stmt *row, struct order *ret)
{
	JSON_CLEANUP cJSON *items = cJSON_Parse((const char *)sqlite3_column_text(row, 2));
	struct order order = { 0 };
	int err = order_items_from_json(&order, items);

	if (err)
		return err;
	COPY_TEXT(order.order_id, row, 0);
	order.user_id = sqlite3_column_int64(row, 1);
	order.total_amount = sqlite3_column_double(row, 3);
	COPY_TEXT(order.currency, row, 4);
	COPY_TEXT(order.reservation_id, row, 6);
	COPY_TEXT(order.status, row, 7);
	COPY_TEXT(order.created_at, row, 8);
	order.shipping_address = strdup((const char *)sqlite3_column_text(row, 5));
	if (!order.shipping_address)
		return -ENOMEM;
	*ret = order;
	return 0;
}

static int find_locked(struct sqlite *sqlite, const char *order_id, struct order *ret)
{
	sqlite3_stmt *row = sqlite->find;
	int err, step;

	bind_text(row, 1, order_id);
	step = sqlite3_step(row);
	if (step == SQLITE_ROW)
		err = read_row(row, ret);
	else
		err = step == SQLITE_DONE ? -ENOENT : complain(sqlite, "select");
	rewind_statement(row);
	return err;
}

static int find(struct store *store, const char *order_id, struct order *ret)
{
	struct sqlite *sqlite = (struct sqlite *)store;
	int err;

	pthread_mutex_lock(&sqlite->lock);
	err = find_locked(sqlite, order_id, ret);
	pthread_mutex_unlock(&sqlite->lock);
	return err;
}

static void close_sqlite(struct store *store)
{
	struct sqlite *sqlite = (struct sqlite *)store;

	sqlite3_finalize(sqlite->insert);
	sqlite3_finalize(sqlite->find);
	sqlite3_close(sqlite->db);
	pthread_mutex_destroy(&sqlite->lock);
	free(sqlite);
}

static int open_sqlite(const char *path, struct store **ret)
{
	struct sqlite *sqlite = calloc(1, sizeof(*sqlite));

	if (!sqlite)
		return -ENOMEM;
	sqlite->store.kind = &store_sqlite;
	pthread_mutex_init(&sqlite->lock, NULL);
	if (sqlite3_open_v2(path, &sqlite->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) ||
	    sqlite3_busy_timeout(sqlite->db, BUSY_MS) || sqlite3_exec(sqlite->db, schema, NULL, NULL, NULL) ||
	    sqlite3_prepare_v3(sqlite->db, insert_sql, -1, SQLITE_PREPARE_PERSISTENT, &sqlite->insert,
			       NULL) ||
	    sqlite3_prepare_v3(sqlite->db, find_sql, -1, SQLITE_PREPARE_PERSISTENT, &sqlite->find, NULL)) {
		complain(sqlite, path);
		close_sqlite(&sqlite->store);
		return -EIO;
	}
	*ret = &sqlite->store;
	return 0;
}

const struct store_kind store_sqlite = {
	.scheme = "sqlite",
	.open = open_sqlite,
	.insert = insert,
	.find = find,
	.close = close_sqlite,
};
