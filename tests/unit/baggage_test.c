/* SPDX-License-Identifier: Apache-2.0 */
/* Which members of a baggage header become attributes, and with what values. */
#include "check.h"

#include <errno.h>

#include "baggage.h"
#include "spans.h"

static void selections(void **state)
{
	(void)state;
	assert_int_equal(baggage_select("user.id"), 0);
	assert_int_equal(baggage_select("a,b,c,d,e,f,g,h"), 0);
	assert_int_equal(baggage_select("a,b,c,d,e,f,g,h,i"), -EINVAL);
	assert_int_equal(baggage_select(""), -EINVAL);
	assert_int_equal(baggage_select("a,,b"), -EINVAL);
	assert_int_equal(baggage_select("a,"), -EINVAL);
	assert_int_equal(baggage_select("a b"), -EINVAL);
	assert_int_equal(baggage_select("a\"b"), -EINVAL);
	assert_int_equal(baggage_select("caf\xc3"), -EINVAL);
	assert_int_equal(
		baggage_select("a-name-that-is-longer-than-all-that-anybody-would-want-as-an-attribute"),
		-EINVAL);
}

/* Reads the header into a fresh span and compares its attributes with "name=value name=value". */
static void check_read(const char *header, const char *want)
{
	struct span span = { 0 };
	char got[1024];
	size_t n = 0;

	baggage_read(&span, slice_of(header));
	for (int i = 0; i < span.attributes_len; i++) {
		struct slice text = span_attribute_text(&span, &span.attributes[i]);

		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s=%.*s", i ? " " : "",
				      span.attributes[i].name, (int)text.len, text.p);
	}
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void values(void **state)
{
	(void)state;
	assert_int_equal(baggage_select("user,tier"), 0);
	check_read("", "");
	check_read("user=7", "user=7");
	check_read("other=1,user=7 , tier = gold", "user=7 tier=gold");
	check_read("user=7;secret=1;x,tier=a", "user=7 tier=a");
	check_read("user=a%20b%c3%A9", "user=a b\303\251");
	check_read("user=%,tier=%4", "user=% tier=%4");
	check_read("user=%zz", "user=%zz");
	check_read("User=7,users=8,user", "user=");
	check_read(",,=,;", "");
	assert_int_equal(baggage_select("x,"), -EINVAL);
	check_read("x=1,user=7", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(selections), cmocka_unit_test(values) };

	return cmocka_run_group_tests_name("baggage", tests, NULL, NULL);
}
