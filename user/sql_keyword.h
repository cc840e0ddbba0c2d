/* SPDX-License-Identifier: Apache-2.0 */
/* The words that sql_names.c and sql.c know. */
#pragma once

#include "base/slice.h"

/* What a word can mean where a keyword may stand. */
enum sql_role {
	ROLE_NONE,
	ROLE_SELECT,
	ROLE_INSERT, /* INSERT, MERGE: a table follows INTO */
	ROLE_REPLACE,
	ROLE_UPDATE,
	ROLE_DELETE,
	ROLE_WITH,
	ROLE_EXPLAIN, /* another statement follows */
	ROLE_WRAP,    /* another statement may follow AS or FOR */
	ROLE_DEFINE,  /* the kind of object follows */
	ROLE_DROP,    /* so it does, and then a list of them */
	ROLE_TABLES,  /* as a command: tables follow */
	ROLE_TARGET,  /* as a command: the name of what is no table follows */
	ROLE_AS,
	ROLE_FROM,
	ROLE_JOIN,
	ROLE_INTO,
	ROLE_USING,
	ROLE_DISTINCT,
	ROLE_VALUES,
	ROLE_TABLE,    /* the word TABLE: a command, a kind of object, or nothing */
	ROLE_RELATION, /* a kind of object: as good as a table */
	ROLE_INDEX,    /* a kind of object: its table follows ON */
	ROLE_OBJECT,   /* another kind of object */
	ROLE_ON,
	ROLE_CLAUSE,  /* ends a list of tables */
	ROLE_FILLER,  /* may stand before a name */
	ROLE_ANALYZE, /* a command, or a filler */
	ROLE_IN,
	ROLE_BOOLEAN,
};

/* What the word means, in any letter case. Hot path. */
enum sql_role sql_role(struct slice word);
