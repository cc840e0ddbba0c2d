/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "base/fixed.h"
#include "cause.h"
#include "governor.h"
#include "link.h"
#include "metric.h"
#include "rule.h"
#include "series.h"
#include "stats.h"
#include "version.h"

/* Room that one series, or the agent's own metrics, take at most. */
#define EXACT_AFTER_S 60 /* without a loss */
#define STEP_MAX      ((BOUNDS_MAX + 4) * (SERIES_LABELS_LEN + 128))
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
	for (size_t i = 0; i <= metric_scale(m)->len; i++)
		n += value_load(&values[1 + i]);
	return n;
}

/* Exactly, without zeros at the end. */
static struct slice number(char buf[FIXED_TEXT_MAX], int64_t units, unsigned decimals)
{
	fixed n = units;

	for (unsigned i = decimals; i < FIXED_DECIMALS; i++)
		n *= 10;
	return (struct slice){ buf, (size_t)(fixed_put(buf, n) - buf) };
}

static void put_bucket(struct text *t, const struct metric *m, struct slice labels, struct slice bound,
		       uint64_t n)
{
	put(t, "%s_bucket{%.*s%sle=\"%.*s\"} %llu\n", m->name, (int)labels.len, labels.p,
	    labels.len ? "," : "", (int)bound.len, bound.p, (unsigned long long)n);
}

static void put_histogram(struct text *t, const struct metric *m, const struct series *s,
			  const _Atomic uint64_t *values)
{
	const struct scale *scale = metric_scale(m);
	char buf[FIXED_TEXT_MAX];
	struct slice sum;
	uint64_t n = 0;

	for (size_t i = 0; i < scale->len; i++)
		put_bucket(t, m, s->labels, number(buf, scale->bounds[i], scale->decimals),
			   n += value_load(&values[1 + i]));
	n += value_load(&values[1 + scale->len]);
	put_bucket(t, m, s->labels, SLICE("+Inf"), n);
	sum = number(buf, (int64_t)value_load(values), scale->decimals);
	put(t, "%s_sum{%.*s} %.*s\n", m->name, (int)s->labels.len, s->labels.p, (int)sum.len, sum.p);
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
	for (unsigned i = 0; i < series_families(); i++)
		for (unsigned j = 0; series_wanted(i) && j < series_family(i)->metrics_len; j++) {
			const struct series *other = series_other(i);
			const struct metric *m = &series_family(i)->metrics[j];

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

/* Was anything lost on its way to the metrics in the last minute, or between two readings? */
static bool lost_lately(void)
{
	static const struct {
		const char *stage;
		enum drop_id id;
	} rows[] = {
#define DROP(reason, stage, help) { #stage, DROP_##reason },
#include "../bpf/drops.def"
#undef DROP
	};
	static uint64_t known;
	static time_t last_s;
	uint64_t lost = 0;
	struct timespec now;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].stage, "export") && strcmp(rows[i].stage, "record"))
			lost += drop_get(rows[i].id);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (lost != known)
		last_s = now.tv_sec;
	known = lost;
	return last_s && now.tv_sec - last_s < EXACT_AFTER_S;
}

/* What is traced less to keep within the budgets, and how full those are. */
static void put_governor(struct text *t)
{
	static const char steps[] = "spanhook_governor_steps_total", usage[] = "spanhook_budget_usage_ratio";
	uint64_t down, up;
	const char *step;

	put_head(t, steps, "Steps that the governor took down and up", "counter");
	for (uint32_t i = 0; (step = governor_step(i, &down, &up)); i++)
		put(t, "%s{step=\"%s\",direction=\"down\"} %llu\n%s{step=\"%s\",direction=\"up\"} %llu\n",
		    steps, step, (unsigned long long)down, steps, step, (unsigned long long)up);
	put_head(t, usage, "What is used of each budget that was given", "gauge");
	for (int i = 0; i < BUDGETS; i++)
		if (usage_ratio((enum budget)i) >= 0)
			put(t, "%s{budget=\"%s\"} %.3f\n", usage, budget_name((enum budget)i),
			    usage_ratio((enum budget)i));
	put_head(t, "spanhook_sampling_ratio", "Share of the connections that is followed", "gauge");
	put(t, "spanhook_sampling_ratio %g\n", governor_sampling_ratio());
	put_head(
		t, "spanhook_metrics_exact",
		"1: every connection is followed, and nothing that metrics are made of was lost for a minute",
		"gauge");
	put(t, "spanhook_metrics_exact %d\n", governor_sampling_ratio() >= 1 && !lost_lately());
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
	put_governor(t);
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
	const struct metric *m = &series_family(r->family)->metrics[r->metric];
	const struct series *s = series_at(r->family, r->series);

	if (!r->series)
		put_head(t, m->name, m->help, types[m->type]);
	if (s) {
		put_series(t, s, r->metric);
		r->series++;
		return;
	}
	r->series = 0;
	if (++r->metric < series_family(r->family)->metrics_len)
		return;
	r->metric = 0;
	r->family++;
}

/* What one rule could not read; the reader's series is the rule. */
static void put_skipped(struct text *t, struct metrics_reader *r)
{
	static const char name[] = "spanhook_rule_skipped_total";
	unsigned rule = r->series++;

	if (FAMILIES_LEN + rule == series_families()) {
		r->family++;
		return;
	}
	if (!rule)
		put_head(t, name, "Fields of spans that a rule could not read, by reason", "counter");
	for (int i = SKIPPED_not + 1; i < SKIPPED_LEN; i++)
		put(t, "%s{metric=\"%s\",reason=\"%s\"} %llu\n", name,
		    series_family(FAMILIES_LEN + rule)->metrics[0].name, skipped_name(i),
		    (unsigned long long)rule_skipped(rule, i));
}

size_t metrics_read(struct metrics_reader *r, char *buf)
{
	struct text t = { buf, 0, METRICS_PART_MAX };
	unsigned own = series_families(), skipped = own + 1;

	while (r->family <= skipped && METRICS_PART_MAX - t.len >= STEP_MAX) {
		if (r->family == own) {
			put_own(&t);
			r->family++;
		} else if (r->family == skipped) {
			put_skipped(&t, r);
		} else if (series_wanted(r->family)) {
			put_next(&t, r);
		} else {
			r->family++;
		}
	}
	return t.len;
}
