/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "base/json_find.h"

/* The path's names are cut at dots; they live in text. */
static struct json_path path_of(const char *text)
{
	struct json_path path = { 0 };

	while (*text) {
		size_t len = strcspn(text, ".");

		path.names[path.len++] = (struct slice){ text, len };
		text += len + (text[len] == '.');
	}
	return path;
}

/* The text lies at the end of a page behind which nothing may be read. */
static int find(const char *text, size_t len, const char *path, struct json_value *ret_value)
{
	static char *guard;
	struct json_path p = path_of(path);

	if (!guard)
		guard = guarded_end(65536);
	memcpy(guard - len, text, len);
	return json_find((struct slice){ guard - len, len }, &p, ret_value);
}

static const char order[] =
	"{ \"user_id\": 17,\t\"items\": [ {\"product_id\":1,\"quantity\":2},\r\n"
	"{\"product_id\":2,\"quantity\":-1.5e3} ],"
	"\"empty\":[],\"none\":{},\"a\":{\"b\":{\"c\":[[1,2],[3]]}},"
	"\"user\\u005fname\":\"J\\\"\\u00f8 \\ud83d\\ude00\",\"t\":true,\"f\":false,\"n\":null,"
	"\"0\":\"zero\",\"\":\"nameless\"}\n";

static void check_find(const char *path, enum json_type type, const char *text, uint32_t len)
{
	struct json_value v;
	int err = find(order, sizeof(order) - 1, path, &v);

	if (err)
		fail_msg("%s: %d", path, err);
	assert_int_equal(v.type, type);
	check_slice(v.text, text);
	assert_int_equal(v.len, len);
}

static void finds(void **state)
{
	struct json_value v = { .len = 77 };

	(void)state;
	check_find("user_id", JSON_NUMBER, "17", 0);
	check_find("items", JSON_ARRAY, "", 2);
	check_find("items.0.quantity", JSON_NUMBER, "2", 0);
	check_find("items.1.quantity", JSON_NUMBER, "-1.5e3", 0);
	check_find("items.1", JSON_OBJECT, "", 2);
	check_find("empty", JSON_ARRAY, "", 0);
	check_find("none", JSON_OBJECT, "", 0);
	check_find("a.b.c", JSON_ARRAY, "", 2);
	check_find("a.b.c.0", JSON_ARRAY, "", 2);
	check_find("a.b.c.1.0", JSON_NUMBER, "3", 0);
	check_find("user_name", JSON_STRING, "J\\\"\\u00f8 \\ud83d\\ude00", 0);
	check_find("t", JSON_TRUE, "", 0);
	check_find("f", JSON_FALSE, "", 0);
	check_find("n", JSON_NULL, "", 0);
	check_find("0", JSON_STRING, "zero", 0);
	check_find("", JSON_OBJECT, "", 11);
	for (const char *const *p =
		     (const char *const[]){ "user", "user_i", "items.2", "items.00", "items.-1",
					    "items.99999999999", "items.x", "empty.0", "user_id.0", "a.b.c.d",
					    "t.r", "quantity", NULL };
	     *p; p++)
		assert_int_equal(find(order, sizeof(order) - 1, *p, &v), -ENOENT);
	assert_int_equal(v.len, 77);
}

static void outermost(void **state)
{
	struct json_value v;

	(void)state;
	assert_int_equal(find(" 5 ", 3, "", &v), 0);
	check_slice(v.text, "5");
	assert_int_equal(find("[1,2,3]", 7, "", &v), 0);
	assert_int_equal(v.len, 3);
	assert_int_equal(find("[1,2,3]", 7, "2", &v), 0);
	check_slice(v.text, "3");
	assert_int_equal(find("\"a\"", 3, "a", &v), -ENOENT);
}

