/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/protocols/postgres cannot show: the last bytes of an event whose start is not known. */
#include "check.h"

#include "parser.h"

extern const struct parser postgres_parser;

#define READY "Z\0\0\0\5I"

static bool ends(struct slice tail, struct message *ret_message)
{
	char *p = guarded_end(64) - tail.len;
	uint64_t state[PARSER_STATE_MAX / sizeof(uint64_t)] = { 0 };

	*ret_message = (struct message){ 0 };
	memcpy(p, tail.p, tail.len);
	return postgres_parser.ends(state, FLOW_RESPONSE, (struct slice){ p, tail.len }, ret_message);
}

static void check_end(struct slice tail, unsigned flags, uint64_t rows, const char *code)
{
	struct message m;

	assert_true(ends(tail, &m));
	assert_int_equal(m.flags, flags);
	assert_int_equal(m.rows, rows);
	check_slice(m.code, code);
}

static void last_bytes(void **state)
{
	struct message m;

	(void)state;
	check_end(SLICE("xxC\0\0\0\x0fSELECT 900\0" READY), MESSAGE_ROWS | MESSAGE_BARRIER, 900, "");
	check_end(SLICE("xxC\0\0\0\x0fSELECT 900\0"), MESSAGE_ROWS, 900, "");
	check_end(SLICE("C\0\0\0\x0a"
			"BEGIN\0" READY),
		  MESSAGE_BARRIER, 0, "");
	check_end(SLICE("xxE\0\0\0\x13SERROR\0C22012\0\0" READY), MESSAGE_ERROR | MESSAGE_BARRIER, 0,
		  "22012");
	check_end(SLICE("wrong\0Fparse.c\0L12\0Rfail\0\0" READY), MESSAGE_ERROR | MESSAGE_BARRIER, 0, "");
	check_end(SLICE("xxs\0\0\0\4"), 0, 0, "");
	check_end(SLICE("xxs\0\0\0\4" READY), MESSAGE_BARRIER, 0, "");
	assert_false(ends(SLICE("D\0\0\0\x0b\0\1\0\0\0\1x"), &m));
	assert_false(ends(SLICE("Z\0\0\0\5"), &m));
	assert_false(ends(SLICE(""), &m));
	assert_false(postgres_parser.ends(NULL, FLOW_REQUEST, SLICE(READY), &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_bytes),
	};

	return cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
}
