/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_names.h"

/* Levels of parentheses whose state is kept; what is deeper names no tables. */
#define LEVELS_MAX 64

static uint64_t level_bit(const struct sql_names *n)
{
	return n->level < LEVELS_MAX ? 1ULL << n->level : 0;
}

static void summarize(struct sql_names *n, struct slice s)
{
	struct statement *st = n->statement;
	size_t space = st->summary_len > 0;
	char *end = st->summary + st->summary_len;

	if (n->summary_full)
		return;
	n->summary_full = st->summary_len + space + s.len > sizeof(st->summary);
	if (n->summary_full)
		return;
	if (space)
		*end++ = ' ';
	st->summary_len = (uint8_t)(slice_put(end, s) - st->summary);
}

static uint8_t copy(char *to, size_t size, size_t len, struct slice s)
{
	if (s.len > size - len)
		s.len = size - len;
	return (uint8_t)(slice_put(to + len, s) - to);
}

/*
 * The first operation of the text is the statement's; but what a WITH statement writes outweighs what the
 * queries before it read.
 */
static void operation(struct sql_names *n, struct slice word, bool writes)
{
	struct statement *st = n->statement;
	bool outweighs = writes && n->prefixed && n->level < n->operation_level;

	summarize(n, word);
	if (st->operation_len > 0 && !outweighs)
		return;
	st->operation_len = copy(st->operation, sizeof(st->operation), 0, word);
	st->collection_len = 0;
	n->operation_level = n->level;
}

static bool is_cte(const struct sql_names *n, struct slice name)
{
	for (size_t i = 0; i < n->ctes_len; i++)
		if (slice_ieq(n->ctes[i], name))
			return true;
	return false;
}

static void name_append(struct sql_name *name, struct slice s)
{
	name->len = (size_t)(slice_put(name->text + name->len,
				       s.len <= sizeof(name->text) - name->len ? s : SLICE("")) -
			     name->text);
}

/* A name without its quotes where it can do without them: "orders" and orders are one table to a reader. */
static struct slice unquoted(struct slice s)
{
	struct slice bare = { s.p + 1, s.len - 2 };
	struct sql_token token;

	if (s.len < 3)
		return s;
	token = sql_token(bare, SQL_STANDARD);
	return token.kind == SQL_WORD && token.text.len == bare.len ? bare : s;
}

static void name_part(struct sql_names *n, struct sql_token token)
{
	if (n->name.expect == EXPECT_CTE && n->ctes_len < SQL_CTES_MAX)
		n->ctes[n->ctes_len++] = token.kind == SQL_QUOTED ? unquoted(token.text) : token.text;
	name_append(&n->name, token.kind == SQL_QUOTED ? unquoted(token.text) : token.text);
	n->name.dot = false;
}

/* The name that was being read has ended before this symbol (0: another token). */
static void name_end(struct sql_names *n, char symbol)
{
	struct statement *st = n->statement;
	struct slice name = { n->name.text, n->name.len };
	enum sql_expect expect = n->name.expect;

	n->name.expect = EXPECT_NOTHING;
	if (expect == EXPECT_CTE || expect == EXPECT_NOTHING || (expect == EXPECT_TABLE && symbol == '('))
		return;
	if (expect != EXPECT_OTHER && is_cte(n, name))
		return;
	summarize(n, name);
	if (expect != EXPECT_OTHER && st->collection_len == 0)
		st->collection_len = copy(st->collection, sizeof(st->collection), 0, name);
}

/* Commands and kinds of objects are no reserved words. */
static bool may_name(enum sql_role role)
{
	return role == ROLE_NONE || role == ROLE_OBJECT || role == ROLE_TARGET || role == ROLE_TABLES ||
	       role == ROLE_WRAP;
}

