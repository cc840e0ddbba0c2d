/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sets of labels of each family and the values that are counted for them: appended to up to a limit, then
 * counted under one set whose labels are all "other". One thread finds and counts; any may read meanwhile.
 */
#pragma once

#include <stdatomic.h>

#include "base/slice.h"
#include "config.h"
#include "family.h"

struct series {
	const struct family *family;
	struct slice labels;       /* name="value",...; escaped */
	_Atomic uint64_t values[]; /* of all the family's metrics, metric_values() each */
};

/* Bytes that labels take at most. */
#define SERIES_LABELS_LEN (LABELS_MAX * 196)

/* Families of spans, then those of the configuration's rules. */
unsigned series_families(void);
const struct family *series_family(unsigned family);

/* Reserves room for the families that are wanted, and for those of config->rules, which are borrowed. Returns
 * 0 or -ENOMEM. */
int series_init(const struct config *config);
void series_free(void);

bool series_wanted(unsigned family);

/* The series with these values of its labels, or "other". Makes what is not there. */
struct series *series_find(unsigned family, const struct slice values[LABEL_VALUES]);

/* Any thread: the family's series in the order in which they came up; NULL at the end. */
const struct series *series_at(unsigned family, unsigned i);

/* Any thread: the series "other"; NULL when nothing had to be counted there. */
const struct series *series_other(unsigned family);

/* Any thread: the values of one metric of the family. */
static inline const _Atomic uint64_t *series_values(const struct series *s, unsigned metric)
{
	const _Atomic uint64_t *values = s->values;

	for (unsigned i = 0; i < metric; i++)
		values += metric_values(&s->family->metrics[i]);
	return values;
}

static inline uint64_t value_load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

/* The counting thread only: nobody else writes, so no locked instruction is needed. */
static inline void value_add(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(value, value_load(value) + n, memory_order_relaxed);
}
