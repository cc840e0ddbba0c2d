/* SPDX-License-Identifier: Apache-2.0 */
/* What two recordings, whose spans are paired, agree on. */
#pragma once

#include "compare/record.h"

/* How far the paired spans are apart, theirs less ours, in ns. */
struct spread {
	uint32_t count;
	int64_t median;              /* with its sign */
	uint64_t p50, p90, p99, max; /* of the distances */
};

/*
 * Parents, each looked for through the spans that only one side has: the nearest one above that is paired,
 * else the id of a span that is not in the file.
 */
struct parents {
	uint32_t agree;
	uint32_t through;        /* ... among them those with spans in between that only one side has */
	uint32_t unknown;        /* ours names none, theirs does */
	uint32_t unknown_theirs; /* theirs names none, ours does */
	uint32_t disagree;
};

/* Of one kind and label, or of all with a kind. */
struct tally {
	enum record_kind kind;
	const char *label;
	bool one_sided; /* the other side has nothing like it at all: not missing, but unknown to it */
	uint32_t ours, theirs, matched;
	struct parents parents;
	uint32_t status_agree, status_differ; /* error or not */
	struct spread start, duration;
};

struct attribute_tally {
	const char *name;
	uint32_t equal, differ, only_ours, only_theirs; /* paired spans */
	const char *ours, *theirs;                      /* of the first that differs */
};

struct distance {
	int64_t start_ns, duration_ns; /* theirs less ours */
	enum record_kind kind;
	uint32_t ours; /* index */
};

struct judgement {
	struct recording ours, theirs;
	struct tally *tallies; /* by kind, then label */
	uint32_t tallies_len;
	struct tally kinds[KINDS]; /* sums; those with ours and theirs 0 are not there; one-sided labels left
				      out */
	struct tally all;          /* the sum of them */
	struct attribute_tally *attributes; /* by name */
	uint32_t attributes_len;
	struct distance *distances; /* of all pairs, by kind, then ours' start */
	uint32_t distances_len;
};

/* Takes over both recordings, which match() has paired. Returns 0 or -ENOMEM; free it in both cases. */
int judge(struct recording *ours, struct recording *theirs, struct judgement *ret_judgement);
void judgement_free(struct judgement *judgement);

/* Percentage; 100 of nothing. */
static inline double percent(uint32_t part, uint32_t whole)
{
	return whole ? 100.0 * part / whole : 100;
}

/* What there is to pair: the larger side. */
static inline uint32_t tally_most(const struct tally *t)
{
	return t->ours > t->theirs ? t->ours : t->theirs;
}
