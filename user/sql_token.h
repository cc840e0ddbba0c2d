/* SPDX-License-Identifier: Apache-2.0 */
/* SQL, token by token: any bytes are taken, every byte belongs to one token. Hot path. */
#pragma once

#include "base/slice.h"

enum sql_dialect {
	/* The standard and PostgreSQL: "names", E'\'' escapes, $tag$ strings, nested comments. */
	SQL_STANDARD,
	/* MySQL and MariaDB in their default mode: "strings", backslash escapes, # comments. */
	SQL_MYSQL,
};

enum sql_kind {
	SQL_BLANK,     /* white space and comments */
	SQL_WORD,      /* a keyword or a bare name */
	SQL_QUOTED,    /* a name in quotes, which are part of the token */
	SQL_STRING,    /* with its quotes and its prefix */
	SQL_NUMBER,    /* without its sign */
	SQL_PARAMETER, /* ?, ?1, $1, :name */
	SQL_SYMBOL,    /* one byte; or :: */
};

struct sql_token {
	enum sql_kind kind;
	struct slice text;
};

/* The first token of s, which is not empty. One that does not end takes all of s. */
struct sql_token sql_token(struct slice s, enum sql_dialect dialect);
