/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>

#include "config.h"

/* Parses a command line that is cut at its spaces; the words live until the next call. */
static int parse(enum command command, const char *line, struct config *ret_config)
{
	static char words[8192];
	static char *argv[1024];
	int argc = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return config_parse(command, argc, argv, ret_config);
}

static struct config good(enum command command, const char *line)
{
	struct config config;

	if (parse(command, line, &config))
		fail_msg("refused: %s", line);
	return config;
}

static void defaults(void **state)
{
	struct config attach = good(COMMAND_ATTACH, "attach -p 1"), agent = good(COMMAND_AGENT, "agent -p 1"),
		      check = good(COMMAND_CHECK, "check");

	(void)state;
	assert_int_equal(attach.output, OUTPUT_TEXT);
	assert_null(attach.listen);
	assert_null(attach.log_path);
	assert_null(attach.command);
	assert_true(attach.metrics_classic && attach.metrics_semconv);
	assert_int_equal(attach.label_sets_max, 2000);
	assert_int_equal(attach.duration_ns, 0);
	assert_false(attach.stats);
	assert_int_equal(agent.output, OUTPUT_NONE);
	assert_string_equal(agent.listen, "127.0.0.1:9090");
	assert_int_equal(check.output, OUTPUT_TEXT);
}

static void selectors(void **state)
{
	struct config c =
		good(COMMAND_ATTACH, "attach -p 12 --pid 34 --pid=56 --exe */nginx --exe /opt/* --port 80 "
				     "--port 65535");

	(void)state;
	assert_int_equal(c.pids_len, 3);
	assert_int_equal(c.pids[0], 12);
	assert_int_equal(c.pids[1], 34);
	assert_int_equal(c.pids[2], 56);
	assert_int_equal(c.exes_len, 2);
	assert_string_equal(c.exes[0], "*/nginx");
	assert_string_equal(c.exes[1], "/opt/*");
	assert_int_equal(c.ports_len, 2);
	assert_int_equal(c.ports[1], 65535);
}

static void command(void **state)
{
	struct config c = good(COMMAND_ATTACH, "attach --output json -- curl -s --output x -p 1 -- y");

	(void)state;
	assert_int_equal(c.output, OUTPUT_JSON);
	assert_int_equal(c.pids_len, 0);
	assert_string_equal(c.command[0], "curl");
	assert_string_equal(c.command[3], "x");
	assert_string_equal(c.command[7], "y");
	assert_null(c.command[8]);
}

static void values(void **state)
{
	static const struct {
		const char *line;
		uint64_t duration_ns;
	} durations[] = {
		{ "attach -p 1 --duration 10", 10000000000 },   { "attach -p 1 --duration 10s", 10000000000 },
		{ "attach -p 1 --duration 500ms", 500000000 },  { "attach -p 1 --duration 5m", 300000000000 },
		{ "attach -p 1 --duration 1h", 3600000000000 },
	};
	struct config c =
		good(COMMAND_AGENT, "agent -p 1 --log - --listen [::1]:9999 --label-sets 10k --capture 1K "
				    "--ring-size 8MiB --max-connections 100 --max-spans 1k --stats");

	(void)state;
	assert_string_equal(c.log_path, "-");
	assert_string_equal(c.listen, "[::1]:9999");
	assert_int_equal(c.label_sets_max, 10000);
	assert_int_equal(c.capture_len, 1024);
	assert_int_equal(c.ring_len, 8 << 20);
	assert_int_equal(c.connections_max, 100);
	assert_int_equal(c.spans_max, 1000);
	assert_true(c.stats);
	assert_null(good(COMMAND_AGENT, "agent -p 1 --listen none").listen);
	for (size_t i = 0; i < COUNT(durations); i++)
		assert_true(good(COMMAND_ATTACH, durations[i].line).duration_ns == durations[i].duration_ns);
	c = good(COMMAND_AGENT, "agent -p 1 --metrics classic");
	assert_true(c.metrics_classic && !c.metrics_semconv);
	c = good(COMMAND_AGENT, "agent -p 1 --metrics semconv");
	assert_true(!c.metrics_classic && c.metrics_semconv);
	c = good(COMMAND_AGENT, "agent -p 1 --metrics semconv,classic");
	assert_true(c.metrics_classic && c.metrics_semconv);
}

static void colors(void **state)
{
	(void)state;
	assert_true(good(COMMAND_ATTACH, "attach -p 1 --color always").color);
	assert_false(good(COMMAND_ATTACH, "attach -p 1 --color never").color);
	if (!isatty(STDOUT_FILENO))
		assert_false(good(COMMAND_ATTACH, "attach -p 1 --color auto").color);
	setenv("NO_COLOR", "1", 1);
	assert_false(good(COMMAND_ATTACH, "attach -p 1").color);
	assert_true(good(COMMAND_ATTACH, "attach -p 1 --color always").color);
	unsetenv("NO_COLOR");
}

