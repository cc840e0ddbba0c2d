/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite: each step of a statement that a request runs is a client span. */
#include "trace.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* The word behind another one, in buf. */
static const char *word_after(const char *sql, const char *word, char *buf, size_t size)
{
	const char *p = strstr(sql, word);

	if (!p)
		return NULL;
	p += strlen(word);
	snprintf(buf, size, "%.*s", (int)strcspn(p, " (;"), p);
	return buf;
}

static void add_statement(struct trace_span *span, const char *sql)
{
	char verb[16], buf[64];
	const char *table = word_after(sql, " INTO ", buf, sizeof(buf));

	if (!table)
		table = word_after(sql, " FROM ", buf, sizeof(buf));
	snprintf(verb, sizeof(verb), "%.*s", (int)strcspn(sql, " "), sql);
	snprintf(span->name, sizeof(span->name), "%s%s%s", verb, table ? " " : "", table ? table : "");
	trace_text(span, "db.system.name", "sqlite");
	trace_text(span, "db.operation.name", verb);
	trace_text(span, "db.collection.name", table);
	trace_text(span, "db.query.text", sql);
}

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
	const char *sql = sqlite3_sql(statement);
	struct trace_span span;
	int code;

	if (!trace_on() || !trace_current() || !sql)
		return __real_sqlite3_step(statement);
	trace_begin(&span, TRACE_CLIENT, "");
	code = __real_sqlite3_step(statement);
	trace_stop(&span);
	add_statement(&span, sql);
	span.failed = code != SQLITE_ROW && code != SQLITE_DONE;
	if (span.failed)
		trace_text(&span, "error.type", sqlite3_errstr(code));
	trace_end(&span);
	return code;
}
