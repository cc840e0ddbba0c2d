/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <math.h>

#include "base/fixed.h"

static void check_parse(const char *text, const char *expected)
{
	char buf[FIXED_TEXT_MAX];
	fixed n;

	if (fixed_parse(slice_of(text), &n))
		fail_msg("refused: %s", text);
	check_slice((struct slice){ buf, (size_t)(fixed_put(buf, n) - buf) }, expected);
}

static void parse(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "0", "0" },
		{ "-0", "0" },
		{ "-0.0", "0" },
		{ "7", "7" },
		{ "-42", "-42" },
		{ "29.99", "29.99" },
		{ "0.000000001", "0.000000001" },
		{ "0.0000000005", "0.000000001" },
		{ "-0.0000000005", "-0.000000001" },
		{ "0.00000000049999999999999999", "0" },
		{ "1.9999999999", "2" },
		{ "1e3", "1000" },
		{ "1E+03", "1000" },
		{ "12.5e-1", "1.25" },
		{ "125e-2", "1.25" },
		{ "0.00125e3", "1.25" },
		{ "5e-10", "0.000000001" },
		{ "4e-10", "0" },
		{ "5e-11", "0" },
		{ "1e-99999999999999999999", "0" },
		{ "0e99999999999999999999", "0" },
		{ "0.00000000000000000000000000001e30", "10" },
		{ "9223372036854775807.999999999", "9223372036854775807.999999999" },
		{ "-9223372036854775807", "-9223372036854775807" },
		{ "9007199254740993", "9007199254740993" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_parse(cases[i].text, cases[i].expected);
}

static void parse_refuses(void **state)
{
	static const char *const none[] = { "",    "-",   "+1",   ".5",    "5.",  "01",  "1e",
					    "1e+", "e5",  "0x10", " 1",    "1 ",  "1,0", "1.2.3",
					    "NaN", "inf", "--1",  "1e1.5", "1e5x" };
	static const char *const large[] = { "9223372036854775808",
					     "-9223372036854775808",
					     "1e19",
					     "1e400",
					     "9223372036854775807.9999999995",
					     "1e999999999999999999999" };
	fixed n = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++)
		if (fixed_parse(slice_of(none[i]), &n) != -EINVAL)
			fail_msg("taken: %s", none[i]);
	for (size_t i = 0; i < COUNT(large); i++)
		if (fixed_parse(slice_of(large[i]), &n) != -ERANGE)
			fail_msg("taken: %s", large[i]);
	assert_true(n == 77);
}

/* Every cent of a double is a cent again. */
static void doubles(void **state)
{
	uint64_t seed = 5;
	fixed n;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		int64_t cents = (int64_t)(draw(&seed) % 1000000000000ULL) - 500000000000LL, got;

		assert_int_equal(fixed_from_double((double)cents / 100, &n), 0);
		assert_int_equal(fixed_round(n, 2, &got), 0);
		assert_true(got == cents);
	}
	assert_int_equal(fixed_from_double(NAN, &n), -ERANGE);
	assert_int_equal(fixed_from_double(INFINITY, &n), -ERANGE);
	assert_int_equal(fixed_from_double(-INFINITY, &n), -ERANGE);
	assert_int_equal(fixed_from_double(0x1p63, &n), -ERANGE);
	assert_int_equal(fixed_from_double(-1.5, &n), 0);
	assert_true(n == -3 * FIXED_ONE / 2);
}

static void round_to(void **state)
{
	int64_t units;

	(void)state;
	assert_int_equal(fixed_round(1234567890, 9, &units), 0);
	assert_int_equal(units, 1234567890);
	assert_int_equal(fixed_round(1234567890, 2, &units), 0);
	assert_int_equal(units, 123);
	assert_int_equal(fixed_round(FIXED_ONE / 2, 0, &units), 0);
	assert_int_equal(units, 1);
	assert_int_equal(fixed_round(-FIXED_ONE / 2, 0, &units), 0);
	assert_int_equal(units, -1);
	assert_int_equal(fixed_round(10 * (fixed)INT64_MAX, 9, &units), -ERANGE);
	assert_int_equal(fixed_round(-10 * (fixed)INT64_MAX, 9, &units), -ERANGE);
}

static void modulo(void **state)
{
	static const struct {
		const char *number;
		uint32_t divisor, remainder;
	} cases[] = {
		{ "0", 10, 0 },
		{ "7", 10, 7 },
		{ "10", 10, 0 },
		{ "-1", 10, 9 },
		{ "-10", 10, 0 },
		{ "-13", 10, 7 },
		{ "1e3", 10, 0 },
		{ "123.0", 10, 3 },
		{ "5", 1, 0 },
		{ "9223372036854775807", 10, 7 },
		{ "-9223372036854775807", 10, 3 },
		{ "1000000007", 1000000000, 7 },
	};
	uint32_t remainder = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		fixed n;

		assert_int_equal(fixed_parse(slice_of(cases[i].number), &n), 0);
		assert_int_equal(fixed_modulo(n, cases[i].divisor, &remainder), 0);
		assert_int_equal(remainder, cases[i].remainder);
	}
	assert_int_equal(fixed_modulo(FIXED_ONE / 2, 10, &remainder), -EDOM);
	assert_int_equal(fixed_modulo(-1, 10, &remainder), -EDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),    cmocka_unit_test(parse_refuses), cmocka_unit_test(doubles),
		cmocka_unit_test(round_to), cmocka_unit_test(modulo),
	};

	return cmocka_run_group_tests_name("fixed", tests, NULL, NULL);
}
