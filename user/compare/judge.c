/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/name.h"

#define DEPTH_MAX 256 /* spans above one another */

/* A pair, or a span that is missing on the other side. */
struct entry {
	const struct record *ours, *theirs; /* NULL: missing */
	const char *label;
	enum record_kind kind;
	bool one_sided;
};

/* What is above a span: one that is paired, an id that is not in the file, or neither. */
struct above {
	const struct record *paired;
	const struct record *last; /* names a parent that is not in the file */
	bool through;
};

struct judge {
	struct judgement *result;
	struct entry *entries;
	uint32_t len;
	int64_t *values; /* room for a value of each entry */
	uint32_t *counts;
	struct attribute_tally *by_name;
};

static int by_label(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = (int)x->kind - (int)y->kind;
	uint64_t x_ns = x->ours ? x->ours->start_ns : x->theirs->start_ns;
	uint64_t y_ns = y->ours ? y->ours->start_ns : y->theirs->start_ns;

	if (!order)
		order = strcmp(x->label, y->label);
	return order ? order : (x_ns > y_ns) - (x_ns < y_ns);
}

static void list_entries(struct judge *j)
{
	const struct recording *ours = &j->result->ours, *theirs = &j->result->theirs;

	for (uint32_t i = 0; i < ours->len; i++) {
		const struct record *s = &ours->records[i];

		j->entries[j->len++] =
			(struct entry){ s, s->match == RECORD_NONE ? NULL : &theirs->records[s->match],
					s->label, s->kind, false };
	}
	for (uint32_t i = 0; i < theirs->len; i++)
		if (theirs->records[i].match == RECORD_NONE)
			j->entries[j->len++] =
				(struct entry){ NULL, &theirs->records[i], theirs->records[i].label,
						theirs->records[i].kind, false };
	qsort(j->entries, j->len, sizeof(j->entries[0]), by_label);
}

static uint32_t slice_end(const struct judge *j, uint32_t from)
{
	uint32_t to = from + 1;

	while (to < j->len && j->entries[to].kind == j->entries[from].kind &&
	       strcmp(j->entries[to].label, j->entries[from].label) == 0)
		to++;
	return to;
}

static bool is_database(const struct record *s)
{
	return record_get(s, NAME_DB_OPERATION) != NULL;
}

/* Sides (1 ours, 2 theirs) that have spans of this kind, databases apart. */
static unsigned int sides_of_kind(const struct judge *j, enum record_kind kind, bool database)
{
	unsigned int sides = 0;

	for (uint32_t i = 0; i < j->len && sides != 3; i++) {
		const struct entry *e = &j->entries[i];

		if (e->kind == kind && e->ours && is_database(e->ours) == database)
			sides |= 1;
		if (e->kind == kind && e->theirs && is_database(e->theirs) == database)
			sides |= 2;
	}
	return sides;
}

/* Internal spans are whatever somebody chose to name: those with a name that only one side has are its own.
 */
static void mark_one_sided(struct judge *j)
{
	unsigned int kind_sides[KINDS][2];

	for (int kind = 0; kind < KINDS; kind++)
		for (int database = 0; database < 2; database++)
			kind_sides[kind][database] = sides_of_kind(j, (enum record_kind)kind, database);
	for (uint32_t from = 0, to; from < j->len; from = to) {
		enum record_kind kind = j->entries[from].kind;
		unsigned int sides = 0;

		to = slice_end(j, from);
		for (uint32_t i = from; i < to; i++)
			sides |= (j->entries[i].ours ? 1U : 0) | (j->entries[i].theirs ? 2U : 0);
		for (uint32_t i = from; i < to; i++) {
			struct entry *e = &j->entries[i];
			bool database = is_database(e->ours ? e->ours : e->theirs);

			e->one_sided = kind == KIND_INTERNAL ? sides != 3 : kind_sides[kind][database] != 3;
		}
	}
}

static struct above look_up(const struct recording *all, const struct record *s)
{
	struct above result = { 0 };

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (s->parent == RECORD_NONE) {
			result.last = s->has_parent ? s : NULL;
			return result;
		}
		s = &all->records[s->parent];
		if (s->match != RECORD_NONE) {
			result.paired = s;
			return result;
		}
		result.through = true;
	}
	return result;
}

static bool same_parent_id(const struct record *a, const struct record *b)
{
	return memcmp(a->trace_id, b->trace_id, sizeof(a->trace_id)) == 0 &&
	       memcmp(a->parent_id, b->parent_id, sizeof(a->parent_id)) == 0;
}

