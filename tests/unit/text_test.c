/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, addresses, times and foreign text as text: decimal, ip, wall, terminal, slice; and random ids. */
#include "check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <time.h>

#include "base/decimal.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/terminal.h"
#include "base/wall.h"

static void decimals(void **state)
{
	uint64_t seed = 1, n = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char expected[64], text[64], *p;

		snprintf(expected, sizeof(expected), "%" PRIu64, n);
		p = put_decimal(text, n);
		check_slice((struct slice){ text, (size_t)(p - text) }, expected);
		snprintf(expected, sizeof(expected), "%" PRIu64 ".%06" PRIu64, n / 1000000, n % 1000000);
		p = put_ms(text, n);
		assert_true(p - text <= MS_MAX);
		check_slice((struct slice){ text, (size_t)(p - text) }, expected);
		n = i == 0 ? UINT64_MAX : draw(&seed) >> draw_below(&seed, 64);
	}
}

static void ips(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int family = i % 2 ? AF_INET6 : AF_INET;
		char text[IP_TEXT_MAX + 1], expected[INET6_ADDRSTRLEN];
		uint8_t ip[16];
		struct in6_addr back;

		/* Many groups of zeros, and with zeros at their start. */
		for (size_t at = 0; at < sizeof(ip); at += 2) {
			uint32_t kind = draw_below(&seed, 4);

			ip[at] = kind == 3 ? (uint8_t)draw(&seed) : 0;
			ip[at + 1] = kind >= 2 ? (uint8_t)draw(&seed) : 0;
		}
		if (draw_below(&seed, 16) == 0)
			memcpy(ip, (uint8_t[12]){ [10] = 0xff, 0xff }, 12);
		*put_ip(text, family, ip) = '\0';
		assert_int_equal(inet_pton(family, text, &back), 1);
		assert_memory_equal(&back, ip, family == AF_INET ? 4 : 16);
		inet_ntop(family, ip, expected, sizeof(expected));
		/* inet_ntop() writes ::1.2.3.4, which RFC 5952 reserves for prefixes that are known. */
		if (!strchr(expected, '.') || family == AF_INET)
			assert_string_equal(text, expected);
	}
}

static void walls(void **state)
{
	struct wall wall = { 0 };
	struct timespec mono, real;
	uint64_t now, seed = 3;

	(void)state;
	wall_sample(&wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	now = (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec;
	for (int i = 0; i < 10000; i++) {
		/* About now, often within the same second, often at the seam of two. */
		uint64_t at = now - now % 1000000000 + draw_below(&seed, 4) * 1000000000ULL +
			      draw_below(&seed, 2) * 999999999;
		uint64_t ns = wall_ns(&wall, at);
		time_t second = (time_t)(ns / 1000000000);
		char expected[64];
		struct tm tm;
		size_t n;

		gmtime_r(&second, &tm);
		n = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expected + n, sizeof(expected) - n, ".%09" PRIu64 "Z", ns % 1000000000);
		assert_string_equal(wall_text(&wall, at), expected);
		assert_int_equal(strlen(expected), WALL_TEXT_LEN);
	}
	assert_true(llabs((long long)(wall_ns(&wall, now) / 1000000000) - (long long)real.tv_sec) < 3600);
}

static void check_shown(struct slice text, unsigned width, bool utf8, const char *expected, unsigned columns)
{
	char *shown = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&shown, &len);
	unsigned got = terminal_put(out, text, width, utf8);

	fclose(out);
	check_slice((struct slice){ shown, len }, expected);
	assert_int_equal(got, columns);
	free(shown);
}

