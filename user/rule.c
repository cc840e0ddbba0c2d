/* SPDX-License-Identifier: Apache-2.0 */
#include "rule.h"

#include <fnmatch.h>

#include "series.h"
#include "target.h"

static const struct rules *rules;
static _Atomic uint64_t skips[RULES_MAX][SKIPPED_LEN];

/* Each field of the span at hand is read once, however many rules want it. */
static struct reading {
	uint64_t span; /* number of the span that it was read of */
	enum skipped skipped;
	struct field_value value;
} readings[RULE_FIELDS_MAX];
static uint64_t span_number;

void rules_init(const struct rules *to)
{
	rules = to;
	memset(skips, 0, sizeof(skips));
}

bool rules_read_bodies(const struct rules *some)
{
	for (size_t i = 0; some && i < some->len; i++)
		if (some->rules[i].reads[FLOW_REQUEST] || some->rules[i].reads[FLOW_RESPONSE])
			return true;
	return false;
}

static bool text_matches(const struct span *span, enum span_text which, struct slice wanted)
{
	return !wanted.p || slice_eq(span_text(span, which), wanted);
}

/* What a request tells as it begins, and of its response once that has begun. */
static bool may_match(const struct rule_match *m, const struct span *span)
{
	return m->kind == span->kind && text_matches(span, TEXT_METHOD, m->method) &&
	       text_matches(span, TEXT_ROUTE, m->route);
}

static bool status_matches(const struct rule_match *m, const struct span *span)
{
	return !m->status_max || (span->status >= m->status_min && span->status <= m->status_max);
}

bool rules_want_body(const struct span *span, enum flow flow)
{
	for (size_t i = 0; rules && i < rules->len; i++) {
		const struct rule *r = &rules->rules[i];

		if (r->reads[flow] && may_match(&r->match, span) &&
		    (flow == FLOW_REQUEST || status_matches(&r->match, span)))
			return true;
	}
	return false;
}

static bool glob_matches(const char *glob, struct slice text)
{
	char name[256];

	if (!glob)
		return true;
	if (!text.len || text.len >= sizeof(name))
		return false;
	*slice_put(name, text) = '\0';
	return fnmatch(glob, name, 0) == 0;
}

static bool matches(const struct rule_match *m, const struct span *span)
{
	return may_match(m, span) && status_matches(m, span) &&
	       (!m->asks_failed || span_failed(span) == m->failed) &&
	       glob_matches(m->service, slice_of(span->process ? span->process->service : NULL)) &&
	       glob_matches(m->function, slice_of(span->function)) &&
	       glob_matches(m->operation, span->db_system ? span_text(span, TEXT_METHOD) : SLICE("")) &&
	       glob_matches(m->collection, span_text(span, TEXT_COLLECTION));
}

static enum skipped read_once(unsigned field, const struct work *w, const struct field_value **ret_value)
{
	struct reading *r = &readings[field];

	if (r->span != span_number) {
		r->span = span_number;
		r->skipped = field_read(&rules->fields[field], w, &r->value);
	}
	*ret_value = &r->value;
	return r->skipped;
}

static enum skipped choose(const struct rule_label *l, const struct field_value *value,
			   struct slice *ret_text)
{
	uint32_t remainder;
	fixed number;
	enum skipped skipped = field_number(value, &number);

	if (skipped)
		return skipped;
	if (l->modulo) {
		if (fixed_modulo(number, l->modulo, &remainder))
			return SKIPPED_not_whole;
		number = remainder * FIXED_ONE;
	}
	*ret_text = slice_of(l->otherwise);
	for (size_t i = l->choices_len; i-- && number < l->choices[i].below;)
		*ret_text = slice_of(l->choices[i].value);
	return SKIPPED_not;
}

static enum skipped label_text(const struct rule_label *l, const struct work *w, struct slice *ret_text,
			       char buf[FIXED_TEXT_MAX])
{
	const struct field_value *value;
	enum skipped skipped;

	*ret_text = slice_of(l->constant);
	if (l->field == RULE_NO_FIELD)
		return SKIPPED_not;
	skipped = read_once(l->field, w, &value);
	if (!skipped && l->choices_len)
		skipped = choose(l, value, ret_text);
	else if (!skipped)
		*ret_text = field_text(value, buf);
	if (skipped)
		*ret_text = slice_of(l->missing);
	return skipped;
}

static void skip(size_t rule, enum skipped reason)
{
	atomic_fetch_add_explicit(&skips[rule][reason], 1, memory_order_relaxed);
}

static enum skipped measure(const struct rule *r, const struct work *w, int64_t *ret_units)
{
	const struct field_value *value;
	enum skipped skipped = read_once(r->value, w, &value);
	fixed number;

	if (skipped || (skipped = field_number(value, &number)))
		return skipped;
	return fixed_round(number, r->own.scale.decimals, ret_units) ? SKIPPED_out_of_range : SKIPPED_not;
}

static enum skipped observe(const struct rule *r, _Atomic uint64_t *values, int64_t units)
{
	int64_t sum;
	size_t bucket = 0;

	if (__builtin_add_overflow((int64_t)value_load(&values[0]), units, &sum))
		return SKIPPED_out_of_range;
	while (bucket < r->own.scale.len && units > r->own.scale.bounds[bucket])
		bucket++;
	value_add(&values[0], (uint64_t)units);
	value_add(&values[1 + bucket], 1);
	return SKIPPED_not;
}

static enum skipped count(size_t rule, const struct work *w)
{
	const struct rule *r = &rules->rules[rule];
	struct slice values[LABEL_VALUES];
	char bufs[LABELS_MAX][FIXED_TEXT_MAX];
	struct series *series;
	enum skipped skipped;
	int64_t units = 0;

	for (size_t i = 0; i < r->family.labels_len; i++) {
		skipped = label_text(&r->labels[i], w, &values[i], bufs[i]);
		if (skipped && !r->labels[i].missing)
			return skipped;
		if (skipped)
			skip(rule, skipped);
	}
	if (r->value != RULE_NO_FIELD && (skipped = measure(r, w, &units)))
		return skipped;
	series = series_find(FAMILIES_LEN + (unsigned)rule, values);
	if (r->value != RULE_NO_FIELD)
		return observe(r, series->values, units);
	value_add(series->values, 1);
	return SKIPPED_not;
}

void rules_add(const struct work *w)
{
	span_number++;
	for (size_t i = 0; rules && i < rules->len; i++) {
		enum skipped skipped;

		if (matches(&rules->rules[i].match, &w->span) && (skipped = count(i, w)))
			skip(i, skipped);
	}
}

uint64_t rule_skipped(size_t rule, enum skipped reason)
{
	return atomic_load_explicit(&skips[rule][reason], memory_order_relaxed);
}

const char *skipped_name(enum skipped reason)
{
	static const char *const names[SKIPPED_LEN] = {
#define SKIPPED(reason, help) [SKIPPED_##reason] = #reason,
#include "skipped.def"
#undef SKIPPED
	};

	return names[reason];
}
