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

/* A file with this text; the path lives until the next call. */
static const char *file_of(const char *yaml)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/spanhook-config-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	return path;
}

static int parse_file(enum command command, const char *line, const char *yaml, struct config *ret_config)
{
	const char *path = file_of(yaml);
	char words[512];
	int err;

	snprintf(words, sizeof(words), "%s --config %s", line, path);
	err = parse(command, words, ret_config);
	unlink(path);
	return err;
}

/* Each option comes from the first of: command line, environment, file, default; lists too, as a whole. */
static void precedence(void **state)
{
	static const char yaml[] =
		"port: [80, 81]\nexe: /a/*\nlabel-sets: 10\nmax-spans: 2k\nlog: from-file\n"
		"stats: true\nmetrics: classic\n";
	struct config c;

	(void)state;
	setenv("SPANHOOK_PORT", "443;8443", 1);
	setenv("SPANHOOK_LABEL_SETS", "20", 1);
	setenv("SPANHOOK_MAX_SPANS", "3k", 1);
	setenv("SPANHOOK_STATS", "false", 1);
	setenv("SPANHOOK_LOG", "", 1);
	setenv("SPANHOOK_HTML", "of another command", 1);
	assert_int_equal(parse_file(COMMAND_AGENT, "agent --max-spans 4k", yaml, &c), 0);
	assert_int_equal(c.ports_len, 2);
	assert_int_equal(c.ports[0], 443);
	assert_int_equal(c.ports[1], 8443);
	assert_int_equal(c.exes_len, 1);
	assert_string_equal(c.exes[0], "/a/*");
	assert_int_equal(c.label_sets_max, 20);
	assert_int_equal(c.spans_max, 4000);
	assert_string_equal(c.log_path, "from-file");
	assert_false(c.stats);
	assert_true(c.metrics_classic && !c.metrics_semconv);
	assert_int_equal(c.connections_max, 65536);
	config_free(&c);

	assert_int_equal(parse_file(COMMAND_AGENT, "agent --port 1", yaml, &c), 0);
	assert_int_equal(c.ports_len, 1);
	config_free(&c);

	setenv("SPANHOOK_PORT", "443;x", 1);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1", &c), -EINVAL);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1 --port 2", &c), 0);
	config_free(&c);
	setenv("SPANHOOK_STATS", "yes", 1);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1 --port 2", &c), -EINVAL);
	for (const char *const *name =
		     (const char *const[]){ "PORT", "LABEL_SETS", "MAX_SPANS", "STATS", "LOG", "HTML", NULL };
	     *name; name++) {
		char variable[64];

		snprintf(variable, sizeof(variable), "SPANHOOK_%s", *name);
		unsetenv(variable);
	}

	assert_int_equal(parse_file(COMMAND_ATTACH, "attach", yaml, &c), 0);
	assert_int_equal(c.ports_len, 2);
	assert_int_equal(c.ports[1], 81);
	assert_true(c.stats);
	config_free(&c);
}

/* The file's own path from the environment; and what is checked though nothing is traced. */
static void file_of_environment(void **state)
{
	const char *path = file_of("port: 80\n");
	struct config c;

	(void)state;
	setenv("SPANHOOK_CONFIG", path, 1);
	assert_int_equal(parse(COMMAND_AGENT, "agent", &c), 0);
	assert_int_equal(c.ports[0], 80);
	config_free(&c);
	unlink(path);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1", &c), -EINVAL);
	unsetenv("SPANHOOK_CONFIG");
	assert_int_equal(parse_file(COMMAND_CHECK, "check", "port: 80\noutput: json\n", &c), 0);
	assert_int_equal(c.output, OUTPUT_JSON);
	assert_int_equal(c.ports_len, 0);
	config_free(&c);
	assert_int_equal(parse_file(COMMAND_CHECK, "check", "port: 80x\n", &c), -EINVAL);
}

/* What is wrong in a file: the line, and a word of what would be right. */
static void bad_files(void **state)
{
	static char large[(1 << 20) + 2];
	static const struct {
		const char *yaml;
		int line;
		const char *word;
	} cases[] = {
		{ "port: x", 1, "TCP port" },
		{ "output: json\nport: [80,\n  8x]", 3, "'8x'" },
		{ "prt: 80", 1, "'prt'" },
		{ "port: { a: 1 }", 1, "list" },
		{ "port:", 1, "list" },
		{ "output: [json]", 1, "text|json" },
		{ "stats: 1", 1, "true or false" },
		{ "stats: true\n\nstats: true", 3, "twice" },
		{ "- a", 1, "port: 8080" },
		{ "just words", 1, "port: 8080" },
		{ "config: a", 1, "'config'" },
		{ "html: a", 1, "'html'" },
		{ "port: 80\n\tport: 81", 2, "not YAML" },
		{ "port: [80", 2, "not YAML" },
		{ "port: *none", 1, "not YAML" },
		{ "port: 1\n---\nport: 2", 2, "second document" },
		{ "? [a]\n: b", 1, "no option" },
		{ "log: \"a\\0b\"", 1, "FILE" },
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char said[2048] = "", where[32];
		int pipes[2], saved = dup(STDERR_FILENO), err;

		assert_int_equal(pipe(pipes), 0);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[1]);
		err = parse_file(COMMAND_AGENT, "agent -p 1", cases[i].yaml, &c);
		dup2(saved, STDERR_FILENO);
		close(saved);
		assert_true(read(pipes[0], said, sizeof(said) - 1) >= 0);
		close(pipes[0]);
		snprintf(where, sizeof(where), ":%d: ", cases[i].line);
		if (err != -EINVAL || !strstr(said, where) || !strstr(said, cases[i].word) ||
		    strchr(said, '\n') != said + strlen(said) - 1)
			fail_msg("%d: %s%s", err, said, cases[i].yaml);
	}
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1 --config /nowhere/spanhook.yaml", &c), -EINVAL);
	assert_int_equal(parse(COMMAND_AGENT, "agent -p 1 --config /tmp", &c), -EINVAL);
	memset(large, '#', sizeof(large) - 1);
	assert_int_equal(parse_file(COMMAND_AGENT, "agent -p 1", large, &c), -EINVAL);
	assert_int_equal(parse_file(COMMAND_AGENT, "agent -p 1", "", &c), 0);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),   cmocka_unit_test(selectors),
		cmocka_unit_test(command),    cmocka_unit_test(values),
		cmocka_unit_test(colors),     cmocka_unit_test(bad_lines),
		cmocka_unit_test(too_many),   cmocka_unit_test(help),
		cmocka_unit_test(precedence), cmocka_unit_test(file_of_environment),
		cmocka_unit_test(bad_files),
	};

	unsetenv("NO_COLOR");
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
