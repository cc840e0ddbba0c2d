/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of spans: families of metrics, each family with labels of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a label's value can be. */
enum label_value {
	LABEL_SERVICE, /* whose span it is */
	LABEL_METHOD,
	LABEL_ROUTE,
	LABEL_SCHEME,
	LABEL_STATUS,
	LABEL_STATUS_OR_ZERO,
	LABEL_STATUS_CLASS, /* "2xx" */
	LABEL_ERROR,
	LABEL_RESULT,  /* "success", "failure" */
	LABEL_ADDRESS, /* of the server, as its client named it */
	LABEL_PORT,    /* of the server */
	LABEL_TARGET,  /* whom a client called */
	LABEL_CALLER,  /* the two ends of a call */
	LABEL_CALLEE,
	LABEL_DB_SYSTEM,
	LABEL_DB_NAMESPACE,
	LABEL_OPERATION,
	LABEL_COLLECTION,
	LABEL_STATUS_CODE, /* of a database's response */
	LABEL_HOST_NAME,
	LABEL_SDK_NAME,
	LABEL_SDK_VERSION,
	LABEL_VALUES,
};

struct label {
	const char *name;
	enum label_value value;
};

/* What a span is. Families and metrics count the spans that are all that they ask for. */
enum {
	IS_SERVER = 1 << 0,
	IS_CLIENT = 1 << 1,
	IS_HTTP =
		1
		<< 2, /* or a connection that was not made: what it was for is not known, but it is a call */
	HAS_BODIES = 1 << 3,
	HAS_FAILED = 1 << 4,
	IS_DB = 1 << 6,
	IS_WHOLE_EDGE = 1 << 5, /* no span of the other end stands for the same call */
};

enum metric_type {
	COUNTER,
	INFO, /* 1 */
	HISTOGRAM,
};

/* What a histogram measures. */
enum measure {
	DURATION,
	DB_DURATION,
	REQUEST_SIZE,
	RESPONSE_SIZE,
	MEASURES,
	OWN = MEASURES, /* what only the metric itself knows */
};

#define BOUNDS_MAX 24

/* In units of the last of the decimals. */
struct scale {
	const int64_t *bounds; /* of buckets, inclusive, ascending; one more takes what is above */
	size_t len;            /* at most BOUNDS_MAX */
	unsigned decimals;
};

extern const struct scale scales[MEASURES];

struct metric {
	enum metric_type type;
	enum measure measure;
	unsigned counts;
	const char *name;
	const char *help;
};

/* A metric that measures OWN. */
struct own_metric {
	struct metric metric;
	struct scale scale;
};

static inline const struct scale *metric_scale(const struct metric *m)
{
	return m->measure == OWN ? &((const struct own_metric *)m)->scale : &scales[m->measure];
}

#define LABELS_MAX 9

struct family {
	const struct label *labels; /* at most LABELS_MAX */
	size_t labels_len;
	const struct metric *metrics;
	size_t metrics_len;
	unsigned counts;
	bool classic; /* also: labels are written when they are empty */
};

#define FAMILIES_LEN  9
#define FAMILIES_SPAN 4 /* that count one span, at most */

extern const struct family families[FAMILIES_LEN];

/* Values that a metric has for each set of labels: a counter one; a histogram its sum, then its buckets. */
static inline size_t metric_values(const struct metric *m)
{
	return m->type == HISTOGRAM ? metric_scale(m)->len + 2 : 1;
}
