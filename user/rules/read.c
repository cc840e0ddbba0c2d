/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as they stand in the configuration file: each mapping is read by a table of its keys. */
#include "read.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "mapping.h"

#define DECIMALS_SUM 6 /* of what is measured, in a sum */

/* What a rule has while it is read, beside itself. */
struct reading {
	struct yaml_file *file;
	struct arena *arena;
	struct rules *rules;
	struct rule *rule;
	struct rule_label *label;
	const yaml_node_t *buckets;
	bool histogram;
	const char *unit;
};

static int no_memory(const struct reading *r)
{
	log_error("%s: no memory", r->file->name);
	return -ENOMEM;
}

static int take_text(struct reading *r, const yaml_node_t *node, const char *what, size_t max,
		     const char **ret_text)
{
	const char *text = yaml_text(node);

	if (!text || strlen(text) > max) {
		yaml_error(r->file, node, "%s takes a text of 1 to %zu bytes", what, max);
		return -EINVAL;
	}
	*ret_text = arena_copy(r->arena, slice_of(text));
	return *ret_text ? 0 : no_memory(r);
}

static int take_number(struct reading *r, const yaml_node_t *node, const char *what, fixed *ret_number)
{
	const char *text = yaml_text(node);
	int err = text && fixed_parse(slice_of(text), ret_number) == 0 ? 0 : -EINVAL;

	if (err)
		yaml_error(r->file, node, "%s takes a number below 2^63, such as 10 or 0.25", what);
	return err;
}

/* Adds the field to those of all rules, if it is not there. Returns its number, or a negative errno. */
static int add_field(struct reading *r, const char *name)
{
	struct rules *rules = r->rules;
	int err;

	for (size_t i = 0; i < rules->fields_len; i++)
		if (strcmp(rules->fields[i].name, name) == 0)
			return (int)i;
	if (rules->fields_len == RULE_FIELDS_MAX)
		return -ENOSPC;
	err = field_parse(r->arena, name, &rules->fields[rules->fields_len]);
	return err ? err : (int)rules->fields_len++;
}

static int take_field(struct reading *r, const yaml_node_t *node, const char *what, unsigned *ret_field)
{
	const char *name;
	char facts[512];
	int n = take_text(r, node, what, 512, &name);

	if (n)
		return n;
	n = add_field(r, name);
	if (n == -ENOMEM)
		return no_memory(r);
	if (n == -ENOSPC)
		return yaml_error(r->file, node, "there are more than %d fields", RULE_FIELDS_MAX);
	if (n < 0)
		return yaml_error(r->file, node,
				  "there is no field '%.100s'; there are %s, attribute.NAME, "
				  "request.body.PATH, response.body.PATH, and length() of a body's array",
				  name, field_facts(facts, sizeof(facts)));
	if (r->rules->fields[n].source >= FIELD_BODY)
		r->rule->reads[r->rules->fields[n].flow] = true;
	*ret_field = (unsigned)n;
	return 0;
}

/* spans: */

static int take_match(struct reading *r, const yaml_node_t *node, const char *what, const char **ret_text)
{
	return take_text(r, node, what, 255, ret_text);
}

static int match_kind(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);

	for (int kind = SPAN_SERVER; text && kind <= SPAN_INTERNAL; kind++)
		if (strcmp(text, span_kind_name(kind)) == 0) {
			r->rule->match.kind = kind;
			return 0;
		}
	return yaml_error(r->file, node, "kind takes server, client or internal");
}

static int match_service(void *ctx, const yaml_node_t *node)
{
	return take_match(ctx, node, "service", &((struct reading *)ctx)->rule->match.service);
}

static int match_method(void *ctx, const yaml_node_t *node)
{
	const char *text = NULL;
	int err = take_match(ctx, node, "method", &text);

	((struct reading *)ctx)->rule->match.method = slice_of(text);
	return err;
}

static int match_route(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = NULL;
	int err = take_match(ctx, node, "route", &text);

	if (!err && text[0] != '/')
		err = yaml_error(r->file, node,
				 "route takes a path as it shows in spans, such as /orders/{id}");
	r->rule->match.route = slice_of(text);
	return err;
}

static int match_function(void *ctx, const yaml_node_t *node)
{
	return take_match(ctx, node, "function", &((struct reading *)ctx)->rule->match.function);
}

static int match_operation(void *ctx, const yaml_node_t *node)
{
	return take_match(ctx, node, "operation", &((struct reading *)ctx)->rule->match.operation);
}