static void judge_parents(const struct judgement *r, const struct entry *e, struct parents *p)
{
	struct above ours = look_up(&r->ours, e->ours), theirs = look_up(&r->theirs, e->theirs);
	bool ours_none = !ours.paired && !ours.last, theirs_none = !theirs.paired && !theirs.last, agree;

	if (ours.paired && theirs.paired)
		agree = &r->theirs.records[ours.paired->match] == theirs.paired;
	else
		agree = (ours_none && theirs_none) ||
			(ours.last && theirs.last && same_parent_id(ours.last, theirs.last));
	p->agree += agree;
	p->through += agree && (ours.through || theirs.through);
	p->unknown += !agree && ours_none;
	p->unknown_theirs += !agree && theirs_none;
	p->disagree += !agree && !ours_none && !theirs_none;
}

static int64_t start_distance(const struct entry *e)
{
	return (int64_t)(e->theirs->start_ns - e->ours->start_ns);
}

static int64_t duration_distance(const struct entry *e)
{
	return (int64_t)(e->theirs->end_ns - e->theirs->start_ns) -
	       (int64_t)(e->ours->end_ns - e->ours->start_ns);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The nearest rank: the smallest value that is not below p per cent of them. */
static int64_t rank(const int64_t *sorted, uint32_t len, uint32_t p)
{
	return sorted[((uint64_t)len * p + 99) / 100 - 1];
}

static struct spread spread_of(int64_t *values, uint32_t len)
{
	struct spread s = { .count = len };

	if (!len)
		return s;
	qsort(values, len, sizeof(*values), by_value);
	s.median = rank(values, len, 50);
	for (uint32_t i = 0; i < len; i++)
		values[i] = llabs(values[i]);
	qsort(values, len, sizeof(*values), by_value);
	s.p50 = (uint64_t)rank(values, len, 50);
	s.p90 = (uint64_t)rank(values, len, 90);
	s.p99 = (uint64_t)rank(values, len, 99);
	s.max = (uint64_t)values[len - 1];
	return s;
}

static struct spread spread_over(struct judge *j, uint32_t from, uint32_t to, bool with_one_sided,
				 int64_t (*distance)(const struct entry *e))
{
	uint32_t len = 0;

	for (uint32_t i = from; i < to; i++) {
		const struct entry *e = &j->entries[i];

		if (e->ours && e->theirs && (with_one_sided || !e->one_sided))
			j->values[len++] = distance(e);
	}
	return spread_of(j->values, len);
}

static struct tally tally_over(struct judge *j, uint32_t from, uint32_t to, bool with_one_sided)
{
	struct tally t = { 0 };

	for (uint32_t i = from; i < to; i++) {
		const struct entry *e = &j->entries[i];

		if (e->one_sided && !with_one_sided)
			continue;
		t.ours += e->ours != NULL;
		t.theirs += e->theirs != NULL;
		if (!e->ours || !e->theirs)
			continue;
		t.matched++;
		t.status_agree += e->ours->failed == e->theirs->failed;
		t.status_differ += e->ours->failed != e->theirs->failed;
		judge_parents(j->result, e, &t.parents);
	}
	t.start = spread_over(j, from, to, with_one_sided, start_distance);
	t.duration = spread_over(j, from, to, with_one_sided, duration_distance);
	return t;
}

static int tally_all(struct judge *j)
{
	struct judgement *r = j->result;
	uint32_t labels = 0, kind_from = 0;

	for (uint32_t from = 0; from < j->len; from = slice_end(j, from))
		labels++;
	r->tallies = calloc(labels + 1, sizeof(*r->tallies));
	if (!r->tallies)
		return -ENOMEM;
	for (uint32_t from = 0, to; from < j->len; from = to) {
		struct tally *t = &r->tallies[r->tallies_len++];

		to = slice_end(j, from);
		*t = tally_over(j, from, to, true);
		t->kind = j->entries[from].kind;
		t->label = j->entries[from].label;
		t->one_sided = j->entries[from].one_sided;
		if (to < j->len && j->entries[to].kind == t->kind)
			continue;
		r->kinds[t->kind] = tally_over(j, kind_from, to, false);
		r->kinds[t->kind].kind = t->kind;
		kind_from = to;
	}
	r->all = tally_over(j, 0, j->len, false);
	return 0;
}

/* /orders/{id}, /orders/:id and /orders/<int:id> are the same route. */
static const char *skip_parameter(const char *p)
{
	static const char ends[][2] = { { '{', '}' }, { '<', '>' } };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (*p == ends[i][0] && strchr(p, ends[i][1]))
			return strchr(p, ends[i][1]) + 1;
	return *p == ':' ? p + strcspn(p, "/") : p;
}

static bool same_route(const char *a, const char *b)
{
	while (*a && *b) {
		const char *a_end = skip_parameter(a), *b_end = skip_parameter(b);

		if ((a_end == a) != (b_end == b) || (a_end == a && *a != *b))
			return false;
		a = a_end == a ? a + 1 : a_end;
		b = b_end == b ? b + 1 : b_end;
	}
	return *a == *b;
}

static bool same_value(const struct attribute *a, const struct attribute *b)
{
	return strcmp(a->value, b->value) == 0 || (name_is_route(a->name) && same_route(a->value, b->value));
}

static void count_attributes(struct judge *j, const struct record *ours, const struct record *theirs)
{
	const struct attribute *a = ours->attributes, *a_end = a + ours->attributes_len;
	const struct attribute *b = theirs->attributes, *b_end = b + theirs->attributes_len;

	while (a < a_end || b < b_end) {
		int order = a == a_end ? 1 : b == b_end ? -1 : a->name - b->name;
		struct attribute_tally *t = &j->by_name[order <= 0 ? a->name : b->name];

		if (order < 0) {
			t->only_ours++;
		} else if (order > 0) {
			t->only_theirs++;
		} else if (same_value(a, b)) {
			t->equal++;
		} else if (!t->differ++) {
			t->ours = a->value;
			t->theirs = b->value;
		}
		a += order <= 0;
		b += order >= 0;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct attribute_tally *)a)->name, ((const struct attribute_tally *)b)->name);
}

