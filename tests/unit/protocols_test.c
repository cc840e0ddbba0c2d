/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tests/protocols/<parser>/<name>.case, each a test of its own: fed whole, byte by byte, and with each
 * piece cut in two at every position. All ways have to give the messages that the case expects.
 *
 *	protocols_test [FOLDER]		default: $PROTOCOLS, or else tests/protocols
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define driver_fail(text) fail_msg("%s", text)
#include "../protocols/driver.h"

#define CASE_MAX (1 << 20)

#define PROTOCOL(symbol) extern const struct parser symbol##_parser;
#include "protocols.def"
#undef PROTOCOL

static const struct {
	const char *folder;
	const struct parser *parser;
} protocols[] = {
#define PROTOCOL(symbol) { #symbol, &symbol##_parser },
#include "protocols.def"
#undef PROTOCOL
};

/* The parser that the path's last folder is named after; NULL: none. */
static const struct parser *parser_of(const char *path)
{
	const char *end = strrchr(path, '/'), *start = end;

	while (start > path && start[-1] != '/')
		start--;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (slice_eq(slice_of(protocols[i].folder), (struct slice){ start, (size_t)(end - start) }))
			return protocols[i].parser;
	return NULL;
}

static struct slice read_case(const char *path)
{
	static char text[CASE_MAX];
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (len == sizeof(text))
		fail_msg("%s: longer than %d bytes", path, CASE_MAX - 1);
	return (struct slice){ text, len };
}

/* What the case expects, without its comments and empty lines. */
static void read_expected(struct slice lines, struct text *ret_text)
{
	ret_text->len = 0;
	while (lines.len > 0) {
		const char *lf = memchr(lines.p, '\n', lines.len);
		struct slice line = { lines.p, lf ? (size_t)(lf - lines.p) : lines.len };

		if (line.len > 0 && line.p[0] != '#')
			text_print(ret_text, "%.*s\n", (int)line.len, line.p);
		lines = slice_from(lines, line.len + 1);
	}
}

static void check_run(const struct parser *parser, const struct script *script, const struct text *expected,
		      struct arrival arrival, const char *how)
{
	static struct driver driver;
	static struct text got;

	driver_run(&driver, NULL, script, arrival);
	driver_report(&driver, &got);
	if (driver.parser && driver.parser != parser)
		fail_msg("%s: taken for %s", how, driver.parser->name);
	if (got.len != expected->len || memcmp(got.p, expected->p, got.len) != 0)
		fail_msg("%s: expected\n%.*sgot\n%.*s", how, (int)expected->len, expected->p, (int)got.len,
			 got.p);
}

static void run_case(void **state)
{
	static struct script script;
	static struct text expected;
	const char *path = *state;
	const struct parser *parser = parser_of(path);
	unsigned bad = script_read(&script, read_case(path));

	if (!parser)
		fail_msg("%s: no parser has the name of this folder", path);
	if (bad != 0)
		fail_msg("%s:%u: cannot be read", path, bad);
	if (!script.expect.p) {
		fail_msg("%s: expects nothing", path);
		return;
	}
	read_expected(script.expect, &expected);

	check_run(parser, &script, &expected, (struct arrival){ 0 }, "whole");
	check_run(parser, &script, &expected, (struct arrival){ .bytes = true }, "byte by byte");
	for (size_t i = 0; i < script.ops_len; i++)
		for (size_t at = 1; script.ops[i].kind == OP_BYTES && at < script.ops[i].len; at++) {
			char how[64];

			snprintf(how, sizeof(how), "piece %zu cut at %zu", i + 1, at);
			check_run(parser, &script, &expected, (struct arrival){ .op = i, .at = at }, how);
		}
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : getenv("PROTOCOLS");
	struct CMUnitTest *tests;
	char pattern[4096];
	glob_t cases;
	int failed;

	if (!folder)
		folder = "tests/protocols";
	snprintf(pattern, sizeof(pattern), "%s/*/*.case", folder);
	if (glob(pattern, 0, NULL, &cases) != 0) {
		fprintf(stderr, "%s: no cases\n", pattern);
		return 1;
	}
	tests = calloc(cases.gl_pathc, sizeof(*tests));
	if (!tests)
		return 1;
	for (size_t i = 0; i < cases.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){
			.name = cases.gl_pathv[i] + strlen(folder) + 1,
			.test_func = run_case,
			.initial_state = cases.gl_pathv[i],
		};
	failed = _cmocka_run_group_tests("protocols", tests, cases.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&cases);
	return failed != 0;
}
