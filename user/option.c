/* SPDX-License-Identifier: Apache-2.0 */
#include "option.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "baggage.h"
#include "base/log.h"
#include "hooks/spec.h"

/* Digits and one of the suffixes, each with its factor; at most max. */
static int parse_number(const char *text, const char *const suffixes[], const uint64_t factors[],
			uint64_t max, uint64_t *ret_number)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || text[0] == '-')
		return -EINVAL;
	for (size_t i = 0; suffixes[i]; i++)
		if (strcmp(end, suffixes[i]) == 0 && n <= max / factors[i]) {
			*ret_number = n * factors[i];
			return 0;
		}
	return -EINVAL;
}

static int parse_count(const char *text, uint64_t min, uint64_t max, uint32_t *ret_count)
{
	static const char *const suffixes[] = { "", "k", NULL };
	static const uint64_t factors[] = { 1, 1000 };
	uint64_t n;

	if (parse_number(text, suffixes, factors, max, &n) || n < min)
		return -EINVAL;
	*ret_count = (uint32_t)n;
	return 0;
}

static int parse_size(const char *text, uint64_t min, uint64_t max, uint32_t *ret_len)
{
	static const char *const suffixes[] = { "", "K", "KiB", "M", "MiB", NULL };
	static const uint64_t factors[] = { 1, 1 << 10, 1 << 10, 1 << 20, 1 << 20 };
	uint64_t n;

	if (parse_number(text, suffixes, factors, max, &n) || n < min)
		return -EINVAL;
	*ret_len = (uint32_t)n;
	return 0;
}

static int set_pid(struct config *c, const char *value)
{
	if (c->pids_len == CONFIG_SELECTORS_MAX)
		return -EINVAL;
	return parse_count(value, 1, INT_MAX, &c->pids[c->pids_len]) ? -EINVAL : (c->pids_len++, 0);
}

static int set_exe(struct config *c, const char *value)
{
	if (c->exes_len == CONFIG_SELECTORS_MAX || !value[0])
		return -EINVAL;
	c->exes[c->exes_len++] = value;
	return 0;
}

static int set_port(struct config *c, const char *value)
{
	uint32_t port;

	if (c->ports_len == CONFIG_SELECTORS_MAX || parse_count(value, 1, UINT16_MAX, &port))
		return -EINVAL;
	c->ports[c->ports_len++] = (uint16_t)port;
	return 0;
}

static int set_function(struct config *c, const char *value)
{
	const char *why = "more than there is room for";
	struct spec spec;

	if (c->functions_len < CONFIG_SELECTORS_MAX && spec_parse(value, &spec, &why) == 0) {
		c->functions[c->functions_len++] = value;
		return 0;
	}
	log_error("--function: %s", why);
	return -EINVAL;
}

static int set_functions_list(struct config *c, const char *value)
{
	c->functions_list = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_function_rate(struct config *c, const char *value)
{
	return parse_count(value, 1, 100000000, &c->function_rate);
}

static int set_function_cpu(struct config *c, const char *value)
{
	return parse_count(value, 1, 10000, &c->function_cpu);
}

static int parse_share(const char *text, double max, double *ret_share)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0 && n <= max))
		return -EINVAL;
	*ret_share = n;
	return 0;
}

static int set_budget_cpu(struct config *c, const char *value)
{
	return parse_share(value, 10000, &c->budget_cpu);
}

static int set_budget_target_cpu(struct config *c, const char *value)
{
	return parse_share(value, 10000, &c->budget_target_cpu);
}

static int set_budget_memory(struct config *c, const char *value)
{
	return parse_size(value, 0, UINT32_MAX, &c->budget_memory_len);
}

static int parse_auto(const char *value, bool *ret_on)
{
	*ret_on = strcmp(value, "auto") == 0;
	return *ret_on || strcmp(value, "off") == 0 ? 0 : -EINVAL;
}

static int set_sqlite(struct config *c, const char *value)
{
	return parse_auto(value, &c->sqlite);
}