static int match_collection(void *ctx, const yaml_node_t *node)
{
	return take_match(ctx, node, "collection", &((struct reading *)ctx)->rule->match.collection);
}

static int match_status(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	struct rule_match *m = &r->rule->match;
	const char *text = yaml_text(node);

	if (!text || strlen(text) != 3 || text[0] < '1' || text[0] > '9')
		return yaml_error(r->file, node, "status takes a number such as 201, or a class such as 2xx");
	if (strcmp(text + 1, "xx") == 0) {
		m->status_min = (text[0] - '0') * 100;
		m->status_max = m->status_min + 99;
	} else if (text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9') {
		m->status_min = m->status_max = atoi(text);
	} else {
		return yaml_error(r->file, node, "status takes a number such as 201, or a class such as 2xx");
	}
	return 0;
}

static int match_failed(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);

	if (!text || (strcmp(text, "true") && strcmp(text, "false")))
		return yaml_error(r->file, node, "failed takes true or false");
	r->rule->match.asks_failed = true;
	r->rule->match.failed = text[0] == 't';
	return 0;
}

static const struct mapping_key match_keys[] = {
	{ "kind", match_kind, true },
	{ "service", match_service, false },
	{ "method", match_method, false },
	{ "route", match_route, false },
	{ "status", match_status, false },
	{ "failed", match_failed, false },
	{ "function", match_function, false },
	{ "operation", match_operation, false },
	{ "collection", match_collection, false },
};

/* labels: */

static int label_field(void *ctx, const yaml_node_t *node)
{
	return take_field(ctx, node, "field", &((struct reading *)ctx)->label->field);
}

static int label_constant(void *ctx, const yaml_node_t *node)
{
	return take_text(ctx, node, "constant", FIELD_TEXT_MAX, &((struct reading *)ctx)->label->constant);
}

static int label_modulo(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);
	fixed n;

	if (!text || fixed_parse(slice_of(text), &n) || n % FIXED_ONE || n < FIXED_ONE ||
	    n > 1000000000 * FIXED_ONE)
		return yaml_error(r->file, node, "modulo takes a whole number from 1 to 1000000000");
	r->label->modulo = (uint32_t)(n / FIXED_ONE);
	return 0;
}

static int label_below(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	struct rule_label *l = r->label;

	if (node->type != YAML_MAPPING_NODE || !yaml_len(node) || yaml_len(node) > RULE_CHOICES_MAX)
		return yaml_error(r->file, node,
				  "below takes 1 to %d bounds, each with a value: { 2: premium }",
				  RULE_CHOICES_MAX);
	for (size_t i = 0; i < yaml_len(node); i++) {
		struct rule_choice *c = &l->choices[i];
		const yaml_node_t *key = yaml_key(r->file, node, i);
		int err = take_number(r, key, "a bound of below", &c->below);

		if (!err && i && c->below <= c[-1].below)
			err = yaml_error(r->file, key, "the bounds of below must ascend");
		if (err || (err = take_text(r, yaml_at(r->file, node, i), "a value of below", FIELD_TEXT_MAX,
					    &c->value)))
			return err;
	}
	l->choices_len = yaml_len(node);
	return 0;
}

static int label_else(void *ctx, const yaml_node_t *node)
{
	return take_text(ctx, node, "else", FIELD_TEXT_MAX, &((struct reading *)ctx)->label->otherwise);
}

static int label_missing(void *ctx, const yaml_node_t *node)
{
	return take_text(ctx, node, "missing", FIELD_TEXT_MAX, &((struct reading *)ctx)->label->missing);
}

static const struct mapping_key label_keys[] = {
	{ "field", label_field, false },   { "constant", label_constant, false },
	{ "modulo", label_modulo, false }, { "below", label_below, false },
	{ "else", label_else, false },     { "missing", label_missing, false },
};

static int check_label(struct reading *r, const yaml_node_t *node)
{
	const struct rule_label *l = r->label;

	if ((l->field == RULE_NO_FIELD) == !l->constant)
		return yaml_error(r->file, node, "a label has either a field or a constant");
	if (l->constant && (l->modulo || l->choices_len || l->otherwise || l->missing))
		return yaml_error(r->file, node, "a label with a constant has nothing else");
	if (!l->choices_len != !l->otherwise || (l->modulo && !l->choices_len))
		return yaml_error(
			r->file, node,
			"modulo, below and else belong together: { modulo: 10, below: { 2: a }, else: b }");
	return 0;
}