static int judge_attributes(struct judge *j)
{
	struct judgement *r = j->result;

	j->by_name = calloc(names_len() + 1, sizeof(*j->by_name));
	r->attributes = j->by_name;
	if (!j->by_name)
		return -ENOMEM;
	for (uint32_t i = 0; i < j->len; i++)
		if (j->entries[i].ours && j->entries[i].theirs)
			count_attributes(j, j->entries[i].ours, j->entries[i].theirs);
	for (uint16_t i = 0; i < names_len(); i++) {
		struct attribute_tally *t = &j->by_name[i];

		t->name = name_text(i);
		if (t->equal + t->differ + t->only_ours + t->only_theirs)
			r->attributes[r->attributes_len++] = *t;
	}
	qsort(r->attributes, r->attributes_len, sizeof(*r->attributes), by_text);
	return 0;
}

static int by_kind(const void *a, const void *b)
{
	const struct distance *x = a, *y = b;
	int order = (int)x->kind - (int)y->kind;

	return order ? order : (x->ours > y->ours) - (x->ours < y->ours);
}

static int list_distances(struct judge *j)
{
	struct judgement *r = j->result;

	r->distances = calloc(j->len + 1, sizeof(*r->distances));
	if (!r->distances)
		return -ENOMEM;
	for (uint32_t i = 0; i < j->len; i++) {
		const struct entry *e = &j->entries[i];

		if (e->ours && e->theirs)
			r->distances[r->distances_len++] =
				(struct distance){ start_distance(e), duration_distance(e), e->kind,
						   (uint32_t)(e->ours - r->ours.records) };
	}
	qsort(r->distances, r->distances_len, sizeof(*r->distances), by_kind);
	return 0;
}

int judge(struct recording *ours, struct recording *theirs, struct judgement *ret_judgement)
{
	struct judge j = { .result = ret_judgement };
	size_t most = (size_t)ours->len + theirs->len;
	int err = -ENOMEM;

	memset(ret_judgement, 0, sizeof(*ret_judgement));
	ret_judgement->ours = *ours;
	ret_judgement->theirs = *theirs;
	j.entries = calloc(most, sizeof(*j.entries));
	j.values = calloc(most, sizeof(*j.values));
	if (j.entries && j.values) {
		list_entries(&j);
		mark_one_sided(&j);
		err = tally_all(&j);
		if (!err)
			err = judge_attributes(&j);
		if (!err)
			err = list_distances(&j);
	}
	free(j.entries);
	free(j.values);
	return err;
}

void judgement_free(struct judgement *judgement)
{
	free(judgement->tallies);
	free(judgement->attributes);
	free(judgement->distances);
	recording_free(&judgement->ours);
	recording_free(&judgement->theirs);
}
