/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "base/arena.h"

#define CONFIG_SELECTORS_MAX 64

struct rules;

enum output {
	OUTPUT_NONE,
	OUTPUT_TEXT,
	OUTPUT_JSON,
};

/*
 * What the command line, the environment and the configuration file ask for. Strings are borrowed from argv
 * and the environment, or owned.
 */
struct config {
	uint32_t pids[CONFIG_SELECTORS_MAX];
	size_t pids_len;
	const char *exes[CONFIG_SELECTORS_MAX]; /* globs on the executable's path */
	size_t exes_len;
	uint16_t ports[CONFIG_SELECTORS_MAX]; /* listening ports */
	size_t ports_len;
	const char *functions[CONFIG_SELECTORS_MAX]; /* each is right (hooks/spec.h) */
	size_t functions_len;
	const char *functions_list; /* a glob: print the functions that match, and end; NULL: do not */
	uint32_t function_rate;     /* calls a second beyond which a function is no longer traced */
	uint32_t function_cpu;      /* percent of one core that all of them may cost */
	bool sqlite;                /* statements that SQLite executes are traced */
	char **command;             /* argv of the program to start; NULL: none */

	enum output output;      /* live output on standard output */
	bool color;              /* standard output is a terminal and NO_COLOR is not set */
	const char *log_path;    /* JSON lines; "-" is standard output; NULL: none */
	const char *listen;      /* "address:port" of /metrics; NULL: none */
	bool metrics_classic;    /* http_requests_total and its kin */
	bool metrics_semconv;    /* http_server_request_duration_seconds and its kin */
	uint32_t label_sets_max; /* of each metric */
	uint32_t traces_max;     /* that are kept for /traces; 0: none */
	uint64_t duration_ns;    /* 0: until stopped */
	uint32_t capture_len;    /* bytes of a message's first event that the kernel copies at most */
	uint32_t ring_len;       /* bytes of the ring buffer, a power of two */
	uint32_t connections_max;
	uint32_t spans_max;
	uint32_t statements_max; /* prepared statements that are remembered */
	bool query_text_raw;     /* database statements keep their literals */
	const char *record_path; /* what comes from the kernel is written there; NULL: nowhere */
	const char *replay_path; /* ... and read from there instead; NULL: nothing */
	bool stats;
	bool runtimes[RUNTIMES_LEN]; /* by enum runtime: it is asked for whom its threads work */
	bool exact_turns; /* the ends of event loops' turns are seen, at the cost of every system call */

	const char *config_path;   /* NULL: no configuration file */
	const struct rules *rules; /* metrics that it asks for; NULL: none */
	uint32_t body_limit_len;   /* bytes of a body that rules can read */
	uint32_t bodies_max;       /* that are kept at a time */

	/*
	 * What the tracer may take (governor.h); 0: whatever it takes. That is the default, as there is no
	 * share of a core that is right for every load: a busy server's requests rightly cost a multiple of
	 * an idle one's, and to follow some of them only must be somebody's decision.
	 */
	double budget_cpu;          /* percent of a core, of the agent */
	double budget_target_cpu;   /* ... of our programs in any one process */
	uint32_t budget_memory_len; /* bytes */

	struct arena owned;

	const char *files[2];                       /* compare: ours, theirs */
	const char *excludes[CONFIG_SELECTORS_MAX]; /* globs on what spans did */
	size_t excludes_len;
	const char *html_path;  /* NULL: none */
	double matched_percent; /* what fewer are matched is a difference */
	double parents_percent; /* of the matched spans, that name the same parent */
};

enum command {
	COMMAND_ATTACH = 1 << 0,
	COMMAND_AGENT = 1 << 1,
	COMMAND_CHECK = 1 << 2,
	COMMAND_COMPARE = 1 << 3,
};

/* What config_parse() found instead of a configuration to run with. */
enum { CONFIG_HELP = 1 };

/*
 * Fills in *ret_config. Each option has the value that argv (argv[0] is the command's name) gives it, else
 * the environment (SPANHOOK_NAME), else the configuration file, else its default. Returns 0, CONFIG_HELP when
 * help was asked for, or -EINVAL after logging what is wrong and what would be right.
 */
int config_parse(enum command command, int argc, char **argv, struct config *ret_config);

/* Gives back what the configuration owns. */
void config_free(struct config *config);

/* Writes the options of a command, one line each. */
void config_help(enum command command);
