/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>

#include "hooks/spec.h"

static struct spec good(const char *text)
{
	const char *why = "";
	struct spec s;

	if (spec_parse(text, &s, &why))
		fail_msg("%s: %s", text, why);
	return s;
}

static void names(void **state)
{
	static const struct {
		const char *text, *object, *name;
		uint64_t address;
	} cases[] = {
		{ "create_order", "", "create_order", 0 },
		{ "  validate_*  ", "", "validate_*", 0 },
		{ "libsqlite3.so:sqlite3_step", "libsqlite3.so", "sqlite3_step", 0 },
		{ "order.c:helper", "order.c", "helper", 0 },
		{ "_ZN3foo3barEv", "", "_ZN3foo3barEv", 0 },
		{ "shop::order", "", "shop::order", 0 },
		{ "lib.so:shop::order", "lib.so", "shop::order", 0 },
		{ "0x6d90", "", "", 0x6d90 },
		{ "libc.so.6:0xfff", "libc.so.6", "", 0xfff },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spec s = good(cases[i].text);

		assert_string_equal(s.object, cases[i].object);
		assert_string_equal(s.name, cases[i].name);
		assert_int_equal(s.address, cases[i].address);
		assert_int_equal(s.attributes_len, 0);
		assert_int_equal(s.rule.comparison, COMPARE_NEVER);
	}
}

static void attributes(void **state)
{
	struct spec s =
		good("f( user.id = order->user_id,order->items[2].price, id=*id at return, return->name )");
	static const struct {
		const char *name, *expression;
		bool at_return;
	} wanted[] = {
		{ "user.id", "order->user_id", false },
		{ "order.items.2.price", "order->items[2].price", false },
		{ "id", "*id", true },
		{ "return.name", "return->name", false }, /* it is no other time's */
	};

	(void)state;
	assert_int_equal(s.attributes_len, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_string_equal(s.attributes[i].name, wanted[i].name);
		assert_string_equal(s.attributes[i].expression, wanted[i].expression);
		assert_int_equal(s.attributes[i].at_return, wanted[i].at_return);
	}
	assert_int_equal(good("f()").attributes_len, 0);
}

static void rules(void **state)
{
	static const struct {
		const char *text;
		enum comparison comparison;
		int64_t bound;
		bool is_errno;
		const char *says;
	} cases[] = {
		{ "f error if return < 0", COMPARE_LESS, 0, false, "return < 0" },
		{ "f(a) error if return<=-1", COMPARE_LESS_EQUAL, -1, false, "return <= -1" },
		{ "f() error if return > 0x10", COMPARE_GREATER, 16, false, "return > 0x10" },
		{ "f error if return >= 1", COMPARE_GREATER_EQUAL, 1, false, "return >= 1" },
		{ "f error if return == NULL", COMPARE_EQUAL, 0, false, "return == NULL" },
		{ "f error if return != true", COMPARE_NOT_EQUAL, 1, false, "return != true" },
		{ "f(x) error if return < 0 as errno", COMPARE_LESS, 0, true, "return < 0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spec s = good(cases[i].text);

		assert_string_equal(s.name, "f");
		assert_int_equal(s.rule.comparison, cases[i].comparison);
		assert_int_equal(s.rule.bound, cases[i].bound);
		assert_int_equal(s.rule.is_errno, cases[i].is_errno);
		assert_string_equal(s.rule.text, cases[i].says);
	}
}

static void bad(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"(a)",
		"f(",
		"f(a",
		"f(=a)",
		"f(a=)",
		"f(a b=c)",
		"f(a\"=c)",
		"f g",
		"f error",
		"f(a) error if",
		"f error if return",
		"f error if return ~ 0",
		"f error if return < x",
		"f error if return < 99999999999999999999",
		"f(a) and more",
		"0x12zz",
		"f(a,b,c,d,e,f,g,h,i,j,k,l)",
		"f(an_argument_with_a_name_that_is_longer_than_what_is_kept_of_it_anywhere)",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct spec s = { .attributes_len = 77 };
		const char *why = NULL;

		if (spec_parse(texts[i], &s, &why) != -EINVAL)
			fail_msg("taken for good: %s", texts[i]);
		assert_non_null(why);
		assert_int_equal(s.attributes_len, 77); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(attributes),
		cmocka_unit_test(rules),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
