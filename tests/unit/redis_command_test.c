/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/redis_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *text;
	const char *operation;
	const char *shown;
	const char *raw;
	const char *destination;
} described[] = {
	{ "*1\r\n$4\r\nPING\r\n", "PING", "PING", "PING", "" },
	{ "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", "SET", "SET ? ?", "SET k v", "" },
	{ "get \"a b\"", "get", "get ?", "get \"a b\"", "" },
	{ "set a 'b \"c'", "set", "set ? ?", "set a \"b \\\"c\"", "" },
	{ "*2\r\n$3\r\nGET\r\n$4\r\n\x01\xff\r\n\r\n", "GET", "GET ?", "GET \"\\x01\\xff\\x0d\\x0a\"", "" },
	{ "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "GET", "GET ?", "GET \"\"", "" },
	/* Names of two words. */
	{ "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n", "CLIENT SETNAME", "CLIENT SETNAME ?",
	  "CLIENT SETNAME x", "" },
	{ "xinfo stream s", "xinfo stream", "xinfo stream ?", "xinfo stream s", "" },
	/* Secrets are never shown. */
	{ "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$6\r\nsecret\r\n", "AUTH", "AUTH ? ?", "AUTH ? ?", "" },
	{ "auth secret", "auth", "auth ?", "auth ?", "" },
	{ "HELLO 3 AUTH u secret", "HELLO", "HELLO ? ? ? ?", "HELLO ? ? ? ?", "" },
	{ "CONFIG SET requirepass secret", "CONFIG SET", "CONFIG SET ? ?", "CONFIG SET ? ?", "" },
	{ "ACL SETUSER u >secret", "ACL SETUSER", "ACL SETUSER ? ?", "ACL SETUSER ? ?", "" },
	/* Arguments that were not captured are counted; without their bytes, they stay hidden. */
	{ "*4\r\n$4\r\nMSET\r\n$1\r\nk\r\n$100\r\nab", "MSET", "MSET ? ? ?", "MSET k ? ?", "" },
	/* Streams. */
	{ "XADD orders * id 1", "XADD", "XADD ? ? ? ?", "XADD orders * id 1", "orders" },
	{ "xread count 1 streams a b 0 0", "xread", "xread ? ? ? ? ? ? ?", "xread count 1 streams a b 0 0",
	  "a" },
	{ "XREADGROUP GROUP g c STREAMS orders >", "XREADGROUP", "XREADGROUP ? ? ? ? ? ?",
	  "XREADGROUP GROUP g c STREAMS orders >", "orders" },
	{ "XREAD STREAMS", "XREAD", "XREAD ?", "XREAD STREAMS", "" },
	/* What is no word. */
	{ "*1\r\n$3\r\nA\x01 \r\n", "A??", "A??", "A??", "" },
	{ "*1\r\n$3\r\nA", "", "", "", "" },
	{ "*1\r\n", "", "", "", "" },
	{ "", "", "", "", "" },
};

static void assert_text(const char *expected, const char *p, size_t len)
{
	char text[STATEMENT_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%.*s", (int)len, p);
	assert_string_equal(text, expected);
}

static void test_describe(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(described) / sizeof(described[0]); i++) {
		struct statement s;

		redis_describe(slice_of(described[i].text), false, &s);
		assert_text(described[i].operation, s.operation, s.operation_len);
		assert_text(described[i].operation, s.summary, s.summary_len);
		assert_text(described[i].shown, s.text, s.text_len);
		assert_text(described[i].destination, s.destination, s.destination_len);
		assert_int_equal(s.collection_len, 0);
		redis_describe(slice_of(described[i].text), true, &s);
		assert_text(described[i].raw, s.text, s.text_len);
	}
}

/* Thousands of arguments fill the text and no more. */
static void test_describe_many(void **state)
{
	struct statement s;

	(void)state;
	redis_describe(SLICE("*1000000\r\n$4\r\nMGET\r\n"), false, &s);
	assert_true(s.text_len > STATEMENT_TEXT_MAX - 2 && s.text_len <= STATEMENT_TEXT_MAX);
	assert_memory_equal(s.text, "MGET ? ? ?", 10);
}

static void test_long_name(void **state)
{
	struct statement s;

	(void)state;
	redis_describe(SLICE("AVERYLONGNAMETHATNOBODYWOULDEVERTHINKOF a"), false, &s);
	assert_int_equal(s.operation_len, sizeof(s.operation));
	redis_describe(SLICE("CLIENT AVERYLONGNAMETHATNOBODYWOULDEVERTHINKOF a"), false, &s);
	assert_int_equal(s.operation_len, sizeof(s.operation));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_describe_many),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests_name("redis_command", tests, NULL, NULL);
}
