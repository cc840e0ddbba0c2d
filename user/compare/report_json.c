/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>

#include "compare/report.h"

static void add_count(cJSON *object, const char *name, uint64_t count)
{
	cJSON_AddNumberToObject(object, name, (double)count);
}

static void add_side(cJSON *root, const char *name, const struct recording *r)
{
	cJSON *o = cJSON_AddObjectToObject(root, name);

	cJSON_AddStringToObject(o, "path", r->path);
	add_count(o, "spans", r->len);
	add_count(o, "malformed", r->malformed);
	add_count(o, "duplicates", r->duplicates);
	add_count(o, "excluded", r->excluded);
	add_count(o, "beyond_limit", r->beyond);
	add_count(o, "attributes_cut", r->cut);
	add_count(o, "clock_ns", r->clock_ns);
}

static void add_spread(cJSON *tally, const char *name, const struct spread *s)
{
	cJSON *o;

	if (!s->count)
		return;
	o = cJSON_AddObjectToObject(tally, name);
	cJSON_AddNumberToObject(o, "median", (double)s->median / 1000);
	cJSON_AddNumberToObject(o, "p50", (double)s->p50 / 1000);
	cJSON_AddNumberToObject(o, "p90", (double)s->p90 / 1000);
	cJSON_AddNumberToObject(o, "p99", (double)s->p99 / 1000);
	cJSON_AddNumberToObject(o, "max", (double)s->max / 1000);
}

static void fill_tally(cJSON *o, const struct tally *t)
{
	cJSON *parents;

	add_count(o, "ours", t->ours);
	add_count(o, "theirs", t->theirs);
	add_count(o, "matched", t->matched);
	add_count(o, "missing_ours", t->theirs - t->matched);
	add_count(o, "missing_theirs", t->ours - t->matched);
	cJSON_AddNumberToObject(o, "matched_percent", percent(t->matched, tally_most(t)));
	parents = cJSON_AddObjectToObject(o, "parents");
	add_count(parents, "agree", t->parents.agree);
	add_count(parents, "through_others", t->parents.through);
	add_count(parents, "unknown_ours", t->parents.unknown);
	add_count(parents, "unknown_theirs", t->parents.unknown_theirs);
	add_count(parents, "disagree", t->parents.disagree);
	add_count(o, "status_agree", t->status_agree);
	add_count(o, "status_differ", t->status_differ);
	add_spread(o, "start_us", &t->start);
	add_spread(o, "duration_us", &t->duration);
}

static void add_labels(cJSON *root, const struct judgement *j)
{
	cJSON *list = cJSON_AddArrayToObject(root, "labels");

	for (uint32_t i = 0; i < j->tallies_len; i++) {
		const struct tally *t = &j->tallies[i];
		cJSON *o = cJSON_CreateObject();

		cJSON_AddStringToObject(o, "kind", kind_name(t->kind));
		cJSON_AddStringToObject(o, "label", t->label);
		cJSON_AddBoolToObject(o, "one_sided", t->one_sided);
		fill_tally(o, t);
		cJSON_AddItemToArray(list, o);
	}
}

static void add_attributes(cJSON *root, const struct judgement *j)
{
	cJSON *all = cJSON_AddObjectToObject(root, "attributes");

	for (uint32_t i = 0; i < j->attributes_len; i++) {
		const struct attribute_tally *a = &j->attributes[i];
		cJSON *o = cJSON_AddObjectToObject(all, a->name), *example;

		add_count(o, "equal", a->equal);
		add_count(o, "differ", a->differ);
		add_count(o, "only_ours", a->only_ours);
		add_count(o, "only_theirs", a->only_theirs);
		if (!a->differ)
			continue;
		example = cJSON_AddObjectToObject(o, "example");
		cJSON_AddStringToObject(example, "ours", a->ours);
		cJSON_AddStringToObject(example, "theirs", a->theirs);
	}
}

int report_json(const struct judgement *j, FILE *out)
{
	cJSON *root = cJSON_CreateObject(), *kinds;
	char *text;

	add_side(root, "ours", &j->ours);
	add_side(root, "theirs", &j->theirs);
	fill_tally(cJSON_AddObjectToObject(root, "all"), &j->all);
	kinds = cJSON_AddObjectToObject(root, "kinds");
	for (int kind = 0; kind < KINDS; kind++)
		if (tally_most(&j->kinds[kind]))
			fill_tally(cJSON_AddObjectToObject(kinds, kind_name((enum record_kind)kind)),
				   &j->kinds[kind]);
	add_labels(root, j);
	add_attributes(root, j);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}
