/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "account.h"
#include "cause.h"
#include "link.h"
#include "metric.h"
#include "series.h"
#include "stats.h"
#include "version.h"

/* Room that one series, or the agent's own metrics, take at most. */
#define STEP_MAX (18 * (SERIES_LABELS_LEN + 128))
_Static_assert(STEP_MAX <= METRICS_PART_MAX, "a part holds a step");

struct text {
	char *p;
	size_t len, size;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->p + t->len, t->size - t->len, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < t->size - t->len)
		t->len += (size_t)n;
}

static void put_head(struct text *t, const char *name, const char *help, const char *type)
{
	put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* How often it was counted. */
static uint64_t count_of(const struct metric *m, const _Atomic uint64_t *values)
{
	uint64_t n = 0;

	if (m->type != HISTOGRAM)
		return value_load(values);
	for (size_t i = 0; i <= scales[m->measure].len; i++)
		n += value_load(&values[1 + i]);
	return n;
}

static void put_histogram(struct text *t, const struct metric *m, const struct series *s,
			  const _Atomic uint64_t *values)
{
	size_t len = scales[m->measure].len;
	double unit = scales[m->measure].unit;
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		put(t, "%s_bucket{%.*s,le=\"%.10g\"} %llu\n", m->name, (int)s->labels.len, s->labels.p,
		    (double)scales[m->measure].bounds[i] / unit,
		    (unsigned long long)(n += value_load(&values[1 + i])));
	n += value_load(&values[1 + len]);
	put(t, "%s_bucket{%.*s,le=\"+Inf\"} %llu\n", m->name, (int)s->labels.len, s->labels.p,
	    (unsigned long long)n);
	put(t, "%s_sum{%.*s} %.*f\n", m->name, (int)s->labels.len, s->labels.p, scales[m->measure].decimals,
	    (double)value_load(values) / unit);
	put(t, "%s_count{%.*s} %llu\n", m->name, (int)s->labels.len, s->labels.p, (unsigned long long)n);
}

static void put_series(struct text *t, const struct series *s, unsigned metric)
{
	const struct metric *m = &s->family->metrics[metric];
	const _Atomic uint64_t *values = series_values(s, metric);

	if (m->type != HISTOGRAM)
		put(t, "%s{%.*s} %llu\n", m->name, (int)s->labels.len, s->labels.p,
		    (unsigned long long)value_load(values));
	else if (count_of(m, values))
		put_histogram(t, m, s, values);
}

static void put_overflows(struct text *t)
{
	static const char name[] = "spanhook_metric_label_sets_overflow_total";

	put_head(t, name, "Spans counted under \"other\": their metric had no room for more sets of labels",
		 "counter");
	for (unsigned i = 0; i < FAMILIES_LEN; i++)
		for (unsigned j = 0; series_wanted(i) && j < families[i].metrics_len; j++) {
			const struct series *other = series_other(i);
			const struct metric *m = &families[i].metrics[j];

			put(t, "%s{metric=\"%s\"} %llu\n", name, m->name,
			    other ? (unsigned long long)count_of(m, series_values(other, j)) : 0ULL);
		}
}

static void put_process(struct text *t)
{
	struct rusage usage;
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm && fscanf(statm, "%*u %lu", &pages) == 1) {
		put_head(t, "process_resident_memory_bytes", "Resident memory", "gauge");
		put(t, "process_resident_memory_bytes %llu\n",
		    (unsigned long long)pages * (unsigned long long)sysconf(_SC_PAGESIZE));
	}
	if (statm)
		fclose(statm);
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		put_head(t, "process_cpu_seconds_total", "User and system CPU time", "counter");
		put(t, "process_cpu_seconds_total %.6f\n",
		    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	}
}

/* Parents that were found, and those that were not, against headers that tell the truth. */
static void put_checks(struct text *t)
{
	static const char name[] = "spanhook_link_checked_total";
	static const char *const results[LINK_CHECKS] = {
		[LINK_RIGHT] = "right", [LINK_WRONG] = "wrong", [LINK_UNKNOWN] = "unknown"
	};

	put_head(
		t, name,
		"Calls whose own traceparent tells the parent, by the evidence for what was found and result",
		"counter");
	for (int e = 0; e < EVIDENCES; e++)
		for (int r = 0; r < LINK_CHECKS; r++)
			if (atomic_load(&link_checked[e][r]))
				put(t, "%s{evidence=\"%s\",result=\"%s\"} %llu\n", name, evidence_name(e),
				    results[r], (unsigned long long)atomic_load(&link_checked[e][r]));
}

static void put_own(struct text *t)
{
#define STAT(symbol, name, type, help)                                                                       \
	put_head(t, name, help, #type);                                                                      \
	put(t, "%s %llu\n", name, (unsigned long long)stat_get(STAT_##symbol));
#include "stats.def"
#undef STAT
	put_head(t, "spanhook_dropped_total", "What was lost, by stage and reason", "counter");
#define DROP(reason, stage, help)                                                                            \
	put(t, "spanhook_dropped_total{stage=\"%s\",reason=\"%s\"} %llu\n", #stage, #reason,                 \
	    (unsigned long long)drop_get(DROP_##reason));
#include "../bpf/drops.def"
#undef DROP
	put_head(t, "spanhook_link_undecided_total",
		 "Calls, and connections opened, whose cause their thread does not prove, by reason",
		 "counter");
#define UNDECIDED(reason, help)                                                                              \
	put(t, "spanhook_link_undecided_total{reason=\"%s\"} %llu\n", #reason,                               \
	    (unsigned long long)atomic_load(&cause_undecided[UNDECIDED_##reason]));
#include "undecided.def"
#undef UNDECIDED
	put_head(t, "spanhook_unaccounted", "Seen at a stage, and neither passed on nor dropped: 0 at rest",
		 "gauge");
	for (const struct account *a = accounts; a < accounts + accounts_len; a++)
		put(t, "spanhook_unaccounted{stage=\"%s\"} %lld\n", a->stage, (long long)account_open(a));
	put_checks(t);
	put_overflows(t);
	put_process(t);
	put_head(t, "spanhook_build_info", "Version", "gauge");
	put(t, "spanhook_build_info{version=\"%s\"} 1\n", SPANHOOK_VERSION);
}

static void put_next(struct text *t, struct metrics_reader *r)
{
	static const char *const types[] = {
		[COUNTER] = "counter", [INFO] = "gauge", [HISTOGRAM] = "histogram"
	};
	const struct metric *m = &families[r->family].metrics[r->metric];
	const struct series *s = series_at(r->family, r->series);

	if (!r->series)
		put_head(t, m->name, m->help, types[m->type]);
	if (s) {
		put_series(t, s, r->metric);
		r->series++;
		return;
	}
	r->series = 0;
	if (++r->metric < families[r->family].metrics_len)
		return;
	r->metric = 0;
	r->family++;
}

size_t metrics_read(struct metrics_reader *r, char *buf)
{
	struct text t = { buf, 0, METRICS_PART_MAX };

	while (r->family <= FAMILIES_LEN && METRICS_PART_MAX - t.len >= STEP_MAX) {
		if (r->family == FAMILIES_LEN) {
			put_own(&t);
			r->family++;
		} else if (series_wanted(r->family)) {
			put_next(&t, r);
		} else {
			r->family++;
		}
	}
	return t.len;
}
