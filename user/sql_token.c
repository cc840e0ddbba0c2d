/* SPDX-License-Identifier: Apache-2.0 */
/* Lexical structure: PostgreSQL manual, chapter 4.1; MySQL manual, chapters 11.1, 11.2 and 11.7. */
#include "sql_token.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool starts_word(char c)
{
	char lower = ascii_lower(c);

	return (lower >= 'a' && lower <= 'z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
	return starts_word(c) || is_digit(c) || c == '$';
}

/* Controls count as blank: no dialect gives them a meaning outside quotes. */
static bool is_blank(char c)
{
	return (unsigned char)c <= ' ';
}

/* The byte at `at`; NUL behind the end. */
static char peek(struct slice s, size_t at)
{
	return at < s.len ? s.p[at] : '\0';
}

static size_t skip_word(struct slice s, size_t at)
{
	while (at < s.len && is_word(s.p[at]))
		at++;
	return at;
}

static size_t skip_digits(struct slice s, size_t at)
{
	while (at < s.len && is_digit(s.p[at]))
		at++;
	return at;
}

/* From the opening quote at `at`: the offset behind the closing one. A doubled quote stands for itself. */
static size_t skip_quoted(struct slice s, size_t at, bool escapes)
{
	char quote = s.p[at++];

	while (at < s.len) {
		char c = s.p[at++];

		if ((c == '\\' && escapes) || (c == quote && peek(s, at) == quote))
			at++;
		else if (c == quote)
			return at;
	}
	return s.len;
}

static size_t skip_line(struct slice s)
{
	const char *lf = memchr(s.p, '\n', s.len);

	return lf ? (size_t)(lf - s.p) + 1 : s.len;
}

static size_t skip_block_comment(struct slice s, bool nested)
{
	unsigned depth = 0;

	for (size_t at = 0; at + 1 < s.len; at++) {
		if (s.p[at] == '/' && s.p[at + 1] == '*' && (nested || depth == 0)) {
			depth++;
			at++;
		} else if (s.p[at] == '*' && s.p[at + 1] == '/') {
			at++;
			if (--depth == 0)
				return at + 1;
		}
	}
	return s.len;
}

/* White space or one comment; 0: neither. What MySQL's executable comments hold is no comment. */
static size_t skip_blank(struct slice s, enum sql_dialect dialect)
{
	size_t at = 0;

	while (at < s.len && is_blank(s.p[at]))
		at++;
	if (at > 0)
		return at;
	if (slice_starts(s, SLICE("--")) && (dialect != SQL_MYSQL || is_blank(peek(s, 2))))
		return skip_line(s);
	if (dialect == SQL_MYSQL && s.p[0] == '#')
		return skip_line(s);
	if (dialect == SQL_MYSQL && (slice_starts(s, SLICE("/*!")) || slice_starts(s, SLICE("/*M!"))))
		return skip_digits(s, s.p[2] == '!' ? 3 : 4);
	if (dialect == SQL_MYSQL && slice_starts(s, SLICE("*/")))
		return 2;
	if (slice_starts(s, SLICE("/*")))
		return skip_block_comment(s, dialect == SQL_STANDARD);
	return 0;
}

/* $tag$ ... $tag$; 0: no such string starts here. */
static size_t skip_dollar_quoted(struct slice s)
{
	size_t at = 1;
	const char *end;

	if (starts_word(peek(s, at)))
		while (at < s.len && is_word(s.p[at]) && s.p[at] != '$')
			at++;
	if (peek(s, at++) != '$')
		return 0;
	end = memmem(s.p + at, s.len - at, s.p, at);
	return end ? (size_t)(end - s.p) + at : s.len;
}

/* A string in any of its forms; 0: none starts here. */
static size_t skip_string(struct slice s, enum sql_dialect dialect)
{
	bool mysql = dialect == SQL_MYSQL;
	char first = ascii_lower(s.p[0]);

	if (first == '\'' || (mysql && first == '"'))
		return skip_quoted(s, 0, mysql);
	if (first == '$' && !mysql)
		return skip_dollar_quoted(s);
	if (peek(s, 1) == '\'' && (first == 'e' || first == 'b' || first == 'x' || first == 'n'))
		return skip_quoted(s, 1, mysql || first == 'e');
	if (first == 'u' && peek(s, 1) == '&' && peek(s, 2) == '\'')
		return skip_quoted(s, 2, mysql);
	return 0;
}

/* Letters belong to it too: hexadecimal, exponents, and what is no number any more. */
static size_t skip_number(struct slice s)
{
	bool hex = ascii_lower(peek(s, 1)) == 'x';
	size_t at = 0;

	while (at < s.len) {
		bool sign = (s.p[at] == '+' || s.p[at] == '-') && ascii_lower(s.p[at - 1]) == 'e' && !hex;

		if (!is_word(s.p[at]) && s.p[at] != '.' && !(sign && is_digit(peek(s, at + 1))))
			break;
		at++;
	}
	return at;
}

static size_t skip_parameter(struct slice s)
{
	char next = peek(s, 1);

	if (s.p[0] == '?')
		return skip_digits(s, 1);
	if (s.p[0] == '$' && is_digit(next))
		return skip_digits(s, 1);
	if (s.p[0] == ':' && starts_word(next))
		return skip_word(s, 1);
	return 0;
}

static size_t skip_name(struct slice s, enum sql_dialect dialect)
{
	return s.p[0] == '`' || (s.p[0] == '"' && dialect != SQL_MYSQL) ? skip_quoted(s, 0, false) : 0;
}

struct sql_token sql_token(struct slice s, enum sql_dialect dialect)
{
	enum sql_kind kind;
	size_t len;

	if ((len = skip_blank(s, dialect)))
		kind = SQL_BLANK;
	else if ((len = skip_string(s, dialect)))
		kind = SQL_STRING;
	else if ((len = skip_name(s, dialect)))
		kind = SQL_QUOTED;
	else if (starts_word(s.p[0]) && (len = skip_word(s, 0)))
		kind = SQL_WORD;
	else if (is_digit(s.p[0]) && (len = skip_number(s)))
		kind = SQL_NUMBER;
	else if ((len = skip_parameter(s)))
		kind = SQL_PARAMETER;
	else
		kind = SQL_SYMBOL, len = slice_starts(s, SLICE("::")) ? 2 : 1;
	return (struct sql_token){ kind, { s.p, len < s.len ? len : s.len } };
}
