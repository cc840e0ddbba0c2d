/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "span.h"
#include "stats.h"
#include "target.h"
#include "work.h"

static void texts(void **state)
{
	struct span span = { 0 };

	(void)state;
	check_slice(span_text(&span, TEXT_PATH), "");
	span_set_text(&span, TEXT_METHOD, SLICE("GET"));
	span_set_text(&span, TEXT_PATH, SLICE("/a"));
	span_set_text(&span, TEXT_HOST, (struct slice){ 0 });
	check_slice(span_text(&span, TEXT_METHOD), "GET");
	check_slice(span_text(&span, TEXT_PATH), "/a");
	check_slice(span_text(&span, TEXT_HOST), "");
	check_slice(span_text(&span, TEXT_QUERY), "");
	assert_false(span.truncated);
}

/* A text that just fits is whole, one byte more is cut; the sum of all is limited too. */
static void limits(void **state)
{
	static const struct {
		enum span_text which;
		size_t max;
	} cases[] = {
		{ TEXT_METHOD, 32 },       { TEXT_PATH, 512 },       { TEXT_QUERY, 256 },
		{ TEXT_ROUTE, 256 },       { TEXT_HOST, 128 },       { TEXT_USER_AGENT, 128 },
		{ TEXT_REQUEST_ID, 64 },   { TEXT_TRACESTATE, 128 }, { TEXT_PEER_SERVICE, 64 },
		{ TEXT_SOCKET_PATH, 108 }, { TEXT_SUMMARY, 128 },    { TEXT_COLLECTION, 64 },
		{ TEXT_NAMESPACE, 64 },    { TEXT_STATEMENT, 600 },  { TEXT_DESTINATION, 64 },
		{ TEXT_STATUS_CODE, 32 },
	};
	struct span all = { 0 };
	char text[700];
	size_t sum = 0;

	(void)state;
	assert_int_equal(COUNT(cases), SPAN_TEXTS);
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span span = { 0 };

		span_set_text(&span, cases[i].which, (struct slice){ text, cases[i].max });
		assert_int_equal(span_text(&span, cases[i].which).len, cases[i].max);
		assert_false(span.truncated);
		span = (struct span){ 0 };
		span_set_text(&span, cases[i].which, (struct slice){ text, cases[i].max + 1 });
		assert_int_equal(span_text(&span, cases[i].which).len, cases[i].max);
		assert_true(span.truncated);
		span_set_text(&all, cases[i].which, (struct slice){ text, sizeof(text) });
	}
	for (enum span_text which = 0; which < SPAN_TEXTS; which++) {
		struct slice s = span_text(&all, which);

		sum += s.len;
		assert_true(s.p >= all.text && s.p + s.len <= all.text + SPAN_TEXT_BYTES);
	}
	assert_int_equal(sum, SPAN_TEXT_BYTES);
}