#define RUNTIME(name, option, map, map_len, help)                                                            \
	static int set_##name(struct config *c, const char *value)                                           \
	{                                                                                                    \
		return parse_auto(value, &c->runtimes[RUNTIME_##name]);                                      \
	}
#include "../bpf/runtimes.def"
#undef RUNTIME

static int set_output(struct config *c, const char *value)
{
	c->output = strcmp(value, "json") == 0 ? OUTPUT_JSON : OUTPUT_TEXT;
	return strcmp(value, "json") && strcmp(value, "text") ? -EINVAL : 0;
}

static int set_color(struct config *c, const char *value)
{
	c->color = strcmp(value, "always") == 0 || (strcmp(value, "auto") == 0 && c->color);
	return strcmp(value, "always") && strcmp(value, "auto") && strcmp(value, "never") ? -EINVAL : 0;
}

static int set_duration(struct config *c, const char *value)
{
	static const char *const suffixes[] = { "s", "", "ms", "m", "h", NULL };
	static const uint64_t factors[] = { 1000000000, 1000000000, 1000000, 60000000000, 3600000000000 };

	return parse_number(value, suffixes, factors, UINT64_MAX / 2, &c->duration_ns) || !c->duration_ns
		       ? -EINVAL
		       : 0;
}

static int set_log(struct config *c, const char *value)
{
	c->log_path = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_listen(struct config *c, const char *value)
{
	c->listen = strcmp(value, "none") == 0 ? NULL : value;
	return value[0] ? 0 : -EINVAL;
}

static int set_metrics(struct config *c, const char *value)
{
	c->metrics_classic = strcmp(value, "classic") == 0 || strcmp(value, "classic,semconv") == 0 ||
			     strcmp(value, "semconv,classic") == 0;
	c->metrics_semconv = strcmp(value, "semconv") == 0 || (c->metrics_classic && strchr(value, ','));
	return c->metrics_classic || c->metrics_semconv ? 0 : -EINVAL;
}

static int set_label_sets(struct config *c, const char *value)
{
	return parse_count(value, 1, 1000000, &c->label_sets_max);
}

static int set_traces(struct config *c, const char *value)
{
	return parse_count(value, 0, 100000, &c->traces_max);
}

static int set_capture(struct config *c, const char *value)
{
	return parse_size(value, 256, 8192, &c->capture_len);
}

static int set_ring(struct config *c, const char *value)
{
	int err = parse_size(value, 64 << 10, 1 << 30, &c->ring_len);

	return err ? err : c->ring_len & (c->ring_len - 1) ? -EINVAL : 0;
}

static int set_connections(struct config *c, const char *value)
{
	return parse_count(value, 16, 1 << 20, &c->connections_max);
}

static int set_spans(struct config *c, const char *value)
{
	return parse_count(value, 16, 1 << 20, &c->spans_max);
}

static int set_statements(struct config *c, const char *value)
{
	return parse_count(value, 16, 1 << 20, &c->statements_max);
}

static int set_query_text(struct config *c, const char *value)
{
	c->query_text_raw = strcmp(value, "raw") == 0;
	return c->query_text_raw || strcmp(value, "sanitized") == 0 ? 0 : -EINVAL;
}

static int set_record(struct config *c, const char *value)
{
	c->record_path = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_replay(struct config *c, const char *value)
{
	c->replay_path = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_stats(struct config *c, const char *value)
{
	(void)value;
	c->stats = true;
	return 0;
}

static int set_exclude(struct config *c, const char *value)
{
	if (c->excludes_len == CONFIG_SELECTORS_MAX || !value[0])
		return -EINVAL;
	c->excludes[c->excludes_len++] = value;
	return 0;
}

static int set_html(struct config *c, const char *value)
{
	c->html_path = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_matched(struct config *c, const char *value)
{
	return parse_share(value, 100, &c->matched_percent);
}

static int set_parents(struct config *c, const char *value)
{
	return parse_share(value, 100, &c->parents_percent);
}

static int set_config(struct config *c, const char *value)
{
	c->config_path = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_body_limit(struct config *c, const char *value)
{
	return parse_size(value, 256, 48 << 10, &c->body_limit_len);
}

static int set_bodies(struct config *c, const char *value)
{
	return parse_count(value, 16, 1 << 16, &c->bodies_max);
}

static int set_baggage(struct config *c, const char *value)
{
	(void)c;
	return baggage_select(value);
}

static int set_exact_turns(struct config *c, const char *value)
{
	(void)value;
	c->exact_turns = true;
	return 0;
}

const struct option_row option_rows[] = {
	{ "config", 0, "FILE", COMMAND_ATTACH | COMMAND_AGENT | COMMAND_CHECK, set_config,
	  "read options and rules from this YAML file; what the command line says comes first" },
	{ "pid", 'p', "PID", COMMAND_ATTACH | COMMAND_AGENT | MANY, set_pid,
	  "trace this process and all that it forks; may be given again" },
	{ "exe", 0, "GLOB", COMMAND_ATTACH | COMMAND_AGENT | MANY, set_exe,
	  "trace every process, now and later, whose executable's path matches" },
	{ "port", 0, "N", COMMAND_ATTACH | COMMAND_AGENT | MANY, set_port,
	  "trace every process, now and later, that listens on this TCP port" },
	{ "function", 0, "SPEC", COMMAND_ATTACH | COMMAND_AGENT | MANY, set_function,
	  "trace calls of a function: [LIBRARY:]NAME[(ATTRIBUTE=ARGUMENT,...)] [error if return < 0]" },
	{ "functions-list", 0, "GLOB", COMMAND_ATTACH, set_functions_list,
	  "print the functions of the processes that could be traced, and end" },
	{ "function-rate", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_function_rate,
	  "calls a second beyond which a function is no longer traced (default: 5k)" },
	{ "function-cpu", 0, "PERCENT", COMMAND_ATTACH | COMMAND_AGENT, set_function_cpu,
	  "of one core that all traced functions may cost (default: 1)" },
	{ "sqlite", 0, "auto|off", COMMAND_ATTACH | COMMAND_AGENT, set_sqlite,
	  "trace what SQLite executes in the processes (default: auto)" },
#define RUNTIME(name, option, map, map_len, help)                                                            \
	{ option, 0, "auto|off", COMMAND_ATTACH | COMMAND_AGENT, set_##name, help },
#include "../bpf/runtimes.def"
#undef RUNTIME
	{ "output", 0, "text|json", COMMAND_ATTACH | COMMAND_CHECK | COMMAND_COMPARE, set_output,
	  "what is printed: for people, or one JSON object a line (default: text)" },
	{ "color", 0, "auto|always|never", COMMAND_ATTACH | COMMAND_CHECK, set_color,
	  "colours (default: auto, on a terminal unless NO_COLOR is set)" },
	{ "duration", 0, "TIME", COMMAND_ATTACH | COMMAND_AGENT, set_duration,
	  "end after this time: 500ms, 10s, 5m, 1h (default: when stopped)" },
	{ "log", 0, "FILE", COMMAND_ATTACH | COMMAND_AGENT, set_log,
	  "write each span as a JSON line to FILE; - is standard output" },
	{ "listen", 0, "ADDRESS:PORT", COMMAND_ATTACH | COMMAND_AGENT, set_listen,
	  "serve /metrics, /traces and /healthz there (agent's default: 127.0.0.1:9090; none: do not)" },
	{ "metrics", 0, "LIST", COMMAND_ATTACH | COMMAND_AGENT, set_metrics,
	  "families of names: classic, semconv or both (default: classic,semconv)" },
	{ "label-sets", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_label_sets,
	  "label sets of each metric; what is beyond is counted as \"other\" (default: 2000)" },
	{ "traces", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_traces,
	  "traces that are kept for /traces, in 4K for each; such as 256; 0: none (default: 0)" },
	{ "capture", 0, "SIZE", COMMAND_ATTACH | COMMAND_AGENT, set_capture,
	  "bytes that are captured after each change of direction, 256 to 8K (default: 8K)" },
	{ "ring-size", 0, "SIZE", COMMAND_ATTACH | COMMAND_AGENT, set_ring,
	  "buffer between kernel and agent, a power of two, 64K to 1024M (default: 4M)" },
	{ "max-connections", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_connections,
	  "connections that are followed at a time (default: 65536)" },
	{ "max-spans", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_spans,
	  "spans in flight at a time (default: 65536)" },
	{ "max-statements", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_statements,
	  "prepared statements that are remembered (default: 8192)" },
	{ "query-text", 0, "sanitized|raw", COMMAND_ATTACH | COMMAND_AGENT, set_query_text,
	  "literals of database statements: replaced by ?, or kept (default: sanitized)" },
	{ "body-limit", 0, "SIZE", COMMAND_ATTACH | COMMAND_AGENT, set_body_limit,
	  "bytes of a body that rules can read, 256 to 48K (default: 16K)" },
	{ "max-bodies", 0, "N", COMMAND_ATTACH | COMMAND_AGENT, set_bodies,
	  "bodies that are kept at a time while rules read some (default: 2048)" },
	{ "budget-cpu", 0, "PERCENT", COMMAND_ATTACH | COMMAND_AGENT, set_budget_cpu,
	  "of one core that spanhook itself may take; beyond, less is traced (default: 0, no budget)" },
	{ "budget-target-cpu", 0, "PERCENT", COMMAND_ATTACH | COMMAND_AGENT, set_budget_target_cpu,
	  "of one core that its programs in the kernel may take of any one process (default: 0, no budget)" },
	{ "budget-memory", 0, "SIZE", COMMAND_ATTACH | COMMAND_AGENT, set_budget_memory,
	  "memory that spanhook and its maps in the kernel may take (default: 0, no budget)" },
	{ "record", 0, "FILE", COMMAND_ATTACH | COMMAND_AGENT, set_record,
	  "write all that comes from the kernel to FILE, requests' heads included" },
	{ "replay", 0, "FILE", COMMAND_ATTACH | COMMAND_AGENT, set_replay,
	  "trace nothing; show what was recorded in FILE, the same spans again; needs no root" },
	{ "baggage", 0, "MEMBER[,MEMBER]", COMMAND_ATTACH | COMMAND_AGENT, set_baggage,
	  "members of the W3C baggage of a request that become attributes of its span" },
	{ "exact-turns", 0, NULL, COMMAND_ATTACH | COMMAND_AGENT, set_exact_turns,
	  "see where the turns of event loops end; slows every system call of the host down a little" },
	{ "stats", 0, NULL, COMMAND_ATTACH | COMMAND_AGENT, set_stats,
	  "at the end, print what was seen and what was lost, by reason" },
	{ "html", 0, "FILE", COMMAND_COMPARE, set_html,
	  "write a page with plots, complete in itself, to FILE" },
	{ "exclude", 0, "GLOB", COMMAND_COMPARE | MANY, set_exclude,
	  "leave out spans whose method and path (or name) match, like 'POST /v1/traces'; may be given "
	  "again" },
	{ "matched", 0, "PERCENT", COMMAND_COMPARE, set_matched,
	  "exit code 3 when fewer of the spans that both sides can know are matched (default: 100)" },
	{ "parents", 0, "PERCENT", COMMAND_COMPARE, set_parents,
	  "exit code 3 when fewer of the matched spans name the same parent (default: 0)" },
};
const size_t option_rows_len = sizeof(option_rows) / sizeof(option_rows[0]);
_Static_assert(sizeof(option_rows) / sizeof(option_rows[0]) < OPTIONS_MAX,
	       "a set of options and rules has room for all");

int option_set(const struct option_row *row, const char *value, struct config *config)
{
	if (row->arg)
		return row->set(config, value);
	if (strcmp(value, "true") == 0)
		return row->set(config, NULL);
	return strcmp(value, "false") == 0 ? 0 : -EINVAL;
}