static bool is_name(const char *text, const char *more)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	size_t len = 0;

	if (!strchr(letters, text[0]) && !strchr(more, text[0]))
		return false;
	while (text[len] && (strchr(letters, text[len]) || strchr(more, text[len]) ||
			     (text[len] >= '0' && text[len] <= '9')))
		len++;
	return !text[len] && len <= RULE_NAME_MAX;
}

/* prometheus.io/docs/concepts/data_model: names that start with __ are its own, and le is a histogram's. */
static int label_name(struct reading *r, const yaml_node_t *key, size_t i)
{
	struct rule *rule = r->rule;
	const char *text = yaml_text(key);

	if (!text || !is_name(text, "") || strncmp(text, "__", 2) == 0 || strcmp(text, "le") == 0)
		return yaml_error(r->file, key,
				  "a label's name has up to %d letters, digits and _, does not start with a "
				  "digit or __, and is not le",
				  RULE_NAME_MAX);
	for (size_t j = 0; j < i; j++)
		if (strcmp(rule->label_names[j].name, text) == 0)
			return yaml_error(r->file, key, "the label %s is there twice", text);
	rule->label_names[i].value = (enum label_value)i;
	rule->label_names[i].name = arena_copy(r->arena, slice_of(text));
	return rule->label_names[i].name ? 0 : no_memory(r);
}

/* A field's name, or a mapping. */
static int read_label(struct reading *r, const yaml_node_t *node)
{
	int err;

	r->label->field = RULE_NO_FIELD;
	if (node->type == YAML_SCALAR_NODE)
		return label_field(r, node);
	err = mapping_read(r->file, node, "a label", label_keys, COUNT_OF(label_keys), r);
	return err ? err : check_label(r, node);
}

static int rule_labels(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	int err = 0;

	if (node->type != YAML_MAPPING_NODE || yaml_len(node) > LABELS_MAX)
		return yaml_error(r->file, node,
				  "labels takes up to %d names, each with a field or a mapping", LABELS_MAX);
	r->rule->family.labels_len = yaml_len(node);
	for (size_t i = 0; i < yaml_len(node) && !err; i++) {
		r->label = &r->rule->labels[i];
		err = label_name(r, yaml_key(r->file, node, i), i);
		if (!err)
			err = read_label(r, yaml_at(r->file, node, i));
	}
	return err;
}

/* The rule itself: */

static bool is_taken(const struct rules *rules, const char *name)
{
	for (size_t i = 0; i < FAMILIES_LEN; i++)
		for (size_t j = 0; j < families[i].metrics_len; j++)
			if (strcmp(families[i].metrics[j].name, name) == 0)
				return true;
	for (size_t i = 0; i < rules->len; i++)
		if (strcmp(rules->rules[i].own.metric.name, name) == 0)
			return true;
	return strncmp(name, "spanhook_", 9) == 0 || strncmp(name, "process_", 8) == 0;
}

static int rule_name(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);
	struct slice s = slice_of(text);

	if (!text || !is_name(text, ":") || slice_ends(s, SLICE("_bucket")) || slice_ends(s, SLICE("_sum")) ||
	    slice_ends(s, SLICE("_count")))
		return yaml_error(
			r->file, node,
			"a metric's name has up to %d letters, digits, _ and :, does not start with a "
			"digit, and does not end in _bucket, _sum or _count",
			RULE_NAME_MAX);
	if (is_taken(r->rules, text))
		return yaml_error(r->file, node, "there is a metric %s already; choose another name", text);
	r->rule->own.metric.name = arena_copy(r->arena, s);
	return r->rule->own.metric.name ? 0 : no_memory(r);
}

static int rule_help(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);

	if (text && strpbrk(text, "\\\n\r"))
		return yaml_error(r->file, node, "help is one line without backslashes");
	return take_text(r, node, "help", RULE_HELP_MAX, &r->rule->own.metric.help);
}

static int rule_type(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);

	if (!text || (strcmp(text, "counter") && strcmp(text, "histogram")))
		return yaml_error(r->file, node, "type takes counter or histogram");
	r->histogram = text[0] == 'h';
	r->rule->own.metric.type = r->histogram ? HISTOGRAM : COUNTER;
	return 0;
}

static int rule_unit(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;
	const char *text = yaml_text(node);

	if (text && strpbrk(text, "\\\n\r"))
		return yaml_error(r->file, node, "unit is one line without backslashes");
	return take_text(r, node, "unit", RULE_NAME_MAX, &r->unit);
}

static int rule_spans(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;

	return mapping_read(r->file, node, "spans", match_keys, COUNT_OF(match_keys), r);
}

