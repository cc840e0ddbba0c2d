/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "statement.h"

typedef void describe_fn(struct slice text, bool raw, struct statement *ret_statement);

/* text at the end of readable memory. */
static struct slice guarded(const char *text)
{
	static char *end;
	size_t len = strlen(text);

	if (!end)
		end = guarded_end(64 << 10);
	memcpy(end - len, text, len);
	return (struct slice){ end - len, len };
}

static struct statement run(describe_fn *fn, const char *text, bool raw)
{
	struct statement s;

	memset(&s, 0xa5, sizeof(s));
	fn(guarded(text), raw, &s);
	assert_int_equal(s.destination_len, 0);
	return s;
}

static void check_field(const char *text, const char *what, const char *got, size_t len, const char *expected)
{
	if (!slice_eq((struct slice){ got, len }, slice_of(expected)))
		fail_msg("%s: %s is \"%.*s\", not \"%s\"", text, what, (int)len, got, expected);
}

static void names(void **state)
{
	static const struct {
		const char *text, *operation, *collection, *summary;
	} cases[] = {
		/* the examples of the semantic conventions */
		{ "SELECT *\nFROM   wuser_table\nWHERE  username = ?", "SELECT", "wuser_table",
		  "SELECT wuser_table" },
		{ "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders "
		  "WHERE order_id = ?",
		  "INSERT", "shipping_details", "INSERT shipping_details SELECT orders" },
		{ "SELECT * FROM songs, artists WHERE songs.artist_id == artists.id", "SELECT", "songs",
		  "SELECT songs artists" },
		{ "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = "
		  "c.customer_id)",
		  "SELECT", "orders", "SELECT SELECT orders customers" },
		{ "SELECT * FROM \"song list\", 'artists'", "SELECT", "\"song list\"",
		  "SELECT \"song list\" 'artists'" },
		{ "{call some_stored_procedure}", "call", "", "call some_stored_procedure" },

		/* names */
		{ "select id from public.orders", "select", "public.orders", "select public.orders" },
		{ "SELECT * FROM \"Orders\"", "SELECT", "Orders", "SELECT Orders" },
		{ "SELECT * FROM \"a b\" . \"c\"", "SELECT", "\"a b\".c", "SELECT \"a b\".c" },
		{ "SELECT * FROM shop . public /* x */ . orders o", "SELECT", "shop.public.orders",
		  "SELECT shop.public.orders" },
		{ "SELECT * FROM [order items] i", "SELECT", "[order items]", "SELECT [order items]" },
		{ "SELECT * FROM [dbo].[orders]", "SELECT", "dbo.orders", "SELECT dbo.orders" },
		{ "SELECT * FROM role, type, user", "SELECT", "role", "SELECT role type user" },
		{ "SELECT * FROM public.select", "SELECT", "public.select", "SELECT public.select" },
		{ "SELECT * FROM \xc3\xa9t\xc3\xa9", "SELECT", "\xc3\xa9t\xc3\xa9",
		  "SELECT \xc3\xa9t\xc3\xa9" },

		/* joins and lists */
		{ "SELECT * FROM a x, b AS y LEFT OUTER JOIN c USING (id), d WHERE x.i, y", "SELECT", "a",
		  "SELECT a b c d" },
		{ "SELECT * FROM a JOIN b ON f(a.x, b.y) = 1, c ORDER BY d, e", "SELECT", "a",
		  "SELECT a b c" },
		{ "SELECT * FROM a NATURAL JOIN b CROSS JOIN (c JOIN d ON TRUE)", "SELECT", "a",
		  "SELECT a b c d" },
		{ "SELECT * FROM (a, b) x", "SELECT", "a", "SELECT a b" },
		{ "SELECT * FROM ONLY (a), LATERAL (SELECT 1 FROM b) l", "SELECT", "a", "SELECT a SELECT b" },
		{ "SELECT * FROM generate_series(1, 10) g, orders", "SELECT", "orders", "SELECT orders" },
		{ "SELECT * FROM (VALUES (1, 2), (3, 4)) v (a, b)", "SELECT", "", "SELECT" },
		{ "SELECT a FROM x UNION ALL SELECT b FROM y", "SELECT", "x", "SELECT x SELECT y" },
		{ "(SELECT a FROM x) EXCEPT (SELECT b FROM y)", "SELECT", "x", "SELECT x SELECT y" },
		{ "SELECT * FROM a WHERE id IN (SELECT id FROM b) AND EXISTS (SELECT 1 FROM c)", "SELECT",
		  "a", "SELECT a SELECT b SELECT c" },
		{ "SELECT (SELECT max(x) FROM b) FROM a", "SELECT", "b", "SELECT SELECT b a" },

		/* FROM and others that are no clauses */
		{ "SELECT extract(year FROM t), substring(s FROM 2), trim(BOTH 'x' FROM y) FROM a", "SELECT",
		  "a", "SELECT a" },
		{ "SELECT a IS NOT DISTINCT FROM b FROM c", "SELECT", "c", "SELECT c" },
		{ "SELECT a.from, \"from\" x FROM c FOR UPDATE", "SELECT", "c", "SELECT c" },
		{ "SELECT replace(a, 'b', 'c') FROM d", "SELECT", "d", "SELECT d" },
		{ "SELECT x FROM d GROUP BY a, b HAVING c LIMIT 1, 2", "SELECT", "d", "SELECT d" },

		/* writes */
		{ "INSERT INTO a VALUES (1), (2) ON CONFLICT (id) DO UPDATE SET x = 1, y = 2", "INSERT", "a",
		  "INSERT a" },
		{ "INSERT OR REPLACE INTO a (b) VALUES (1)", "INSERT", "a", "INSERT a" },
		{ "INSERT OR ROLLBACK INTO a(b) VALUES (1)", "INSERT", "a", "INSERT a" },
		{ "INSERT LOW_PRIORITY IGNORE a SET b = 1", "INSERT", "a", "INSERT a" },
		{ "REPLACE INTO a VALUES (1)", "REPLACE", "a", "REPLACE a" },
		{ "UPDATE ONLY a SET b = 1, c = 2 FROM d, e WHERE f IN (SELECT 1 FROM g)", "UPDATE", "a",
		  "UPDATE a d e SELECT g" },
		{ "UPDATE a, b SET a.x = b.x", "UPDATE", "a", "UPDATE a b" },
		{ "UPDATE a JOIN b ON a.i = b.i SET a.x = 1", "UPDATE", "a", "UPDATE a b" },
		{ "DELETE FROM a USING b, c WHERE a.i = b.i RETURNING d, e", "DELETE", "a", "DELETE a b c" },
		{ "DELETE o FROM a o JOIN b", "DELETE", "a", "DELETE a b" },
		{ "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED "
		  "THEN "
		  "INSERT (i) VALUES (1)",
		  "MERGE", "a", "MERGE a b" },
		{ "MERGE INTO a USING (SELECT 1 FROM b) s ON TRUE WHEN MATCHED THEN DELETE", "MERGE", "a",
		  "MERGE a SELECT b" },

		/* common table expressions */
		{ "WITH t AS (SELECT * FROM orders) SELECT * FROM t JOIN users u ON TRUE", "SELECT", "orders",
		  "SELECT orders SELECT users" },
		{ "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t), \"U\" AS MATERIALIZED "
		  "(SELECT 1 FROM a) SELECT * FROM t, u, b",
		  "SELECT", "a", "SELECT SELECT a SELECT b" },
		{ "WITH x AS (SELECT id FROM old) DELETE FROM orders USING x", "DELETE", "orders",
		  "SELECT old DELETE orders" },
		{ "WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d", "DELETE", "a", "DELETE a SELECT" },
		{ "WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d", "INSERT", "b",
		  "DELETE a INSERT b SELECT" },
		{ "INSERT INTO a (b) WITH t AS (SELECT 1 FROM c) SELECT * FROM t", "INSERT", "a",
		  "INSERT a SELECT c SELECT" },
		{ "SELECT * FROM (WITH t AS (SELECT 1 FROM a) SELECT * FROM t) s, b", "SELECT", "a",
		  "SELECT SELECT a SELECT b" },

		/* definitions */
		{ "CREATE TABLE IF NOT EXISTS a (b int REFERENCES c ON DELETE CASCADE)", "CREATE TABLE", "a",
		  "CREATE TABLE a" },
		{ "create  temp\ttable a AS SELECT * FROM b", "create table", "a",
		  "create table a SELECT b" },
		{ "CREATE OR REPLACE VIEW v AS WITH t AS (SELECT 1 FROM a) SELECT * FROM t", "CREATE VIEW",
		  "v", "CREATE VIEW v SELECT a SELECT" },
		{ "CREATE UNIQUE INDEX CONCURRENTLY i ON a (b, c)", "CREATE INDEX", "a", "CREATE INDEX i a" },
		{ "CREATE INDEX ON a USING btree (b)", "CREATE INDEX", "a", "CREATE INDEX a" },
		{ "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f()",
		  "CREATE TRIGGER", "a", "CREATE TRIGGER t a" },
		{ "CREATE FUNCTION f(a int) RETURNS int AS $$ SELECT 1 FROM x; $$ LANGUAGE sql",
		  "CREATE FUNCTION", "", "CREATE FUNCTION f" },
		{ "ALTER TABLE ONLY a ADD COLUMN b int, ADD c int", "ALTER TABLE", "a", "ALTER TABLE a" },
		{ "DROP TABLE IF EXISTS a, b.c CASCADE", "DROP TABLE", "a", "DROP TABLE a b.c" },
		{ "DROP DATABASE shop", "DROP DATABASE", "", "DROP DATABASE shop" },
		{ "TRUNCATE TABLE a, ONLY b RESTART IDENTITY", "TRUNCATE", "a", "TRUNCATE a b" },

		/* other commands */
		{ "BEGIN", "BEGIN", "", "BEGIN" },
		{ "SET x TO 'y'", "SET", "", "SET" },
		{ "VALUES (1), (2)", "VALUES", "", "VALUES" },
		{ "TABLE a ORDER BY b, c", "TABLE", "a", "TABLE a" },
		{ "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM a", "EXPLAIN", "a", "EXPLAIN SELECT a" },
		{ "EXPLAIN ANALYZE VERBOSE DELETE FROM a", "EXPLAIN", "a", "EXPLAIN DELETE a" },
		{ "EXPLAIN FORMAT=JSON UPDATE a SET b = 1", "EXPLAIN", "a", "EXPLAIN UPDATE a" },
		{ "PREPARE p (int) AS INSERT INTO a VALUES ($1)", "PREPARE", "a", "PREPARE INSERT a" },
		{ "EXECUTE p(1)", "EXECUTE", "", "EXECUTE" },
		{ "DECLARE c CURSOR FOR SELECT * FROM a", "DECLARE", "a", "DECLARE SELECT a" },
		{ "FETCH 10 FROM c", "FETCH", "", "FETCH" },
		{ "COPY a (b, c) FROM STDIN", "COPY", "a", "COPY a" },
		{ "COPY (SELECT * FROM a) TO STDOUT", "COPY", "a", "COPY SELECT a" },
		{ "LOCK TABLE a, b IN SHARE MODE", "LOCK", "a", "LOCK a b" },
		{ "VACUUM ANALYZE a", "VACUUM", "a", "VACUUM a" },
		{ "CALL p(1, 2)", "CALL", "", "CALL p" },
		{ "GRANT SELECT, INSERT ON a TO b", "GRANT", "", "GRANT" },
		{ "DO $$ BEGIN DELETE FROM a; END $$", "DO", "", "DO" },

		/* what is between words */
		{ "/* SELECT x FROM y */ -- z\nUPDATE/**/a SET b = 1", "UPDATE", "a", "UPDATE a" },
		{ "/* a /* b */ SELECT 1 FROM c */ DELETE FROM d", "DELETE", "d", "DELETE d" },
		{ "SELECT 'FROM x', E'\\' FROM y', $q$ FROM $$ z $q$ FROM a", "SELECT", "a", "SELECT a" },
		{ "SELECT a; UPDATE b SET c = 1; DROP TABLE d", "SELECT", "b",
		  "SELECT UPDATE b DROP TABLE d" },
		{ "", "", "", "" },
		{ " /* nothing */ ; ", "", "", "" },
		{ "SELECT * FROM", "SELECT", "", "SELECT" },
		{ "SELECT * FROM a.", "SELECT", "a.", "SELECT a." },
		{ ")))) SELECT 1 FROM a", "SELECT", "a", "SELECT a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct statement s = run(sql_describe, cases[i].text, false);

		check_field(cases[i].text, "the operation", s.operation, s.operation_len, cases[i].operation);
		check_field(cases[i].text, "the table", s.collection, s.collection_len, cases[i].collection);
		check_field(cases[i].text, "the summary", s.summary, s.summary_len, cases[i].summary);
	}
}

static void texts(void **state)
{
	static const struct {
		const char *text, *clean, *raw;
	} cases[] = {
		{ "SELECT  *\n\tFROM a -- all\nWHERE b='x''y' AND c = 1.5e-3;",
		  "SELECT * FROM a WHERE b=? AND c = ?", "SELECT * FROM a WHERE b='x''y' AND c = 1.5e-3" },
		{ "SELECT 0x1F, 1_000, 10., 7e+2, 1-2, -3, (-4), a-5", "SELECT ?, ?, ?, ?, ?-?, ?, (?), a-?",
		  "SELECT 0x1F, 1_000, 10., 7e+2, 1-2, -3, (-4), a-5" },
		{ "SELECT E'a\\'b', e'\\\\', B'01', X'1F', N'n', U&'\\0041', $$a'b$$, $t$ $$ $t$",
		  "SELECT ?, ?, ?, ?, ?, ?, ?, ?",
		  "SELECT E'a\\'b', e'\\\\', B'01', X'1F', N'n', U&'\\0041', $$a'b$$, $t$ $$ $t$" },
		{ "SELECT 'a\\', 'b'", "SELECT ?, ?", "SELECT 'a\\', 'b'" },
		{ "SELECT a FROM b WHERE c = $1 AND d = ? AND e = ?2 AND f = :name::int AND g = '1'::int",
		  "SELECT a FROM b WHERE c = $1 AND d = ? AND e = ?2 AND f = :name::int AND g = ?::int",
		  "SELECT a FROM b WHERE c = $1 AND d = ? AND e = ?2 AND f = :name::int AND g = '1'::int" },
		{ "SELECT true, FALSE, NULL, t.true, DATE '2020-01-01'", "SELECT ?, ?, NULL, t.true, DATE ?",
		  "SELECT true, FALSE, NULL, t.true, DATE '2020-01-01'" },
		{ "SELECT \"a 1\", \"b\"\"c 2\" FROM t1", "SELECT \"a 1\", \"b\"\"c 2\" FROM t1",
		  "SELECT \"a 1\", \"b\"\"c 2\" FROM t1" },
		{ "WHERE a IN (1, 2,3 , -4) AND b in ('x') AND c NOT IN ($1, $2, $3)",
		  "WHERE a IN (?) AND b in (?) AND c NOT IN ($1)",
		  "WHERE a IN (1, 2,3 , -4) AND b in ('x') AND c NOT IN ($1, $2, $3)" },
		{ "WHERE a IN (1, 2 + 3, 4) AND b IN (c, 5, 6) AND d IN (7",
		  "WHERE a IN (?, ? + ?, ?) AND b IN (c, ?, ?) AND d IN (?",
		  "WHERE a IN (1, 2 + 3, 4) AND b IN (c, 5, 6) AND d IN (7" },
		{ "SELECT 1; ; SELECT 2 ;", "SELECT ?; SELECT ?", "SELECT 1; SELECT 2" },
		{ "a @> b ? c # d #>> '{x}' ->> 'y'", "a @> b ? c # d #>> ? ->> ?",
		  "a @> b ? c # d #>> '{x}' ->> 'y'" },
		{ "SELECT 'secret", "SELECT ?", "SELECT 'secret" },
		{ "SELECT $x$secret$y$", "SELECT ?", "SELECT $x$secret$y$" },
		{ "SELECT 1 /* secret", "SELECT ?", "SELECT 1" },
		{ "SELECT a$1$b, $x, $", "SELECT a$1$b, $x, $", "SELECT a$1$b, $x, $" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int raw = 0; raw < 2; raw++) {
			struct statement s = run(sql_describe, cases[i].text, raw);

			check_field(cases[i].text, raw ? "the raw text" : "the text", s.text, s.text_len,
				    raw ? cases[i].raw : cases[i].clean);
		}
}

static void mysql(void **state)
{
	static const struct {
		const char *text, *clean, *summary;
	} cases[] = {
		{ "SELECT \"a\\\"b\", 'c\\'d', _utf8mb4'e' FROM `f g` # h",
		  "SELECT ?, ?, _utf8mb4? FROM `f g`", "SELECT `f g`" },
		{ "SELECT 5--1 FROM `a`.`b` -- c", "SELECT ?-? FROM `a`.`b`", "SELECT a.b" },
		{ "/*!40101 SET NAMES 'utf8' */", "SET NAMES ?", "SET" },
		{ "SELECT /*+ NO_INDEX(t) */ a FROM t /* b /* c */ WHERE d", "SELECT a FROM t WHERE d",
		  "SELECT t" },
		{ "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b)",
		  "INSERT INTO a VALUES (?) ON DUPLICATE KEY UPDATE b = VALUES(b)", "INSERT a" },
		{ "SELECT a INTO OUTFILE '/x' FROM b", "SELECT a INTO OUTFILE ? FROM b", "SELECT b" },
		{ "SELECT a STRAIGHT_JOIN b", "SELECT a STRAIGHT_JOIN b", "SELECT b" },
		{ "LOAD DATA INFILE 'x' INTO TABLE a", "LOAD DATA INFILE ? INTO TABLE a", "LOAD a" },
		{ "SHOW TABLES FROM a", "SHOW TABLES FROM a", "SHOW" },
		{ "USE shop", "USE shop", "USE shop" },
		{ "DESC a", "DESC a", "DESC a" },
		{ "SELECT a FROM ['b'] c", "SELECT a FROM [?] c", "SELECT" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct statement s = run(sql_describe_mysql, cases[i].text, false);

		check_field(cases[i].text, "the text", s.text, s.text_len, cases[i].clean);
		check_field(cases[i].text, "the summary", s.summary, s.summary_len, cases[i].summary);
	}
}

static void lengths(void **state)
{
	static const struct {
		const char *text;
		size_t lens[4]; /* of its statements */
	} cases[] = {
		{ "", { 0 } },
		{ "SELECT 1", { 8 } },
		{ "SELECT 1;", { 9 } },
		{ " ;; SELECT 1 ; /* x; */ ; -- y;\n", { 32 } },
		{ "SELECT 1; SELECT ';'; \nSELECT 3", { 10, 13, 8 } },
		{ "DO $$ a; b $$; \"c;\"; E'\\';'", { 15, 6, 6 } },
		{ "CREATE RULE r AS DO ALSO (a; b); c", { 33, 1 } },
		{ "CREATE FUNCTION f() BEGIN ATOMIC a; SELECT CASE WHEN b THEN c END; END; d", { 72, 1 } },
		{ "BEGIN; a; END; b", { 7, 3, 5, 1 } },
		{ "a); b", { 4, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice rest = guarded(cases[i].text);

		for (size_t k = 0; k < 4 && (k == 0 || cases[i].lens[k]); k++) {
			size_t len = sql_statement_len(rest);

			if (len != cases[i].lens[k])
				fail_msg("%s: statement %zu has %zu bytes", cases[i].text, k + 1, len);
			rest = slice_from(rest, len);
		}
		assert_int_equal(rest.len, 0);
	}
	assert_int_equal(sql_statement_len_mysql(SLICE("a \"\\\";\"; b")), 9);
}

/* What does not fit is left out: names whole, the text at its end. */
static void limits(void **state)
{
	static char text[8192];
	struct statement s;
	char *at = text;

	(void)state;
	at += sprintf(at, "SELECT * FROM ");
	for (int i = 0; i < 100; i++)
		at += sprintf(at, "%stable%03d", i ? ", " : "", i);
	s = run(sql_describe, text, false);
	assert_int_equal(s.text_len, STATEMENT_TEXT_MAX);
	assert_memory_equal(s.text, text, STATEMENT_TEXT_MAX);
	assert_int_equal(s.summary_len, 6 + 13 * 9);

	at = text;
	at += sprintf(at, "SELECT a IN (");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "%s%d", i ? ", " : "", i);
	sprintf(at, ") FROM b");
	s = run(sql_describe, text, false);
	check_field("a long list", "the text", s.text, s.text_len, "SELECT a IN (?) FROM b");

	memset(text, '(', 500);
	strcpy(text + 500, "SELECT 1 FROM a, b");
	s = run(sql_describe, text, false);
	check_field("deep", "the operation", s.operation, s.operation_len, "SELECT");
	assert_int_equal(s.collection_len, 0);

	at = text + sprintf(text, "SELECT 1 FROM ");
	memset(at, 'x', 200);
	at[200] = '\0';
	s = run(sql_describe, text, false);
	check_field("a long name", "the table", s.collection, s.collection_len, "");
}

/* Any bytes, cut anywhere: nothing behind the slice is read, and nothing is set beyond a length. */
static void any_bytes(void **state)
{
	static const char *const pieces[] = { "SELECT", "FROM", "WITH",  "a",    "\"b", "'",
					      "$x$",    "$",    "(",     ")",    ",",   ".",
					      ";",      "/*",   "*/",    "--",   "\n",  "E'",
					      "\\",     "::",   "IN (",  "1e",   "-",   "[",
					      "]",      "AS",   "UNION", "\xff", "`",   "INSERT INTO" };
	uint64_t seed = 20;
	char text[512];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		size_t len = 0;

		for (int k = (int)draw_below(&seed, 30); k >= 0; k--) {
			const char *piece = pieces[draw_below(&seed, COUNT(pieces))];

			len += (size_t)sprintf(text + len, "%s%s", piece, draw_below(&seed, 2) ? " " : "");
		}
		text[draw_below(&seed, (uint32_t)len + 1)] = '\0';
		for (int raw = 0; raw < 2; raw++) {
			struct statement s = run(raw ? sql_describe : sql_describe_mysql, text, raw);

			assert_true(s.operation_len <= sizeof(s.operation) && s.text_len <= sizeof(s.text));
			assert_true(s.collection_len <= sizeof(s.collection) &&
				    s.summary_len <= sizeof(s.summary));
			assert_true(s.text_len <= 2 * strlen(text));
		}
		assert_true(sql_statement_len(guarded(text)) <= strlen(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),   cmocka_unit_test(texts),  cmocka_unit_test(mysql),
		cmocka_unit_test(lengths), cmocka_unit_test(limits), cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests_name("sql", tests, NULL, NULL);
}
