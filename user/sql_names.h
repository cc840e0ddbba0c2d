/* SPDX-License-Identifier: Apache-2.0 */
/* The operations and tables of SQL statements: a recognizer, token by token. Hot path. */
#pragma once

#include <stdint.h>

#include "sql_keyword.h"
#include "sql_token.h"
#include "statement.h"

/* Common table expressions of one statement that are told from tables. */
#define SQL_CTES_MAX 16

/* What the next name is. */
enum sql_expect {
	EXPECT_NOTHING,
	EXPECT_TABLE,  /* of a list after FROM: a parenthesis before it is passed, and one after it makes a
			  function */
	EXPECT_TARGET, /* a table that is written to or defined */
	EXPECT_OTHER,  /* what is no table */
	EXPECT_CTE,
};

/* What is looked for. */
enum sql_mode {
	MODE_START,
	MODE_QUERY,  /* operations and tables */
	MODE_DEFINE, /* the kind of object */
	MODE_INDEX,  /* ON and the table */
	MODE_REST,   /* a query may still come */
	MODE_OVER,
};

struct sql_name {
	char text[128];
	size_t len;
	enum sql_expect expect; /* what it is; EXPECT_NOTHING: none is being read */
	bool dot;               /* its next part follows */
};

struct sql_names {
	struct statement *statement;
	enum sql_mode mode;
	enum sql_expect expect;
	struct sql_name name;
	bool start;    /* a statement may start with this token */
	bool drops;    /* MODE_DEFINE */
	bool prefixed; /* by WITH or EXPLAIN */
	bool named;    /* by this one of several statements: the operation */
	bool summary_full;
	enum sql_role before; /* the word before */
	unsigned level;       /* of parentheses */
	uint64_t query;       /* by level: FROM has tables */
	uint64_t tables;      /* by level: a comma is followed by another table */
	uint64_t ctes_open;   /* by level: a comma is followed by another common table expression */
	struct slice ctes[SQL_CTES_MAX];
	size_t ctes_len;
	unsigned operation_level;
};

/* Before the first token; the statement's names are empty then. */
void sql_names_start(struct sql_names *names, struct statement *statement);

/* The next token, which is not blank. role: of a word where a keyword may stand. */
void sql_names_token(struct sql_names *names, struct sql_token token, enum sql_role role);

/* No token follows. */
void sql_names_end(struct sql_names *names);

/* Would a name be taken now? */
bool sql_names_expected(const struct sql_names *names);
