/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the configuration file: any bytes are taken, or refused with one line; what is taken holds to its
 * bounds, and every field that its rules read can be read of a span that has nothing.
 */
#include "fuzz.h"

#include "config_file.h"
#include "rule.h"

static int set_any(struct config *config, const char *value)
{
	(void)config;
	return value && value[0] == '!' ? -1 : 0;
}

static const struct option_row rows[] = {
	{ "port", 0, "N", COMMAND_AGENT | MANY, set_any, "a port" },
	{ "output", 0, "WHAT", COMMAND_AGENT, set_any, "an output" },
	{ "stats", 0, NULL, COMMAND_AGENT, set_any, "a switch" },
};
#define ROWS_LEN (sizeof(rows) / sizeof(rows[0]))

static void check_rule(const struct rules *rules, const struct rule *r, const struct work *nothing)
{
	struct field_value value;

	HOLD(r->own.metric.name && r->own.metric.help && r->family.labels_len <= LABELS_MAX);
	HOLD((r->own.metric.type == HISTOGRAM) == (r->value < rules->fields_len));
	HOLD(r->own.scale.len <= BOUNDS_MAX);
	for (size_t i = 1; i < r->own.scale.len; i++)
		HOLD(r->own.scale.bounds[i - 1] < r->own.scale.bounds[i]);
	for (size_t i = 0; i < r->family.labels_len; i++) {
		const struct rule_label *l = &r->labels[i];

		HOLD(r->family.labels[i].name && !l->constant == (l->field < rules->fields_len));
		HOLD(!l->choices_len == !l->otherwise);
		if (!l->constant)
			field_read(&rules->fields[l->field], nothing, &value);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_silence();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct work nothing;
	bool given[ROWS_LEN] = { 0 };
	struct config config = { 0 };
	FILE *in;

	if (!size)
		return 0;
	nothing.span.protocol = "http";
	in = fmemopen((void *)data, size, "r");
	HOLD(in);
	if (config_file_read(in, "input", COMMAND_AGENT, rows, ROWS_LEN, given, &config) == 0)
		for (size_t i = 0; config.rules && i < config.rules->len; i++)
			check_rule(config.rules, &config.rules->rules[i], &nothing);
	fclose(in);
	arena_free(&config.owned);
	return 0;
}