static void no_json(void **state)
{
	static const char *const texts[] = { "",
					     " ",
					     "{",
					     "}",
					     "[",
					     "]",
					     "[1,]",
					     "[,1]",
					     "[1 2]",
					     "{\"a\"}",
					     "{\"a\":}",
					     "{\"a\":1,}",
					     "{,}",
					     "{a:1}",
					     "{'a':1}",
					     "{\"a\" 1}",
					     "{\"a\":1]",
					     "[1}",
					     "tru",
					     "truE",
					     "nul",
					     "falsey",
					     "01",
					     "+1",
					     "1.",
					     ".1",
					     "1e",
					     "1e+",
					     "-",
					     "- 1",
					     "\"",
					     "\"\\\"",
					     "\"\\x\"",
					     "\"\\u12\"",
					     "\"\\u12G4\"",
					     "\"a\nb\"",
					     "\"a\tb\"",
					     "1 2",
					     "{}{}",
					     "[] x",
					     "NaN",
					     "Infinity",
					     "\xef\xbb\xbf{}",
					     "{\"a\":1}\x01",
					     "[1,2",
					     "{\"a\":{\"b\":1}",
					     "//x\n1",
					     "[1,2,]",
					     "{\"a\":1 \"b\":2}",
					     "a=1&b=2",
					     "<a/>" };
	struct json_value v;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (const char *const *p = (const char *const[]){ "", "a", "0", NULL }; *p; p++)
			if (find(texts[i], strlen(texts[i]), *p, &v) != -EINVAL)
				fail_msg("taken: %s", texts[i]);
	assert_int_equal(find("1\0", 2, "", &v), -EINVAL);
	assert_int_equal(find("\"a\0b\"", 5, "", &v), -EINVAL);
}

/* However a text is cut, what is left is no JSON, and nothing behind it is read. */
static void cut(void **state)
{
	struct json_value v;
	size_t len = strlen(order) - 1; /* without the line end */

	(void)state;
	assert_int_equal(find(order, len, "user_id", &v), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(find(order, i, "user_id", &v), -EINVAL);
}

static void depth(void **state)
{
	static char text[2 * 60000];
	struct json_value v;

	(void)state;
	for (size_t n = 1; n <= 60000; n = n < 70 ? n + 1 : n * 3) {
		memset(text, '[', n);
		memset(text + n, ']', n);
		assert_int_equal(find(text, n > 30000 ? 60000 : 2 * n, "0.0", &v), n > JSON_DEPTH_MAX
											   ? -EOVERFLOW
										   : n < 3 ? -ENOENT
											   : 0);
	}
}

static void twice(void **state)
{
	static const char text[] = "{\"a\":1,\"b\":{\"a\":2,\"c\":3,\"c\":4},\"\\u0061\":5,\"d\":{\"a\":6}}";
	struct json_value v;

	(void)state;
	assert_int_equal(find(text, strlen(text), "a", &v), -ENOTUNIQ);
	assert_int_equal(find(text, strlen(text), "b.c", &v), -ENOTUNIQ);
	assert_int_equal(find(text, strlen(text), "b.a", &v), 0);
	assert_int_equal(find(text, strlen(text), "d.a", &v), 0);
	assert_int_equal(find(text, strlen(text) - 1, "a", &v), -EINVAL);
}

static void unescapes(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "" },
		{ "abc", "abc" },
		{ "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
		{ "\\u0041\\u00e5\\u20ac", "A\xc3\xa5\xe2\x82\xac" },
		{ "\\uD83D\\uDE00!", "\xf0\x9f\x98\x80!" },
		{ "\\ud83d", "\xef\xbf\xbd" },
		{ "\\ude00\\ud83d\\u0041", "\xef\xbf\xbd\xef\xbf\xbd"
					   "A" },
		{ "\xc3\xa5\xff", "\xc3\xa5\xff" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = json_unescape(slice_of(cases[i].text), buf, sizeof(buf));

		check_slice((struct slice){ buf, len }, cases[i].expected);
	}
	assert_int_equal(json_unescape(SLICE("ab\\u20acd"), buf, 4), 6);
	assert_memory_equal(buf, "ab", 2);
}

/* What it takes is what a parser of others takes, on texts that are nearly JSON. */
static void agrees(void **state)
{
	static const char pieces[] = "{}[]:,\"\"a01-.e tn\\";
	uint64_t seed = 3;
	int taken = 0;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		char text[16];
		size_t len = 1 + draw_below(&seed, 8);
		struct json_value v;
		cJSON *other;
		int err;

		for (size_t j = 0; j < len; j++)
			text[j] = pieces[draw_below(&seed, sizeof(pieces) - 1)];
		text[len] = '\0';
		err = find(text, len, "", &v);
		other = cJSON_ParseWithOpts(text, NULL, true);
		/* cJSON takes numbers that the grammar does not, such as 01 and 1. */
		if (!err && !other)
			fail_msg("taken: %s", text);
		if (err && other && !strpbrk(text, "01-"))
			fail_msg("refused: %s", text);
		taken += !err;
		cJSON_Delete(other);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),     cmocka_unit_test(outermost), cmocka_unit_test(no_json),
		cmocka_unit_test(cut),       cmocka_unit_test(depth),     cmocka_unit_test(twice),
		cmocka_unit_test(unescapes), cmocka_unit_test(agrees),
	};

	return cmocka_run_group_tests_name("json_find", tests, NULL, NULL);
}
