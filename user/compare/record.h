/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span as somebody recorded it, read from a file: OTLP JSON or Spanhook's JSON log. Attributes have the
 * names of OpenTelemetry's semantic conventions, whatever the file called them (name.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define RECORDS_MAX    4000000 /* spans of a file */
#define ATTRIBUTES_MAX 128     /* of a span */
#define TEXT_MAX       1024    /* bytes of a value or a name */

/* SpanKind of OTLP. */
enum record_kind {
	KIND_UNSPECIFIED,
	KIND_INTERNAL,
	KIND_SERVER,
	KIND_CLIENT,
	KIND_PRODUCER,
	KIND_CONSUMER,
	KINDS,
};

struct attribute {
	uint16_t name; /* name.h */
	const char *value;
};

struct record {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8];
	bool has_parent;
	bool failed; /* status is error */
	enum record_kind kind;
	uint64_t start_ns; /* since the Unix epoch */
	uint64_t end_ns;
	const char *name;
	const char *operation; /* what it did, as both sides would call it: "GET /users/7", "validate_user" */
	const char *label;     /* the same with few values: "GET /users/{id}" */
	struct attribute *attributes; /* in the order of their names' numbers, each once */
	uint32_t attributes_len;
	uint32_t parent; /* index in its own recording, RECORD_NONE: not in it */
	uint32_t match;  /* index in the other recording, RECORD_NONE: missing there */
};
#define RECORD_NONE UINT32_MAX

struct recording {
	const char *path;
	struct record *records; /* in the order of start, then of span id */
	uint32_t len;
	uint64_t malformed;  /* lines and spans that could not be read */
	uint64_t duplicates; /* spans that the file has more than once */
	uint64_t excluded;   /* spans that were not asked for */
	uint64_t beyond;     /* spans beyond RECORDS_MAX */
	uint64_t cut; /* attributes beyond ATTRIBUTES_MAX, names beyond NAMES_MAX, values beyond TEXT_MAX */
	uint32_t clock_ns;  /* which all starts are multiples of: 1, 1000, 1000000 */
	struct block *text; /* what the records point to */
};

/*
 * Reads a file ("-": standard input). Spans whose operation or label matches one of the exclude_len globs are
 * left out. Returns 0, -errno when the file cannot be read, -ENODATA when no span is in it, -ENOMEM.
 */
int recording_read(const char *path, const char *const *exclude, size_t exclude_len,
		   struct recording *ret_recording);
void recording_free(struct recording *recording);

/* The value of an attribute, NULL when there is none. */
const char *record_get(const struct record *record, uint16_t name);

/* "internal", "server", "client", ... */
const char *kind_name(enum record_kind kind);