/* Takes the token as (a part of) a name; false: it is none. */
static bool read_name(struct sql_names *n, struct sql_token token, enum sql_role role)
{
	bool part = token.kind == SQL_WORD || token.kind == SQL_QUOTED;

	if (n->name.expect != EXPECT_NOTHING) {
		if (part && n->name.dot) {
			name_part(n, token);
			return true;
		}
		if (token.text.p[0] == '.' && token.kind == SQL_SYMBOL) {
			name_append(&n->name, token.text);
			n->name.dot = true;
			return true;
		}
		name_end(n, token.kind == SQL_SYMBOL ? token.text.p[0] : '\0');
		return false;
	}
	if (n->expect == EXPECT_NOTHING)
		return false;
	/* SQLite takes a string for a name where only a name may stand. */
	part |= token.kind == SQL_STRING && n->expect == EXPECT_TABLE;
	if (!part || !may_name(role))
		return false;
	n->name = (struct sql_name){ .expect = n->expect };
	n->expect = EXPECT_NOTHING;
	name_part(n, token);
	return true;
}

static void expect_tables(struct sql_names *n, enum sql_expect expect)
{
	n->expect = expect;
	n->tables |= level_bit(n);
}

static void query(struct sql_names *n, struct slice word, bool writes)
{
	n->mode = MODE_QUERY;
	n->query |= level_bit(n);
	n->tables &= ~level_bit(n);
	n->ctes_open &= ~level_bit(n);
	n->expect = EXPECT_NOTHING;
	operation(n, word, writes);
}

/* The first word of a statement. */
static void command(struct sql_names *n, struct slice word, enum sql_role role)
{
	n->mode = MODE_OVER;
	n->named = n->statement->operation_len == 0;
	operation(n, word, false);
	switch (role) {
	case ROLE_EXPLAIN:
		n->mode = MODE_START;
		n->prefixed = true;
		break;
	case ROLE_WRAP:
		n->mode = MODE_REST;
		break;
	case ROLE_DEFINE:
	case ROLE_DROP:
		n->drops = role == ROLE_DROP;
		n->mode = MODE_DEFINE;
		break;
	case ROLE_TABLE:
		n->expect = EXPECT_TARGET;
		break;
	case ROLE_TABLES:
	case ROLE_ANALYZE:
		n->mode = MODE_REST;
		expect_tables(n, EXPECT_TARGET);
		break;
	case ROLE_TARGET:
		n->expect = EXPECT_OTHER;
		break;
	default:
		break;
	}
}

/* A statement, or one in another's parentheses or after WITH or EXPLAIN, starts with this word. */
static bool start(struct sql_names *n, struct slice word, enum sql_role role)
{
	bool first = n->mode == MODE_START;

	switch (role) {
	case ROLE_INSERT:
	case ROLE_UPDATE:
	case ROLE_DELETE:
		break;
	case ROLE_REPLACE:
		if (n->level > 0)
			return false;
		break;
	case ROLE_WITH:
		n->mode = MODE_QUERY;
		n->prefixed = true;
		n->ctes_open |= level_bit(n);
		n->expect = EXPECT_CTE;
		return true;
	default:
		/* Between EXPLAIN and its statement are options. */
		if (first && n->level == 0 && !n->prefixed)
			command(n, word, role);
		return first;
	}
	query(n, word, true);
	if (role == ROLE_DELETE)
		return true;
	expect_tables(n, EXPECT_TARGET);
	if (role != ROLE_UPDATE) {
		n->query &= ~level_bit(n);
		n->tables &= ~level_bit(n);
	}
	return true;
}

/* CREATE, ALTER, DROP: the word that says what. */
static void define(struct sql_names *n, struct slice word, enum sql_role role)
{
	struct statement *st = n->statement;

	if (role != ROLE_TABLE && role != ROLE_RELATION && role != ROLE_INDEX && role != ROLE_OBJECT)
		return;
	if (n->named) {
		st->operation_len = copy(st->operation, sizeof(st->operation), st->operation_len, SLICE(" "));
		st->operation_len = copy(st->operation, sizeof(st->operation), st->operation_len, word);
	}
	summarize(n, word);
	n->mode = role == ROLE_INDEX ? MODE_INDEX : MODE_REST;
	n->expect = role == ROLE_OBJECT || role == ROLE_INDEX ? EXPECT_OTHER : EXPECT_TARGET;
	if (n->drops)
		n->tables |= level_bit(n);
}

static void clause(struct sql_names *n)
{
	n->expect = EXPECT_NOTHING;
	n->tables &= ~level_bit(n);
}

