/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks of a database, in the terms of the OpenTelemetry semantic conventions for database
 * spans. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define STATEMENT_TEXT_MAX 600

struct statement {
	char operation[32];   /* db.operation.name, as it was written: "SELECT", "select", "GET" */
	char collection[64];  /* db.collection.name: the first table; empty: none */
	char destination[64]; /* messaging.destination.name, when the request is also a message; else empty */
	char summary[128];    /* db.query.summary, low cardinality: "SELECT orders users" */
	char text[STATEMENT_TEXT_MAX]; /* db.query.text, literals replaced by ?; may be cut */
	uint8_t operation_len, collection_len, destination_len, summary_len;
	uint16_t text_len;
};

/*
 * Describes the SQL statement that text is, or the statements, whatever the bytes. The operation is the first
 * one of the text, but what a WITH statement itself writes comes before what its queries read; the first
 * table belongs to it. Names are as they were written, without quotes that they do not need. raw: the text
 * keeps its literals. Every byte of *ret_statement that a length covers is set. Hot path.
 *
 * Of the standard, PostgreSQL and SQLite:
 */
void sql_describe(struct slice text, bool raw, struct statement *ret_statement);
/* Of MySQL and MariaDB, where "..." is a string and \ an escape, as is the default: */
void sql_describe_mysql(struct slice text, bool raw, struct statement *ret_statement);

/*
 * The length of the first of the statements in text, with its semicolon and what is blank (white space,
 * comments, empty statements) before and behind it. All of text when no other statement follows.
 */
size_t sql_statement_len(struct slice text);
size_t sql_statement_len_mysql(struct slice text);