/* A cut leaves no part of a character; what is no UTF-8 is cut where the room ends, or near it. */
static void utf8_boundary(void **state)
{
	static const char *const chars[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

	(void)state;
	for (size_t i = 0; i < COUNT(chars); i++) {
		size_t n = strlen(chars[i]);

		for (size_t before = 0; before <= n; before++) {
			struct span span = { 0 };
			char text[80];
			size_t len = before;

			memset(text, 'x', sizeof(text));
			while (len + n <= sizeof(text)) {
				memcpy(text + len, chars[i], n);
				len += n;
			}
			span_set_text(&span, TEXT_REQUEST_ID, (struct slice){ text, len });
			assert_int_equal(span_text(&span, TEXT_REQUEST_ID).len,
					 before + (64 - before) / n * n);
			assert_true(span.truncated);
		}
	}
}

static void not_utf8(void **state)
{
	struct span span = { 0 };
	char text[100] = "/";

	(void)state;
	memset(text + 1, 0x80, sizeof(text) - 1);
	span_set_text(&span, TEXT_REQUEST_ID, (struct slice){ text, sizeof(text) });
	assert_true(span_text(&span, TEXT_REQUEST_ID).len >= 61);
}

static void names(void **state)
{
	struct span span = { 0 };
	char buf[SPAN_NAME_MAX];

	(void)state;
	check_slice(span_name(&span, buf), "connect");
	span_set_text(&span, TEXT_METHOD, SLICE("GET"));
	check_slice(span_name(&span, buf), "GET");
	span_set_text(&span, TEXT_ROUTE, SLICE("/orders/{id}"));
	check_slice(span_name(&span, buf), "GET /orders/{id}");
	assert_string_equal(span_kind_name(SPAN_SERVER), "server");
	assert_string_equal(span_kind_name(SPAN_CLIENT), "client");
	assert_string_equal(span_kind_name(SPAN_INTERNAL), "internal");
	assert_string_equal(evidence_name(EVIDENCE_UNKNOWN), "unknown");
	assert_string_equal(evidence_name(EVIDENCE_TRACEPARENT), "traceparent");
	assert_string_equal(evidence_name(EVIDENCE_SOCKET), "socket");
	assert_string_equal(evidence_name(EVIDENCE_THREAD), "thread");
	for (enum evidence e = 0; e < EVIDENCES; e++)
		assert_non_null(evidence_name(e));
}

/* The longest name has room. */
static void longest_name(void **state)
{
	struct span span = { 0 };
	char *buf = guarded_end(SPAN_NAME_MAX) - SPAN_NAME_MAX, text[300];

	(void)state;
	memset(text, 'x', sizeof(text));
	span_set_text(&span, TEXT_METHOD, (struct slice){ text, sizeof(text) });
	span_set_text(&span, TEXT_ROUTE, (struct slice){ text, sizeof(text) });
	assert_int_equal(span_name(&span, buf).len, 32 + 1 + 256);
}

static void addresses(void **state)
{
	static const struct {
		struct address address;
		const char *text;
	} cases[] = {
		{ { 0 }, "" },
		{ { AF_INET, 80, { 127, 0, 0, 1 } }, "127.0.0.1:80" },
		{ { AF_INET, 65535, { 255, 255, 255, 255 } }, "255.255.255.255:65535" },
		{ { AF_INET6, 443, { [15] = 1 } }, "[::1]:443" },
		{ { AF_INET6, 1, { 0 } }, "[::]:1" },
		{ { AF_INET6, 1, { 0x20, 0x01, 0x0d, 0xb8, [8] = 0, 1, [15] = 2 } },
		  "[2001:db8::1:0:0:2]:1" },
		{ { AF_INET6, 8, { [10] = 0xff, 0xff, 10, 0, 0, 1 } }, "[::ffff:10.0.0.1]:8" },
		{ { AF_UNIX, 0, { 0 } }, "unix:/run/a.sock" },
	};
	struct span span = { 0 };

	(void)state;
	span_set_text(&span, TEXT_SOCKET_PATH, SLICE("/run/a.sock"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buf[SPAN_ADDRESS_MAX];

		check_slice(span_address(&span, &cases[i].address, buf), cases[i].text);
	}
}

static void targets(void **state)
{
	struct span span = { 0 };
	char buf[SPAN_ADDRESS_MAX];

	(void)state;
	check_slice(span_target(&span, buf), "unknown");
	span.peer = (struct address){ AF_INET, 80, { 10, 0, 0, 1 } };
	check_slice(span_target(&span, buf), "10.0.0.1:80");
	span_set_text(&span, TEXT_HOST, SLICE("shop"));
	check_slice(span_target(&span, buf), "shop");
	span_set_text(&span, TEXT_PEER_SERVICE, SLICE("user-service"));
	check_slice(span_target(&span, buf), "user-service");
}

static void failures(void **state)
{
	static const struct {
		enum span_kind kind;
		int status;
		const char *error_type;
		bool failed;
	} cases[] = {
		{ SPAN_SERVER, 200, NULL, false }, { SPAN_SERVER, 404, NULL, false },
		{ SPAN_SERVER, 500, NULL, true },  { SPAN_SERVER, 200, "connection_reset", true },
		{ SPAN_CLIENT, 399, NULL, false }, { SPAN_CLIENT, 400, NULL, true },
		{ SPAN_CLIENT, 503, NULL, true },  { SPAN_CLIENT, 0, "connect_refused", true },
		{ SPAN_CLIENT, 0, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span span = { .kind = cases[i].kind,
				     .status = cases[i].status,
				     .error_type = cases[i].error_type };

		assert_int_equal(span_failed(&span), cases[i].failed);
	}
}

/* The last reference returns the span to its pool, and the pool is the limit. */
static void references(void **state)
{
	uint64_t dropped = drop_get(DROP_spans_full);
	struct work *works[4];

	(void)state;
	assert_int_equal(work_init(COUNT(works)), 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT(works); i++) {
			works[i] = work_new();
			assert_non_null(works[i]);
			assert_int_equal(works[i]->span.text_used, 0);
			span_set_text(&works[i]->span, TEXT_METHOD, SLICE("GET"));
			span_ref(&works[i]->span);
		}
		assert_null(work_new());
		for (size_t i = 0; i < COUNT(works); i++)
			span_unref(&works[i]->span);
		assert_null(work_new());
		for (size_t i = 0; i < COUNT(works); i++)
			span_unref(&works[i]->span);
	}
	assert_int_equal(drop_get(DROP_spans_full) - dropped, 6);
	work_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),      cmocka_unit_test(limits),  cmocka_unit_test(utf8_boundary),
		cmocka_unit_test(not_utf8),   cmocka_unit_test(names),   cmocka_unit_test(longest_name),
		cmocka_unit_test(addresses),  cmocka_unit_test(targets), cmocka_unit_test(failures),
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
