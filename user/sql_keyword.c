/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_keyword.h"

/* Keywords of one length, and their end. */
#define WORDS_MAX 20

struct keyword {
	struct slice word;
	enum sql_role role;
};

#define WORD(text, role)                                                                                     \
	{                                                                                                    \
		SLICE(text), ROLE_##role                                                                     \
	}

/* By length; ended by an empty one. */
static const struct keyword keywords[][WORDS_MAX] = {
	[2] = { WORD("as", AS), WORD("in", IN), WORD("if", FILLER), WORD("on", ON), WORD("or", FILLER) },
	[3] = { WORD("for", CLAUSE), WORD("not", FILLER), WORD("set", CLAUSE), WORD("use", TARGET) },
	[4] = { WORD("call", TARGET), WORD("copy", TABLES), WORD("desc", TABLES), WORD("drop", DROP),
		WORD("exec", TARGET), WORD("fail", FILLER), WORD("from", FROM), WORD("full", FILLER),
		WORD("into", INTO), WORD("join", JOIN), WORD("load", WRAP), WORD("lock", TABLES),
		WORD("only", FILLER), WORD("role", OBJECT), WORD("true", BOOLEAN), WORD("type", OBJECT),
		WORD("user", OBJECT), WORD("view", RELATION), WORD("with", WITH) },
	[5] = { WORD("abort", FILLER), WORD("alter", DEFINE), WORD("fetch", CLAUSE), WORD("false", BOOLEAN),
		WORD("group", CLAUSE), WORD("index", INDEX), WORD("limit", CLAUSE), WORD("merge", INSERT),
		WORD("order", CLAUSE), WORD("quick", FILLER), WORD("table", TABLE), WORD("union", CLAUSE),
		WORD("using", USING), WORD("where", CLAUSE) },
	[6] = { WORD("create", DEFINE), WORD("delete", DELETE), WORD("domain", OBJECT),
		WORD("except", CLAUSE), WORD("exists", FILLER), WORD("freeze", FILLER),
		WORD("having", CLAUSE), WORD("ignore", FILLER), WORD("insert", INSERT),
		WORD("offset", CLAUSE), WORD("schema", OBJECT), WORD("select", SELECT),
		WORD("tables", FILLER), WORD("update", UPDATE), WORD("vacuum", TABLES),
		WORD("values", VALUES) },
	[7] = { WORD("analyze", ANALYZE), WORD("cluster", TABLES), WORD("declare", WRAP),
		WORD("delayed", FILLER), WORD("explain", EXPLAIN), WORD("lateral", FILLER),
		WORD("outfile", CLAUSE), WORD("prepare", WRAP), WORD("refresh", TABLES),
		WORD("replace", REPLACE), WORD("trigger", INDEX), WORD("verbose", FILLER) },
	[8] = { WORD("database", OBJECT), WORD("describe", TABLES), WORD("distinct", DISTINCT),
		WORD("dumpfile", CLAUSE), WORD("function", OBJECT), WORD("optimize", TABLES),
		WORD("rollback", FILLER), WORD("sequence", OBJECT), WORD("truncate", TABLES) },
	[9] = { WORD("extension", OBJECT), WORD("intersect", CLAUSE), WORD("procedure", OBJECT),
		WORD("recursive", FILLER), WORD("returning", CLAUSE), WORD("temporary", FILLER) },
	[12] = { WORD("concurrently", FILLER), WORD("low_priority", FILLER), WORD("materialized", FILLER) },
	[13] = { WORD("high_priority", FILLER), WORD("straight_join", JOIN) },
};

enum sql_role sql_role(struct slice word)
{
	if (word.len >= sizeof(keywords) / sizeof(keywords[0]))
		return ROLE_NONE;
	for (const struct keyword *k = keywords[word.len]; k < keywords[word.len] + WORDS_MAX && k->word.p;
	     k++)
		if (slice_ieq(word, k->word))
			return k->role;
	return ROLE_NONE;
}
