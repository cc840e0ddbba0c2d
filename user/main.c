/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "compare/compare.h"
#include "config.h"
#include "exit_code.h"
#include "hook.h"
#include "hooks/list.h"
#include "rule.h"
#include "run.h"
#include "version.h"

static int attach(const struct config *config)
{
	return config->functions_list ? list_functions(stdout, config) : run(config, true);
}

static int agent(const struct config *config)
{
	return run(config, false);
}

static int check(const struct config *config)
{
	if (config->config_path)
		log_info("%s: nothing wrong; rules: %zu", config->config_path,
			 config->rules ? config->rules->len : 0);
	return hook_check(stdout, config->output == OUTPUT_JSON) ? EXIT_FAILED : EXIT_OK;
}

struct subcommand {
	const char *name;
	enum command command;
	int (*run)(const struct config *config);
	const char *usage;
	const char *help;
	const char *text; /* what it does and examples */
};

static const struct subcommand subcommands[] = {
	{ "attach", COMMAND_ATTACH, attach,
	  "[OPTIONS] (-p PID | --exe GLOB | --port N | -- COMMAND [ARG...])",
	  "show the requests of running processes, live",
	  "Prints every request that the processes answer and every downstream call that they make, when it "
	  "is\n"
	  "finished, calls below the request that caused them; at the end, a table. The processes need no "
	  "change,\n"
	  "no restart and do not notice. Ctrl-C, --duration or the end of the processes ends it.\n"
	  "\n"
	  "Examples:\n"
	  "  spanhook attach -p 4242                      one process\n"
	  "  spanhook attach -p $(pidof -s nginx)         nginx's master: its workers are followed\n"
	  "  spanhook attach --exe '*/order-service'      every instance, those still to be started too\n"
	  "  spanhook attach --port 8080 --duration 10s   whoever listens on 8080, for ten seconds\n"
	  "  spanhook attach -- curl -s http://localhost  a program from its first instruction on\n"
	  "  spanhook attach -p 4242 --functions-list 'order*'\n"
	  "  spanhook attach -p 4242 --function 'create_order(user.id=order->user_id) error if return < 0'\n"
	  "  spanhook attach -p 4242 --output json | jq 'select(.status >= 500)'\n"
	  "\n"
	  "Exit code: 0 fine, 1 the system did not let us, 2 wrong usage or no such process; with a COMMAND, "
	  "its own.\n" },
	{ "agent", COMMAND_AGENT, agent, "[OPTIONS] (-p PID | --exe GLOB | --port N)...",
	  "run in the background: metrics, traces, logs",
	  "Serves Prometheus metrics at http://127.0.0.1:9090/metrics, with --traces the last traces at\n"
	  "/traces, and health at /healthz\n"
	  "(200 once the hooks are attached, else 503), writes JSON logs when asked to, until SIGTERM or "
	  "SIGINT.\n"
	  "\n"
	  "Examples:\n"
	  "  spanhook agent --exe '/usr/sbin/nginx'\n"
	  "  spanhook agent --port 8080 --port 8443 --log /var/log/spanhook.jsonl\n"
	  "  spanhook agent --exe '/opt/shop/*' --listen 10.0.0.5:9090 --metrics semconv\n" },
	{ "check", COMMAND_CHECK, check, "[OPTIONS]", "say what this kernel offers and what is missing",
	  "Tries everything that tracing needs, without tracing anything. Exit code: 0 when Spanhook can run "
	  "here, else 1.\n" },
	{ "compare", COMMAND_COMPARE, compare, "[OPTIONS] OURS THEIRS",
	  "lay two recordings of the same requests side by side",
	  "Reads two files of spans, pairs the spans that are about the same thing, and reports what is "
	  "missing on\n"
	  "either side, whether parents, status and attributes agree, and how far the times are apart.\n"
	  "A file has OTLP JSON (an ExportTraceServiceRequest a line, as collectors' file exporters write "
	  "it) or\n"
	  "Spanhook's own JSON (--log, --output json); - is standard input.\n"
	  "\n"
	  "Examples:\n"
	  "  spanhook agent -p 4242 --listen none --log ours.jsonl   while the process traces itself\n"
	  "  spanhook compare ours.jsonl theirs.jsonl                tables\n"
	  "  spanhook compare ours.jsonl theirs.jsonl --html page.html --exclude '* /health'\n"
	  "  spanhook compare before.json after.json --output json | jq .all.parents\n"
	  "  spanhook compare --matched 99.9 --parents 99 ours.jsonl theirs.jsonl || echo 'not good enough'\n"
	  "\n"
	  "A span is matched with one of the same kind that overlaps it in time: the one with the same ids, "
	  "else on\n"
	  "the same connection or thread, else of the same trace, else with the same operation, nearest "
	  "start first.\n"
	  "Parents are looked for through the spans that only one side has. Spans of a kind that the other "
	  "side does\n"
	  "not have at all (functions, databases) are not missing there: it cannot know them.\n"
	  "\n"
	  "Exit code: 0 all is matched and no parent disagrees, 1 a file cannot be read or written, 2 wrong "
	  "usage or\n"
	  "a file without spans, 3 the two do not agree.\n" },
};
#define SUBCOMMANDS_LEN (sizeof(subcommands) / sizeof(subcommands[0]))

static void usage(FILE *out)
{
	fputs("Spanhook traces the requests of programs that nobody instrumented.\n\nUsage: spanhook COMMAND "
	      "[OPTIONS]\n\n",
	      out);
	for (size_t i = 0; i < SUBCOMMANDS_LEN; i++)
		fprintf(out, "  %-8s %s\n", subcommands[i].name, subcommands[i].help);
	fputs("\nFirst steps:\n"
	      "  sudo spanhook check            can it run here?\n"
	      "  sudo spanhook attach -p PID    watch a process\n"
	      "\n`spanhook COMMAND --help` says more; so does spanhook(1).\n",
	      out);
}

int main(int argc, char **argv)
{
	const struct subcommand *sub = NULL;
	struct config config;
	int err;

	for (size_t i = 0; argc > 1 && i < SUBCOMMANDS_LEN; i++)
		if (strcmp(argv[1], subcommands[i].name) == 0)
			sub = &subcommands[i];
	if (!sub) {
		const char *word = argc > 1 ? argv[1] : "";

		if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
			puts("spanhook " SPANHOOK_VERSION);
			return EXIT_OK;
		}
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
			usage(stdout);
			return EXIT_OK;
		}
		if (argc > 1)
			fprintf(stderr, "spanhook: there is no command '%s'\n\n", word);
		usage(stderr);
		return EXIT_USAGE;
	}
	err = config_parse(sub->command, argc - 1, argv + 1, &config);
	if (err == CONFIG_HELP) {
		printf("Usage: spanhook %s %s\n\n%s", sub->name, sub->usage, sub->text);
		config_help(sub->command);
		return EXIT_OK;
	}
	if (err)
		return EXIT_USAGE;
	err = sub->run(&config);
	config_free(&config);
	return err;
}
