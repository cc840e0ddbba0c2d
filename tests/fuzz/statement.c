/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what reads statements and commands: the first line of the input is the name of a protocol, what
 * follows is the text of a request. What its literals are must not show, nor change what shows.
 */
#include "fuzz.h"

#include "detect.h"
#include "sql_token.h"
#include "statement.h"

static const struct parser *parser_named(struct slice name)
{
	for (size_t i = 0; i < parsers_len; i++)
		if (parsers[i]->describe && slice_eq(slice_of(parsers[i]->name), name))
			return parsers[i];
	return NULL;
}

/* Other digits, and between quotes other letters: a text of the same tokens. */
static void change_literals(char *p, size_t len, enum sql_dialect dialect)
{
	while (len) {
		struct sql_token token = sql_token((struct slice){ p, len }, dialect);
		bool quotes = token.kind == SQL_STRING && p[0] != '$', quoted = false;

		HOLD(token.text.p == p && token.text.len > 0 && token.text.len <= len);
		for (size_t i = 0; i < token.text.len; i++) {
			quoted |= quotes && (p[i] == '\'' || p[i] == '"');
			if (p[i] >= '1' && p[i] <= '8' && (quoted || token.kind == SQL_NUMBER))
				p[i]++;
			else if (quoted && p[i] >= 'A' && p[i] < 'Z')
				p[i]++;
		}
		p += token.text.len;
		len -= token.text.len;
	}
}

static void describe(const struct parser *parser, struct slice text, bool raw, struct statement *ret)
{
	memset(ret, 0xa5, sizeof(*ret));
	parser->describe(text, raw, ret);
	HOLD(ret->operation_len <= sizeof(ret->operation) && ret->collection_len <= sizeof(ret->collection));
	HOLD(ret->destination_len <= sizeof(ret->destination) && ret->summary_len <= sizeof(ret->summary));
	HOLD(ret->text_len <= sizeof(ret->text));
}

static void check_sql(const struct parser *parser, char *text, size_t len, const struct statement *before)
{
	bool mysql = parser->describe == sql_describe_mysql;
	struct slice s = { text, len };
	size_t first = mysql ? sql_statement_len_mysql(s) : sql_statement_len(s);
	struct statement after;

	HOLD(first <= len && !first == !len);
	if (!mysql && memchr(text, '[', len))
		return; /* may be a name in brackets, which no lexer knows */
	change_literals(text, len, mysql ? SQL_MYSQL : SQL_STANDARD);
	describe(parser, s, false, &after);
	HOLD(before->text_len == after.text_len && memcmp(before->text, after.text, after.text_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	const struct parser *parser = parser_named(fuzz_line(&text));
	struct statement statement, raw;
	char *copy;

	if (!parser)
		return 0;
	copy = fuzz_copy(text);
	text.p = copy;
	describe(parser, text, true, &raw);
	describe(parser, text, false, &statement);
	HOLD(raw.operation_len == statement.operation_len && raw.summary_len == statement.summary_len);
	if (parser->describe == sql_describe || parser->describe == sql_describe_mysql)
		check_sql(parser, copy, text.len, &statement);
	free(copy);
	return 0;
}