static void terminals(void **state)
{
	(void)state;
	check_shown(SLICE(""), 0, true, "", 0);
	check_shown(SLICE("abc"), 3, true, "abc", 3);
	check_shown(SLICE("abcdefgh"), 5, true, "ab…gh", 5);
	check_shown(SLICE("abcdefgh"), 5, false, "a...h", 5);
	check_shown(SLICE("abcdefgh"), 1, true, "…", 1);
	check_shown(SLICE("abcdefgh"), 2, false, "..", 2);
	check_shown(SLICE("a\xc3\xa9\xe2\x82\xac"), 0, true, "aé€", 3);
	check_shown(SLICE("a\xc3\xa9\xe2\x82\xac"), 0, false, "a..", 3);
	check_shown(SLICE("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"), 3, true, "é…é", 3);
	check_shown(SLICE("a\033[31m\r\n\x7f\xff\xc3"), 0, true, "a.[31m.....", 11);
	check_shown(SLICE("\xc2\x9b"
			  "1m"),
		    0, true, ".1m", 3); /* a control sequence of one character */
	check_shown(SLICE("a\xe2\x80\xae"
			  "b"),
		    0, true, "a.b", 3); /* right to left */
	check_shown(SLICE("a\xe2\x80\x8b"
			  "b"),
		    0, true, "a.b", 3); /* no width */
	check_shown(SLICE("\xef\xbb\xbf"
			  "a"),
		    0, true, ".a", 2);
}

static void locales(void **state)
{
	static const struct {
		const char *all, *ctype, *lang;
		bool utf8;
	} cases[] = {
		{ NULL, NULL, NULL, false },         { NULL, NULL, "en_US.UTF-8", true },
		{ "C", NULL, "en_US.UTF-8", false }, { NULL, "de_DE.utf8", "C", true },
		{ "", "", "C.UTF-8", true },         { "C.UTF-8", "C", "C", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsetenv("LC_ALL");
		unsetenv("LC_CTYPE");
		unsetenv("LANG");
		if (cases[i].all)
			setenv("LC_ALL", cases[i].all, 1);
		if (cases[i].ctype)
			setenv("LC_CTYPE", cases[i].ctype, 1);
		if (cases[i].lang)
			setenv("LANG", cases[i].lang, 1);
		assert_int_equal(terminal_utf8(), cases[i].utf8);
	}
}

static void slices(void **state)
{
	struct slice s = SLICE("Hello");

	(void)state;
	assert_true(slice_eq(slice_of(NULL), SLICE("")));
	assert_true(slice_eq(s, slice_of("Hello")));
	assert_false(slice_eq(s, SLICE("hello")));
	assert_true(slice_ieq(s, SLICE("hELLO")));
	assert_false(slice_ieq(s, SLICE("hell")));
	assert_false(slice_ieq(SLICE("[k"), SLICE("{K"))); /* letters only */
	assert_true(slice_starts(s, SLICE("He")) && slice_starts(s, SLICE("")) &&
		    !slice_starts(s, SLICE("Hello!")));
	assert_true(slice_ends(s, SLICE("lo")) && slice_ends(s, SLICE("")) &&
		    !slice_ends(s, SLICE("Hello!")));
	check_slice(slice_from(s, 2), "llo");
	check_slice(slice_from(s, 5), "");
	check_slice(slice_from(s, 9), "");
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

/* Ids of a long run are all different, whatever their lengths. */
static void ids(void **state)
{
	static uint8_t drawn[100000][8];
	uint8_t bytes[11] = { 0 };

	(void)state;
	assert_int_equal(random_init(), 0);
	for (size_t i = 0; i < COUNT(drawn); i++)
		random_bytes(drawn[i], 8);
	qsort(drawn, COUNT(drawn), 8, by_value);
	for (size_t i = 1; i < COUNT(drawn); i++)
		assert_memory_not_equal(drawn[i], drawn[i - 1], 8);
	random_bytes(bytes, 9);
	assert_int_equal(bytes[9] | bytes[10], 0); /* not written */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals),  cmocka_unit_test(ips),     cmocka_unit_test(walls),
		cmocka_unit_test(terminals), cmocka_unit_test(locales), cmocka_unit_test(slices),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
