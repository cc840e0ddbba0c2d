/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works with prepared statements through libmariadb:
 *
 *	mysql_prepared PORT FOLDER
 *
 * Connects and prepares a statement, creates FOLDER/ready, waits for FOLDER/go, and goes on. Schema shop,
 *user app, password app.
 */
#include <mysql.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define TIMES       10

static void check(bool ok, const char *what, const char *error)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, error);
	exit(1);
}

static MYSQL_STMT *prepare(MYSQL *my, const char *text)
{
	MYSQL_STMT *statement = mysql_stmt_init(my);

	check(statement && mysql_stmt_prepare(statement, text, strlen(text)) == 0, text, mysql_error(my));
	return statement;
}

/* Executes it with one number, and reads all rows. */
static void execute(MYSQL_STMT *statement, int number)
{
	MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_LONG, .buffer = &number };

	check(mysql_stmt_bind_param(statement, &bind) == 0 && mysql_stmt_execute(statement) == 0, "execute",
	      mysql_stmt_error(statement));
	if (mysql_stmt_field_count(statement) > 0) {
		check(mysql_stmt_store_result(statement) == 0, "rows", mysql_stmt_error(statement));
		mysql_stmt_free_result(statement);
	}
}

/* Executes it with a text that is sent in two pieces before. */
static void execute_long(MYSQL_STMT *statement)
{
	MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_STRING };

	check(mysql_stmt_bind_param(statement, &bind) == 0 &&
		      mysql_stmt_send_long_data(statement, 0, "piece one, ", 11) == 0 &&
		      mysql_stmt_send_long_data(statement, 0, "piece two", 9) == 0 &&
		      mysql_stmt_execute(statement) == 0,
	      "long data", mysql_stmt_error(statement));
}

/* Has a statement prepared and executed at once, before its number is known. */
static void execute_direct(MYSQL *my)
{
	static const char *const texts[] = { "SELECT COUNT(*) FROM notes", "SELECT COUNT(*) FROM customers" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		MYSQL_STMT *statement = mysql_stmt_init(my);

		check(statement && mariadb_stmt_execute_direct(statement, texts[i], strlen(texts[i])) == 0 &&
			      mysql_stmt_store_result(statement) == 0,
		      texts[i], mysql_error(my));
		mysql_stmt_close(statement);
	}
}

/* Reads its rows two by two through a cursor. */
static void fetch(MYSQL *my)
{
	MYSQL_STMT *statement = prepare(my, "SELECT id FROM numbers ORDER BY id LIMIT 5");
	unsigned long cursor = CURSOR_TYPE_READ_ONLY, rows = 2;
	int id, rows_seen = 0;
	MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_LONG, .buffer = &id };

	mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &cursor);
	mysql_stmt_attr_set(statement, STMT_ATTR_PREFETCH_ROWS, &rows);
	check(mysql_stmt_execute(statement) == 0 && mysql_stmt_bind_result(statement, &bind) == 0, "cursor",
	      mysql_stmt_error(statement));
	while (mysql_stmt_fetch(statement) == 0)
		rows_seen++;
	check(rows_seen == 5, "cursor", "other rows");
	mysql_stmt_close(statement);
}

static void pause_at(const char *folder)
{
	char ready[256], go[256];
	FILE *file;

	snprintf(ready, sizeof(ready), "%s/ready", folder);
	snprintf(go, sizeof(go), "%s/go", folder);
	file = fopen(ready, "w");
	check(file, ready, "cannot be created");
	fclose(file);
	for (int i = 0; i < PATIENCE_MS && access(go, F_OK) < 0; i++)
		usleep(1000);
	check(access(go, F_OK) == 0, go, "did not appear");
}

int main(int argc, char **argv)
{
	MYSQL *my = mysql_init(NULL);
	MYSQL_STMT *early, *late, *insert;

	if (argc != 3)
		return 2;
	check(mysql_real_connect(my, "127.0.0.1", "app", "app", "shop", (unsigned)atoi(argv[1]), NULL,
				 CLIENT_MULTI_STATEMENTS),
	      "connect", mysql_error(my));
	early = prepare(my, "SELECT id FROM numbers WHERE id < ?");
	pause_at(argv[2]);
	late = prepare(my, "SELECT name FROM customers WHERE id = ?");
	insert = prepare(my, "INSERT INTO notes (text) VALUES (?)");
	for (int i = 0; i < TIMES; i++) {
		execute(early, i);
		execute(late, i);
	}
	execute_long(insert);
	fetch(my);
	execute_direct(my);
	mysql_stmt_reset(late);
	mysql_stmt_close(late);
	mysql_stmt_close(insert);
	mysql_stmt_close(early);
	mysql_close(my);
	return 0;
}
