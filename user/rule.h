/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics that the configuration asks for: a rule says which spans it counts, what it measures of them, and
 * where its labels' values come from.
 */
#pragma once

#include "family.h"
#include "rules/field.h"

#define RULES_MAX        32
#define RULE_FIELDS_MAX  64 /* of all rules */
#define RULE_CHOICES_MAX 16
#define RULE_NAME_MAX    64
#define RULE_HELP_MAX    256
#define RULE_NO_FIELD    RULE_FIELDS_MAX

/* Which spans; what is NULL or 0 is not asked for. */
struct rule_match {
	enum span_kind kind;
	struct slice method, route; /* exactly */
	int status_min, status_max;
	bool asks_failed, failed;
	const char *service, *function, *operation, *collection; /* globs */
};

/* The label's value for numbers below a bound. */
struct rule_choice {
	fixed below;
	const char *value;
};

struct rule_label {
	unsigned field;       /* of the rules' fields; RULE_NO_FIELD: */
	const char *constant; /* ... always this */
	uint32_t modulo;      /* the choice is made by the remainder; 0: by the number itself */
	struct rule_choice choices[RULE_CHOICES_MAX]; /* ascending */
	size_t choices_len;                           /* 0: the field's own text */
	const char *otherwise;                        /* at or above all bounds */
	const char *missing; /* when the field cannot be read; NULL: the span is not counted */
};

struct rule {
	struct rule_match match;
	bool reads[2];  /* by enum flow: the message's body */
	unsigned value; /* of the rules' fields: what a histogram measures; RULE_NO_FIELD: a counter */
	struct rule_label labels[LABELS_MAX];
	struct label label_names[LABELS_MAX]; /* of the family */
	int64_t bounds[BOUNDS_MAX];
	struct own_metric own;
	struct family family;
};

struct rules {
	struct rule rules[RULES_MAX];
	size_t len;
	struct field fields[RULE_FIELDS_MAX]; /* each once */
	size_t fields_len;
};

/* Counts from now on by these rules, which are borrowed; NULL: none. */
void rules_init(const struct rules *rules);

/* Does any of them read bodies? NULL: no. */
bool rules_read_bodies(const struct rules *rules);

/* Does one of them read the body of this message, whose beginning is in the span? Hot path. */
bool rules_want_body(const struct span *span, enum flow flow);

/* Counts a finished span. The spine's thread only, not in the hot path: bodies are parsed here. */
void rules_add(const struct work *w);

/* Any thread: how often a rule could not read a field, by reason. */
uint64_t rule_skipped(size_t rule, enum skipped reason);

/* "missing", ... */
const char *skipped_name(enum skipped reason);