static int rule_value(void *ctx, const yaml_node_t *node)
{
	return take_field(ctx, node, "value", &((struct reading *)ctx)->rule->value);
}

static int rule_buckets(void *ctx, const yaml_node_t *node)
{
	struct reading *r = ctx;

	if (node->type != YAML_SEQUENCE_NODE || !yaml_len(node) || yaml_len(node) > BOUNDS_MAX)
		return yaml_error(r->file, node, "buckets takes a list of 1 to %d ascending numbers",
				  BOUNDS_MAX);
	r->buckets = node;
	return 0;
}

static const struct mapping_key rule_keys[] = {
	{ "name", rule_name, true },        { "help", rule_help, false },     { "type", rule_type, true },
	{ "unit", rule_unit, false },       { "spans", rule_spans, true },    { "value", rule_value, false },
	{ "buckets", rule_buckets, false }, { "labels", rule_labels, false },
};

static int read_bounds(struct reading *r)
{
	struct rule *rule = r->rule;

	rule->own.scale = (struct scale){ .bounds = rule->bounds, .len = yaml_len(r->buckets) };
	/* Durations count in nanoseconds: nothing is rounded. */
	rule->own.scale.decimals =
		strcmp(r->rules->fields[rule->value].name, "duration") == 0 ? FIXED_DECIMALS : DECIMALS_SUM;
	for (size_t i = 0; i < rule->own.scale.len; i++) {
		const yaml_node_t *node = yaml_at(r->file, r->buckets, i);
		fixed bound;
		int err = take_number(r, node, "a bucket", &bound);

		if (err)
			return err;
		if (fixed_round(bound, rule->own.scale.decimals, &rule->bounds[i]))
			return yaml_error(r->file, node, "a bucket's bound is too large");
		if (i && rule->bounds[i] <= rule->bounds[i - 1])
			return yaml_error(r->file, node, "the buckets' bounds must ascend");
	}
	return 0;
}

static int check_rule(struct reading *r, const yaml_node_t *node)
{
	const struct rule *rule = r->rule;
	bool bodies = rule->reads[FLOW_REQUEST] || rule->reads[FLOW_RESPONSE];

	if (bodies && (rule->match.kind == SPAN_INTERNAL || !rule->match.route.p))
		return yaml_error(
			r->file, node,
			"a rule that reads bodies says of which messages: spans takes kind (server or "
			"client) and route");
	if (r->histogram != (rule->value != RULE_NO_FIELD) || r->histogram != !!r->buckets)
		return yaml_error(r->file, node, "a histogram has value and buckets; a counter has neither");
	return r->histogram ? read_bounds(r) : 0;
}

static int finish_rule(struct reading *r)
{
	struct rule *rule = r->rule;
	const char *help = rule->own.metric.help ? rule->own.metric.help : "Spans counted by a rule";
	size_t size = RULE_HELP_MAX + RULE_NAME_MAX + 4;
	char *text = arena_get(r->arena, size);

	if (!text)
		return no_memory(r);
	snprintf(text, size, r->unit ? "%s (%s)" : "%s%s", help, r->unit ? r->unit : "");
	rule->own.metric.help = text;
	rule->own.metric.measure = OWN;
	rule->family.labels = rule->label_names;
	rule->family.metrics = &rule->own.metric;
	rule->family.metrics_len = 1;
	rule->family.classic = true;
	return 0;
}

static int read_rule(struct reading *r, const yaml_node_t *node)
{
	int err;

	r->rule->value = RULE_NO_FIELD;
	err = mapping_read(r->file, node, "a rule", rule_keys, COUNT_OF(rule_keys), r);
	if (!err)
		err = check_rule(r, node);
	return err ? err : finish_rule(r);
}

int rules_read(struct yaml_file *file, const yaml_node_t *list, struct arena *arena, struct rules **ret_rules)
{
	struct rules *rules = arena_get(arena, sizeof(*rules));
	int err = 0;

	if (list->type != YAML_SEQUENCE_NODE || yaml_len(list) > RULES_MAX)
		return yaml_error(file, list, "rules takes a list of up to %d rules", RULES_MAX);
	for (size_t i = 0; rules && i < yaml_len(list) && !err; i++) {
		struct reading r = { file, arena, rules, &rules->rules[i], NULL, NULL, false, NULL };

		err = read_rule(&r, yaml_at(file, list, i));
		rules->len += !err;
	}
	if (!rules)
		log_error("%s: no memory", file->name);
	*ret_rules = rules;
	return rules ? err : -ENOMEM;
}
