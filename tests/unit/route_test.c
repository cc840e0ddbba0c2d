/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "route.h"

struct pair {
	const char *in, *out;
};

static struct slice route(const char *path, char *buf, size_t size)
{
	return (struct slice){ buf, route_of(slice_of(path), buf, size) };
}

static void routes(void **state)
{
	static const struct pair cases[] = {
		{ "", "/" },
		{ "/", "/" },
		{ "/orders", "/orders" },
		{ "/orders/", "/orders/" },
		{ "//orders//", "//orders//" },
		{ "/orders/42", "/orders/{id}" },
		{ "/orders/42/items/7", "/orders/{id}/items/{id}" },
		{ "/orders/42/", "/orders/{id}/" },
		{ "/0", "/{id}" },
		{ "/v1/orders", "/v1/orders" },
		{ "/api2/x", "/api2/x" },
		{ "/a/123e4567-e89b-12d3-a456-426614174000", "/a/{uuid}" },
		{ "/a/123E4567-E89B-12D3-A456-426614174000/b", "/a/{uuid}/b" },
		{ "/a/123e4567e89b12d3a456426614174000", "/a/{id}" },
		{ "/a/123e4567-e89b-12d3-a456-42661417400g", "/a/{id}" },
		{ "/commit/deadbeef1", "/commit/{id}" },
		{ "/commit/deadbeef", "/commit/deadbeef" }, /* a word, as far as anybody can tell */
		{ "/face/cafe", "/face/cafe" },
		{ "/abc1", "/abc1" },
		{ "/users/me@example.com", "/users/me@example.com" },
		{ "/users/me7@example.com", "/users/{id}" },
		{ "/t/Zx81mQpL2kVw93RtYb6Nc", "/t/{id}" },
		{ "/t/a-long-title-of-a-page-in-2024", "/t/{id}" },
		{ "/t/a-long-title-without-any-number", "/t/a-long-title-without-any-number" },
		{ "*", "*" },
		{ "example.com:443", "example.com:443" },
		{ "/1/2/3/4/5/6/7/8/9", "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}" },
		{ "/a/b/c/d/e/f/g/h/i/j/k", "/a/b/c/d/e/f/g/h/i/..." },
		{ "/\xff\x80/1", "/\xff\x80/{id}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buf[256];

		check_slice(route(cases[i].in, buf, sizeof(buf)), cases[i].out);
	}
}

/* In every size: whole segments, no more than there is room for, the same start. */
static void route_limits(void **state)
{
	static const char path[] = "/orders/42/items/123e4567-e89b-12d3-a456-426614174000/a/b";
	char whole[256], *end = guarded_end(256);
	size_t len = route(path, whole, sizeof(whole)).len;

	(void)state;
	for (size_t size = 0; size <= sizeof(whole); size++) {
		struct slice got = route(path, end - size, size);

		assert_true(got.len <= size);
		assert_memory_equal(got.p, whole, got.len);
		assert_true(got.len == len || got.len == 0 || got.p[got.len - 1] == '/');
		assert_true(size < len + 1 || got.len == len);
	}
}

static struct slice redacted(const char *query, char *buf, size_t size)
{
	return (struct slice){ buf, redact_query(slice_of(query), buf, size) };
}

static void redaction(void **state)
{
	static const struct pair cases[] = {
		{ "", "" },
		{ "a=1", "a=1" },
		{ "a=1&b=2", "a=1&b=2" },
		{ "a&b=&=c&&d", "a&b=&=c&&d" },
		{ "token=s3cret", "token=REDACTED" },
		{ "a=1&token=s3cret&b=2", "a=1&token=REDACTED&b=2" },
		{ "token=", "token=REDACTED" },
		{ "token", "token" },
		{ "token=a=b", "token=REDACTED" },
		{ "TOKEN=x", "TOKEN=REDACTED" },
		{ "access_token=x", "access_token=REDACTED" },
		{ "accessToken=x", "accessToken=REDACTED" },
		{ "id-token=x", "id-token=REDACTED" },
		{ "password=x", "password=REDACTED" },
		{ "passwd=x", "passwd=REDACTED" },
		{ "passwort=x", "passwort=REDACTED" },
		{ "user[password]=x", "user[password]=REDACTED" },
		{ "pwd=x", "pwd=REDACTED" },
		{ "client_secret=x", "client_secret=REDACTED" },
		{ "X-Amz-Signature=x", "X-Amz-Signature=REDACTED" },
		{ "X-Amz-Credential=x", "X-Amz-Credential=REDACTED" },
		{ "X-Amz-Security-Token=x", "X-Amz-Security-Token=REDACTED" },
		{ "sig=x", "sig=REDACTED" },
		{ "key=x", "key=REDACTED" },
		{ "api_key=x", "api_key=REDACTED" },
		{ "apiKey=x", "apiKey=REDACTED" },
		{ "authorization=x", "authorization=REDACTED" },
		{ "sessionid=x", "sessionid=REDACTED" },
		{ "jwt=x", "jwt=REDACTED" },
		{ "code=x", "code=REDACTED" },
		{ "to%6ben=x", "to%6ben=REDACTED" },
		{ "%74%6F%6b%65%6E=x", "%74%6F%6b%65%6E=REDACTED" },
		{ "%50assword=x", "%50assword=REDACTED" },
		{ "api%5Fkey=x", "api%5Fkey=REDACTED" },
		{ "toke%6e=x", "toke%6e=REDACTED" },
		{ "tok%en=x", "tok%en=REDACTED" },
		{ "token%=x", "token%=REDACTED" },
		{ "t%2Boken=x", "t%2Boken=REDACTED" },
		{ "monkey=x", "monkey=x" },
		{ "keyword=x", "keyword=x" },
		{ "sigma=x", "sigma=x" },
		{ "design=x", "design=x" },
		{ "pinned=x", "pinned=x" },
		{ "page=2&a=1;token=s3cret", "page=2&a=1;token=REDACTED" },
		{ "token=s3;cret&b=2", "token=REDACTED&b=2" }, /* who knows where it ends */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buf[256];

		check_slice(redacted(cases[i].in, buf, sizeof(buf)), cases[i].out);
	}
}

/* A name is looked at to its end, however long it is. */
static void long_names(void **state)
{
	char query[400], buf[600];

	(void)state;
	for (size_t fill = 0; fill < 300; fill++) {
		memset(query, 'x', fill);
		strcpy(query + fill, "token=s3cret");
		assert_null(memmem(buf, redact_query(slice_of(query), buf, sizeof(buf)), "s3cret", 6));
	}
}

/* In every size nothing of a secret is written, and nothing behind the end. */
static void redaction_limits(void **state)
{
	static const char query[] = "page=2&token=s3cret&q=some+words&password=s3cret&%6bey=s3cret&last=1";
	char *end = guarded_end(256);

	(void)state;
	for (size_t size = 0; size <= 256; size++) {
		struct slice got = redacted(query, end - size, size);

		assert_true(got.len <= size);
		assert_null(memmem(got.p, got.len, "s3", 2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),     cmocka_unit_test(route_limits),     cmocka_unit_test(redaction),
		cmocka_unit_test(long_names), cmocka_unit_test(redaction_limits),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
