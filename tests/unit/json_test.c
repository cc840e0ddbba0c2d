/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/utf8.h"

static void check_string(struct slice value, const char *expected)
{
	char buf[512], whole[512];
	struct json j;
	size_t len;

	json_begin(&j, buf, sizeof(buf));
	json_string(&j, "s", value);
	len = json_end(&j);
	snprintf(whole, sizeof(whole), "{\"s\":\"%s\"}\n", expected);
	check_slice((struct slice){ buf, len }, whole);
}

static void escapes(void **state)
{
	(void)state;
	check_string(SLICE(""), "");
	check_string((struct slice){ 0 }, "");
	check_string(SLICE("plain /path?a=b"), "plain /path?a=b");
	check_string(SLICE("\"\\/"), "\\\"\\\\/");
	check_string(SLICE("\0\x01\t\n\r\x1f\x7f"), "\\u0000\\u0001\\u0009\\u000a\\u000d\\u001f\\u007f");
}

#define BAD UTF8_REPLACEMENT

static void utf8(void **state)
{
	static const struct {
		struct slice bytes;
		const char *shown;
	} cases[] = {
		{ SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ SLICE("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"),
		  "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
		{ SLICE("a\x80z"), "a" BAD "z" }, /* nothing goes before it */
		{ SLICE("\xc3"), BAD },           /* cut */
		{ SLICE("\xe2\x82"), BAD BAD },
		{ SLICE("\xf0\x9f\x98"), BAD BAD BAD },
		{ SLICE("\xe2\x82z"), BAD BAD "z" },
		{ SLICE("\xc0\xaf"), BAD BAD }, /* longer than needed */
		{ SLICE("\xc1\xbf"), BAD BAD },
		{ SLICE("\xe0\x9f\xbf"), BAD BAD BAD },
		{ SLICE("\xf0\x8f\xbf\xbf"), BAD BAD BAD BAD },
		{ SLICE("\xed\xa0\x80"), BAD BAD BAD },         /* a surrogate */
		{ SLICE("\xf4\x90\x80\x80"), BAD BAD BAD BAD }, /* beyond U+10FFFF */
		{ SLICE("\xf5\xff\xfe"), BAD BAD BAD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_string(cases[i].bytes, cases[i].shown);
}

/* Whatever the bytes, a strict reader of JSON takes the line, and it is UTF-8. */
static void random_bytes_in(void **state)
{
	static const char likely[] = "\xe2\x82\xac\xc3\xa9\"\\a";
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char bytes[64], buf[1024];
		size_t len = draw_below(&seed, sizeof(bytes)), at;
		struct json j;
		cJSON *object;

		for (size_t i = 0; i < len; i++)
			bytes[i] = draw_below(&seed, 2) ? (char)draw(&seed)
							: likely[draw_below(&seed, sizeof(likely))];
		json_begin(&j, buf, sizeof(buf));
		json_string(&j, "s", (struct slice){ bytes, len });
		at = json_end(&j);
		for (size_t i = 0, n; i < at; i += n) {
			n = utf8_len(buf + i, at - i);
			assert_true(n > 0);
			assert_true((unsigned char)buf[i] >= 0x20 || i == at - 1);
		}
		buf[at] = '\0';
		object = cJSON_Parse(buf);
		assert_non_null(object);
		assert_true(cJSON_IsString(cJSON_GetObjectItem(object, "s")));
		cJSON_Delete(object);
	}
}

static size_t every_kind(char *buf, size_t size)
{
	static const uint8_t id[] = { 0, 0x1f, 0xa0, 0xff };
	struct json j;

	json_begin(&j, buf, size);
	json_string(&j, "string", SLICE("a\n\xff\xe2\x82\xac"));
	json_number(&j, "number", UINT64_MAX);
	json_ms(&j, "ms", 1234000567);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_hex(&j, "hex", id, sizeof(id));
	return json_end(&j);
}

static void kinds(void **state)
{
	char buf[512];
	size_t len = every_kind(buf, sizeof(buf));

	(void)state;
	check_slice((struct slice){ buf, len },
		    "{\"string\":\"a\\u000a" BAD "\xe2\x82\xac\",\"number\":18446744073709551615,"
		    "\"ms\":1234.000567,\"yes\":true,\"no\":false,\"hex\":\"001fa0ff\"}\n");
}

/* In every size there are whole fields, and nothing is written behind the end. */
static void limits(void **state)
{
	char *end = guarded_end(512), whole[512];
	cJSON *all = cJSON_ParseWithLength(whole, every_kind(whole, sizeof(whole)));
	size_t fields = 0;

	(void)state;
	for (size_t size = 16; size <= 512; size++) {
		char *buf = end - size;
		size_t len = every_kind(buf, size);
		cJSON *object;

		assert_true(len <= size);
		assert_int_equal(buf[len - 1], '\n');
		object = cJSON_ParseWithLength(buf, len);
		assert_non_null(object);
		fields = (size_t)cJSON_GetArraySize(object);
		for (const cJSON *field = object->child; field; field = field->next) {
			const cJSON *same = cJSON_GetObjectItem(all, field->string);

			assert_true(cJSON_Compare(field, same, true));
		}
		cJSON_Delete(object);
	}
	assert_int_equal(fields, 6);
	cJSON_Delete(all);
}

static void long_hex(void **state)
{
	uint8_t bytes[40];
	char buf[512];
	struct json j;

	(void)state;
	memset(bytes, 0xab, sizeof(bytes));
	json_begin(&j, buf, sizeof(buf));
	json_hex(&j, "h", bytes, sizeof(bytes));
	assert_int_equal(json_end(&j), strlen("{\"h\":\"\"}\n") + 64);
}

/* Numbers with a sign and a point, and an object within, which is left out when nothing is in it. */
static void values(void **state)
{
	char buf[512];
	struct json j;
	size_t len;

	(void)state;
	json_begin(&j, buf, sizeof(buf));
	json_signed(&j, "a", INT64_MIN);
	json_signed(&j, "b", 7);
	if (json_open(&j, "empty"))
		json_close(&j);
	assert_true(json_open(&j, "in"));
	json_double(&j, "half", 0.5);
	json_double(&j, "tenth", 0.1);
	json_double(&j, "whole", 100);
	json_double(&j, "less", -1e-300);
	json_double(&j, "not", 0.0 / 0.0);
	json_double(&j, "most", -1.0 / 0.0);
	json_close(&j);
	json_bool(&j, "c", true);
	len = json_end(&j);
	check_slice((struct slice){ buf, len },
		    "{\"a\":-9223372036854775808,\"b\":7,\"in\":{\"half\":0.5,\"tenth\":0.1,\"whole\":100,"
		    "\"less\":-1e-300,\"not\":\"NaN\",\"most\":\"-Infinity\"},\"c\":true}\n");
}

/* However little room there is, an object that was begun is ended. */
static void little_room(void **state)
{
	(void)state;
	for (size_t size = 16; size < 64; size++) {
		char *buf = guarded_end(size) - size;
		struct json j;
		cJSON *read;
		size_t len;

		json_begin(&j, buf, size);
		json_signed(&j, "a", -123456);
		if (json_open(&j, "within")) {
			json_string(&j, "b", SLICE("text"));
			json_double(&j, "c", 1.25);
			json_close(&j);
		}
		len = json_end(&j);
		assert_true(len <= size);
		read = cJSON_ParseWithLength(buf, len);
		if (!read)
			fail_msg("in %zu bytes: %.*s", size, (int)len, buf);
		cJSON_Delete(read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes), cmocka_unit_test(utf8),        cmocka_unit_test(random_bytes_in),
		cmocka_unit_test(kinds),   cmocka_unit_test(limits),      cmocka_unit_test(long_hex),
		cmocka_unit_test(values),  cmocka_unit_test(little_room),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