/* A keyword inside a query. */
static void inside(struct sql_names *n, enum sql_role role)
{
	uint64_t bit = level_bit(n);

	switch (role) {
	case ROLE_FROM:
		if (n->query & bit && n->before != ROLE_DISTINCT)
			expect_tables(n, EXPECT_TABLE);
		break;
	case ROLE_USING:
		/* The columns of a join stand in parentheses; DELETE and MERGE name tables. */
		n->expect = EXPECT_TARGET;
		break;
	case ROLE_JOIN:
		n->expect = EXPECT_TABLE;
		break;
	case ROLE_INTO:
		n->expect = EXPECT_TARGET;
		break;
	case ROLE_WITH:
		if (!(n->query & bit)) {
			n->ctes_open |= bit;
			n->expect = EXPECT_CTE;
		}
		break;
	case ROLE_CLAUSE:
	case ROLE_VALUES:
		clause(n);
		break;
	default:
		break;
	}
}

static void on_word(struct sql_names *n, struct slice word, enum sql_role role)
{
	bool starts = n->start;

	n->start = false;
	if (n->mode == MODE_OVER)
		return;
	if (n->mode == MODE_DEFINE) {
		define(n, word, role);
		return;
	}
	if (role == ROLE_SELECT) {
		query(n, word, false);
		return;
	}
	if ((starts || n->mode == MODE_START) && start(n, word, role))
		return;
	if (n->mode == MODE_QUERY)
		inside(n, role);
	else if (n->mode == MODE_INDEX && role == ROLE_ON)
		n->expect = EXPECT_TARGET, n->mode = MODE_REST;
	else if (n->mode == MODE_REST && (role == ROLE_AS || role == ROLE_CLAUSE))
		n->start = true;
	else if (n->mode == MODE_REST && role == ROLE_INTO)
		n->expect = EXPECT_TARGET;
}

static void on_symbol(struct sql_names *n, char symbol)
{
	bool in_list = n->expect == EXPECT_TABLE;

	n->start = false;
	switch (symbol) {
	case '(':
		n->level++;
		n->query &= ~level_bit(n);
		n->ctes_open &= ~level_bit(n);
		n->tables &= ~level_bit(n);
		if (in_list)
			n->tables |= level_bit(n);
		n->start = true;
		break;
	case ')':
		if (n->level > 0)
			n->level--;
		n->start = n->prefixed && n->level == 0 && !(n->query & 1);
		break;
	case ',':
		if (n->tables & level_bit(n))
			n->expect = n->mode == MODE_QUERY ? EXPECT_TABLE : EXPECT_TARGET;
		else if (n->ctes_open & level_bit(n))
			n->expect = EXPECT_CTE;
		return;
	case '{':
		n->start = true;
		break;
	default:
		break;
	}
	if (!in_list || symbol != '(')
		n->expect = EXPECT_NOTHING;
}

static void next_statement(struct sql_names *n)
{
	n->mode = MODE_START;
	n->expect = EXPECT_NOTHING;
	n->level = 0;
	n->query = n->tables = n->ctes_open = 0;
	n->ctes_len = 0;
	n->prefixed = false;
	n->start = true;
}

void sql_names_token(struct sql_names *n, struct sql_token token, enum sql_role role)
{
	if (read_name(n, token, role)) {
		n->start = false;
	} else if (token.kind == SQL_SYMBOL && token.text.p[0] == ';') {
		next_statement(n);
	} else if (token.kind == SQL_SYMBOL) {
		on_symbol(n, token.text.p[0]);
	} else if (token.kind == SQL_WORD) {
		on_word(n, token.text, role);
	} else {
		n->start = false;
		n->expect = EXPECT_NOTHING;
	}
	n->before = role;
}

void sql_names_start(struct sql_names *n, struct statement *st)
{
	*n = (struct sql_names){ .statement = st };
	st->operation_len = st->collection_len = st->destination_len = st->summary_len = 0;
	next_statement(n);
}

void sql_names_end(struct sql_names *n)
{
	name_end(n, '\0');
}

bool sql_names_expected(const struct sql_names *n)
{
	return n->expect != EXPECT_NOTHING || (n->name.expect != EXPECT_NOTHING && n->name.dot);
}