static void bad_lines(void **state)
{
	static const struct {
		enum command command;
		const char *line;
	} cases[] = {
		{ COMMAND_ATTACH, "attach" }, /* nothing to trace */
		{ COMMAND_AGENT, "agent" },
		{ COMMAND_ATTACH, "attach --output json" },
		{ COMMAND_ATTACH, "attach -p" },
		{ COMMAND_ATTACH, "attach -p 0" },
		{ COMMAND_ATTACH, "attach -p -1" },
		{ COMMAND_ATTACH, "attach -p x" },
		{ COMMAND_ATTACH, "attach -p 1x" },
		{ COMMAND_ATTACH, "attach -p 2147483648" },
		{ COMMAND_ATTACH, "attach -p 18446744073709551616" },
		{ COMMAND_ATTACH, "attach 1234" }, /* no -p */
		{ COMMAND_ATTACH, "attach -p 1 curl" },
		{ COMMAND_ATTACH, "attach --port 0" },
		{ COMMAND_ATTACH, "attach --port 65536" },
		{ COMMAND_ATTACH, "attach --exe=" },
		{ COMMAND_ATTACH, "attach -p 1 --output xml" },
		{ COMMAND_ATTACH, "attach -p 1 --output" },
		{ COMMAND_ATTACH, "attach -p 1 --color sometimes" },
		{ COMMAND_ATTACH, "attach -p 1 --duration 0" },
		{ COMMAND_ATTACH, "attach -p 1 --duration -5s" },
		{ COMMAND_ATTACH, "attach -p 1 --duration 5d" },
		{ COMMAND_ATTACH, "attach -p 1 --duration s" },
		{ COMMAND_ATTACH, "attach -p 1 --duration 9999999999999999h" },
		{ COMMAND_ATTACH, "attach -p 1 --metrics all" },
		{ COMMAND_ATTACH, "attach -p 1 --metrics classic," },
		{ COMMAND_ATTACH, "attach -p 1 --label-sets 0" },
		{ COMMAND_ATTACH, "attach -p 1 --label-sets 2M" },
		{ COMMAND_ATTACH, "attach -p 1 --capture 100" },
		{ COMMAND_ATTACH, "attach -p 1 --capture 16K" },
		{ COMMAND_ATTACH, "attach -p 1 --ring-size 1000K" }, /* no power of two */
		{ COMMAND_ATTACH, "attach -p 1 --ring-size 4K" },
		{ COMMAND_ATTACH, "attach -p 1 --max-connections 1" },
		{ COMMAND_ATTACH, "attach -p 1 --max-spans 99999999999" },
		{ COMMAND_ATTACH, "attach -p 1 --log=" },
		{ COMMAND_ATTACH, "attach -p 1 --listen=" },
		{ COMMAND_ATTACH, "attach -p 1 --stats=yes" },
		{ COMMAND_ATTACH, "attach -p 1 --no-such-option" },
		{ COMMAND_ATTACH, "attach -p 1 -x" },
		{ COMMAND_AGENT, "agent -p 1 --output json" }, /* it prints nothing */
		{ COMMAND_CHECK, "check -p 1" },
		{ COMMAND_CHECK, "check something" },
		{ COMMAND_CHECK, "check -- something" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config = { .label_sets_max = 12345 };

		if (parse(cases[i].command, cases[i].line, &config) != -EINVAL)
			fail_msg("taken: %s", cases[i].line);
		assert_int_equal(config.label_sets_max, 12345); /* untouched */
	}
}

static void too_many(void **state)
{
	char line[4096] = "attach";
	struct config config;

	(void)state;
	for (int i = 0; i < CONFIG_SELECTORS_MAX; i++)
		strcat(line, " -p 1 --port 1 --exe a");
	config = good(COMMAND_ATTACH, line);
	assert_int_equal(config.pids_len, CONFIG_SELECTORS_MAX);
	for (const char *const *more = (const char *const[]){ " -p 2", " --port 2", " --exe b", NULL }; *more;
	     more++) {
		char longer[4200];

		snprintf(longer, sizeof(longer), "%s%s", line, *more);
		assert_int_equal(parse(COMMAND_ATTACH, longer, &config), -EINVAL);
	}
}

static void help(void **state)
{
	struct config config;

	(void)state;
	assert_int_equal(parse(COMMAND_ATTACH, "attach --help", &config), CONFIG_HELP);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1 -h", &config), CONFIG_HELP);
	assert_int_equal(parse(COMMAND_CHECK, "check --help", &config), CONFIG_HELP);
	/* What the command gets is the command's. */
	assert_int_equal(parse(COMMAND_ATTACH, "attach -- ls --help", &config), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(selectors), cmocka_unit_test(command),
		cmocka_unit_test(values),   cmocka_unit_test(colors),    cmocka_unit_test(bad_lines),
		cmocka_unit_test(too_many), cmocka_unit_test(help),
	};

	unsetenv("NO_COLOR");
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
