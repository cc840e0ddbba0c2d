/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule can read of a span: its facts, its attributes, and members of the JSON bodies of its messages.
 */
#pragma once

#include "base/fixed.h"
#include "base/json_find.h"
#include "parser.h"
#include "work.h"

/* Why a field could not be read. */
enum skipped {
	SKIPPED_not, /* it could */
#define SKIPPED(reason, help) SKIPPED_##reason,
#include "skipped.def"
#undef SKIPPED
	SKIPPED_LEN,
};

enum field_type {
	FIELD_NUMBER,
	FIELD_TEXT,
};

#define FIELD_TEXT_MAX 128 /* as much as a label shows */

struct field_value {
	enum field_type type;
	fixed number;
	bool is_truth;     /* of a text: a truth value */
	struct slice text; /* in the span, the body or buf; or static */
	char buf[FIELD_TEXT_MAX];
};

struct field;

/* Reads a span's fact. */
typedef enum skipped (*field_fact_fn)(const struct work *w, struct field_value *ret_value);

enum field_source {
	FIELD_FACT,
	FIELD_ATTRIBUTE,
	FIELD_BODY,
	FIELD_BODY_LENGTH,
};

struct field {
	enum field_source source;
	const char *name;      /* as it stands in the configuration */
	field_fact_fn fact;    /* FIELD_FACT; NULL: */
	enum span_text text;   /* ... this text of the span */
	const char *attribute; /* FIELD_ATTRIBUTE: its name */
	enum flow flow;        /* of a body */
	struct json_path path; /* ... and what of it; in memory of the configuration */
};

struct arena;

/*
 * The field that a name stands for: a fact ("status"), "attribute.NAME", "request.body.PATH",
 * "response.body.PATH", or "length(...)" of a body's array. Returns 0, -EINVAL: there is no such field, or
 * -ENOMEM. *ret_field borrows name.
 */
int field_parse(struct arena *arena, const char *name, struct field *ret_field);

/* "status, service, ...": the facts there are. In buf. */
const char *field_facts(char *buf, size_t size);

/* Reads a field. Sets *ret_value only with SKIPPED_not; its text lives as long as w and *ret_value. */
enum skipped field_read(const struct field *field, const struct work *w, struct field_value *ret_value);

/* A value's number, or why it has none. */
enum skipped field_number(const struct field_value *value, fixed *ret_number);

/* A value as text; in the value, or what it points to, or in buf. */
struct slice field_text(const struct field_value *value, char buf[FIXED_TEXT_MAX]);
