/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_names.h"
#include "statement.h"

/* Longest name in brackets (SQL Server and SQLite) that is looked for. */
#define BRACKETS_MAX 130

/* A list of values after IN. */
enum list {
	LIST_NONE,
	LIST_IN,    /* after IN */
	LIST_OPEN,  /* after its parenthesis */
	LIST_FIRST, /* after its first value */
	LIST_COMMA,
	LIST_NEXT, /* after another value */
};

struct reader {
	struct statement *statement;
	enum sql_dialect dialect;
	bool raw;

	/* The text: */
	bool blank;     /* there was some before this token */
	bool separator; /* there was a semicolon before this token */
	bool full;      /* nothing more is taken */
	enum list list;
	size_t list_mark; /* text_len after the list's first value */
	bool list_full;   /* full at that place */
	char last_symbol; /* the token before, if a symbol, else 0 */

	struct sql_names names;
};

static void put(struct reader *r, struct slice s)
{
	struct statement *st = r->statement;
	size_t room = sizeof(st->text) - st->text_len;

	if (r->full)
		return;
	r->full = s.len > room;
	if (r->full)
		s.len = room;
	slice_put(st->text + st->text_len, s);
	st->text_len = (uint16_t)(st->text_len + s.len);
}

/* Of the values in the parentheses after IN only the first stays. */
static void follow_list(struct reader *r, bool value, char symbol, enum sql_role role)
{
	bool ends = symbol == ',' || symbol == ')';

	if (r->list == LIST_NEXT && ends) {
		r->statement->text_len = (uint16_t)r->list_mark;
		r->full = r->list_full;
	}
	if (r->list == LIST_FIRST && symbol == ',') {
		r->list_mark = r->statement->text_len;
		r->list_full = r->full;
	}
	if (role == ROLE_IN)
		r->list = LIST_IN;
	else if (r->list == LIST_IN && symbol == '(')
		r->list = LIST_OPEN;
	else if (r->list == LIST_OPEN && value)
		r->list = LIST_FIRST;
	else if (r->list == LIST_COMMA && value)
		r->list = LIST_NEXT;
	else if ((r->list == LIST_FIRST || r->list == LIST_NEXT) && symbol == ',')
		r->list = LIST_COMMA;
	else
		r->list = LIST_NONE;
}

static void put_token(struct reader *r, struct sql_token token, enum sql_role role)
{
	bool literal = token.kind == SQL_STRING || token.kind == SQL_NUMBER || role == ROLE_BOOLEAN;
	char symbol = token.kind == SQL_SYMBOL ? token.text.p[0] : '\0';

	if (symbol == ';') {
		r->separator = r->statement->text_len > 0;
		r->last_symbol = symbol;
		return;
	}
	if (!r->raw)
		follow_list(r, literal || token.kind == SQL_PARAMETER, symbol, role);
	if (r->separator)
		put(r, SLICE("; "));
	else if (r->blank && r->statement->text_len > 0)
		put(r, SLICE(" "));
	put(r, literal && !r->raw ? SLICE("?") : token.text);
	r->blank = r->separator = false;
	r->last_symbol = symbol;
}

/* Is this the sign of the number that follows it? */
static bool is_sign(const struct reader *r, struct slice s)
{
	bool operand = !r->last_symbol || r->last_symbol == ')' || r->last_symbol == ']';

	return (s.p[0] == '-' || s.p[0] == '+') && s.len > 1 && s.p[1] >= '0' && s.p[1] <= '9' && !operand;
}

/* The next token, which is one more than a lexer can tell: a sign, or a name in brackets. */
static struct sql_token next_token(const struct reader *r, struct slice text)
{
	struct sql_token token = sql_token(text, r->dialect);

	if (token.kind != SQL_SYMBOL)
		return token;
	if (is_sign(r, text)) {
		token = sql_token(slice_from(text, 1), r->dialect);
		token.text = (struct slice){ text.p, token.text.len + 1 };
	} else if (text.p[0] == '[' && r->dialect == SQL_STANDARD && sql_names_expected(&r->names)) {
		const char *end = memchr(text.p, ']', text.len < BRACKETS_MAX ? text.len : BRACKETS_MAX);

		if (end)
			token = (struct sql_token){ SQL_QUOTED, { text.p, (size_t)(end + 1 - text.p) } };
	}
	return token;
}

static void describe(struct slice text, bool raw, enum sql_dialect dialect, struct statement *st)
{
	struct reader r = { .statement = st, .dialect = dialect, .raw = raw };

	st->text_len = 0;
	sql_names_start(&r.names, st);
	while (text.len > 0) {
		struct sql_token token = next_token(&r, text);
		bool keyword = token.kind == SQL_WORD && r.last_symbol != '.';
		enum sql_role role = keyword ? sql_role(token.text) : ROLE_NONE;

		if (token.kind == SQL_BLANK) {
			r.blank = true;
		} else {
			put_token(&r, token, role);
			sql_names_token(&r.names, token, role);
		}
		text = slice_from(text, token.text.len);
	}
	sql_names_end(&r.names);
}

void sql_describe(struct slice text, bool raw, struct statement *ret_statement)
{
	describe(text, raw, SQL_STANDARD, ret_statement);
}

void sql_describe_mysql(struct slice text, bool raw, struct statement *ret_statement)
{
	describe(text, raw, SQL_MYSQL, ret_statement);
}

/* Semicolons in parentheses (of rules) and in SQL functions' BEGIN ATOMIC ... END do not end a statement. */
static size_t statement_len(struct slice text, enum sql_dialect dialect)
{
	bool some = false, ended = false, begin = false;
	unsigned level = 0, blocks = 0;
	size_t at = 0;

	while (at < text.len) {
		struct sql_token token = sql_token(slice_from(text, at), dialect);
		char symbol = token.kind == SQL_SYMBOL ? token.text.p[0] : '\0';
		struct slice word = token.kind == SQL_WORD ? token.text : SLICE("");

		if (token.kind == SQL_BLANK || (symbol == ';' && level + blocks == 0)) {
			ended |= some && symbol == ';';
			at += token.text.len;
			continue;
		}
		if (ended)
			return at;
		some = true;
		level += symbol == '(';
		level -= symbol == ')' && level > 0;
		blocks += (begin && slice_ieq(word, SLICE("atomic"))) ||
			  (blocks > 0 && slice_ieq(word, SLICE("case")));
		blocks -= blocks > 0 && slice_ieq(word, SLICE("end"));
		begin = slice_ieq(word, SLICE("begin"));
		at += token.text.len;
	}
	return text.len;
}

size_t sql_statement_len(struct slice text)
{
	return statement_len(text, SQL_STANDARD);
}

size_t sql_statement_len_mysql(struct slice text)
{
	return statement_len(text, SQL_MYSQL);
}
