/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/patient.h"
#include "base/table.h"
#include "base/terminal.h"
#include "export.h"
#include "target.h"

#define ROWS_MAX 512

/* Columns of the names: what the terminal leaves beside the figures. */
#define FIGURES_LEN 76
#define NAME_MIN    24
#define NAME_MAX    80
#define NAME_NO_TTY 44
#define SUB         16 /* slots for each power of two: quantiles are right to 1/16 */
#define SLOTS       (64 * SUB)

#define PATIENCE_MS 1000 /* with who reads it */

struct row {
	enum span_kind kind;
	char service[64];
	size_t name_len;
	char name[SPAN_NAME_MAX]; /* the route; of calls, whom */
	uint64_t count, errors, max_ns;
	uint32_t slots[SLOTS];
};

static struct row *rows;
static uint32_t rows_len;
static struct row others[2]; /* of each kind: what is beyond the limit */
static struct table by_key;

int summary_init(void)
{
	rows = calloc(ROWS_MAX, sizeof(*rows));
	return rows ? table_init(&by_key, ROWS_MAX) : -ENOMEM;
}

void summary_fini(void)
{
	free(rows);
	rows = NULL;
	rows_len = 0;
	memset(others, 0, sizeof(others));
	table_free(&by_key);
}

static unsigned slot_of(uint64_t ns)
{
	unsigned exponent = ns < SUB ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 3;

	return exponent * SUB + (unsigned)(exponent ? (ns >> (exponent - 1)) & (SUB - 1) : ns);
}

/* The upper end of a slot. */
static uint64_t slot_ns(unsigned slot)
{
	unsigned exponent = slot / SUB;

	return exponent ? ((uint64_t)(SUB + slot % SUB) + 1) << (exponent - 1) : slot % SUB;
}

static uint64_t quantile_ns(const struct row *row, double q)
{
	uint64_t rank = (uint64_t)(q * (double)row->count + 0.999999), seen = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		seen += row->slots[i];
		if (seen >= rank && seen)
			return slot_ns(i) < row->max_ns ? slot_ns(i) : row->max_ns;
	}
	return row->max_ns;
}

static uint64_t hash_text(uint64_t hash, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		hash = hash_mix(hash, (unsigned char)s.p[i]);
	return hash_mix(hash, s.len);
}

static struct row *row_of(const struct span *span)
{
	char buf[SPAN_NAME_MAX];
	bool server = span->kind == SPAN_SERVER;
	struct slice name = server ? span_name(span, buf) : span_target(span, buf),
		     service = slice_of(span->process ? span->process->service : "unknown");
	uint64_t key = hash_text(hash_text(span->kind, service), name);
	struct row *row = table_get(&by_key, key);

	if (row)
		return row;
	if (rows_len == ROWS_MAX) {
		row = &others[!server];
		name = SLICE("other");
		service = SLICE("");
	} else {
		row = &rows[rows_len++];
		table_put(&by_key, key, row);
	}
	row->kind = span->kind;
	*slice_put(row->service, service) = '\0';
	row->name_len = name.len;
	slice_put(row->name, name);
	return row;
}

void summary_add(const struct span *span)
{
	uint64_t ns = span->end_ns - span->start_ns;
	struct row *row;

	if (span->kind == SPAN_INTERNAL)
		return;
	row = row_of(span);
	row->count++;
	row->errors += span_failed(span);
	row->max_ns = ns > row->max_ns ? ns : row->max_ns;
	row->slots[slot_of(ns)]++;
}

static int by_count(const void *a, const void *b)
{
	const struct row *const *one = a, *const *other = b;

	return ((*one)->count < (*other)->count) - ((*one)->count > (*other)->count);
}

/* The rows of a kind, the most frequent first, "other" last. Returns how many. */
static size_t sort_rows(enum span_kind kind, const struct row **sorted)
{
	size_t n = 0;

	for (uint32_t i = 0; i < rows_len; i++)
		if (rows[i].kind == kind)
			sorted[n++] = &rows[i];
	qsort(sorted, n, sizeof(void *), by_count);
	if (others[kind].count)
		sorted[n++] = &others[kind];
	return n;
}

static bool several_services(void)
{
	for (uint32_t i = 1; i < rows_len; i++)
		if (strcmp(rows[i].service, rows[0].service))
			return true;
	return false;
}

static unsigned name_len(unsigned columns)
{
	return !columns                           ? NAME_NO_TTY
	       : columns < FIGURES_LEN + NAME_MIN ? NAME_MIN
	       : columns > FIGURES_LEN + NAME_MAX ? NAME_MAX
						  : columns - FIGURES_LEN;
}

static void write_name(FILE *out, const struct row *row, bool with_service, unsigned len, bool utf8)
{
	static const char *const between[2][2] = { { " ", " " }, { " -> ", " → " } };
	char buf[sizeof(row->service) + sizeof(row->name) + 8], *p = buf;
	unsigned n;

	if (with_service && row->service[0])
		p = slice_put(slice_put(p, slice_of(row->service)), slice_of(between[row->kind][utf8]));
	p = slice_put(p, (struct slice){ row->name, row->name_len });
	n = terminal_put(out, (struct slice){ buf, (size_t)(p - buf) }, len, utf8);
	fprintf(out, "%*s", (int)(len - n), "");
}

static void write_rows(FILE *out, enum span_kind kind, const char *title, double seconds, unsigned columns,
		       bool color)
{
	const struct row *sorted[ROWS_MAX + 1];
	size_t n = sort_rows(kind, sorted);
	bool with_service = several_services(), utf8 = terminal_utf8();
	unsigned len = name_len(columns);

	if (n)
		fprintf(out, "\n%s%-*s %8s %9s %7s %10s %10s %10s %10s%s\n", color ? "\033[1m" : "", (int)len,
			title, "count", "rate/s", "errors", "p50 ms", "p90 ms", "p99 ms", "max ms",
			color ? "\033[0m" : "");
	for (size_t i = 0; i < n; i++) {
		const struct row *row = sorted[i];

		write_name(out, row, with_service, len, utf8);
		fprintf(out, " %8llu %9.1f %s%7llu%s %10.3f %10.3f %10.3f %10.3f\n",
			(unsigned long long)row->count, (double)row->count / seconds,
			color && row->errors ? "\033[31m" : "", (unsigned long long)row->errors,
			color && row->errors ? "\033[0m" : "", (double)quantile_ns(row, .5) / 1e6,
			(double)quantile_ns(row, .9) / 1e6, (double)quantile_ns(row, .99) / 1e6,
			(double)row->max_ns / 1e6);
	}
}

void summary_write(FILE *out, uint64_t elapsed_ns, unsigned columns, bool color)
{
	double seconds = (double)elapsed_ns / 1e9;

	write_rows(out, SPAN_SERVER, "requests served, by route", seconds, columns, color);
	write_rows(out, SPAN_CLIENT, "calls made, by service", seconds, columns, color);
}

static void write_rows_json(FILE *out, enum span_kind kind, uint64_t elapsed_ns)
{
	const struct row *sorted[ROWS_MAX + 1];
	size_t n = sort_rows(kind, sorted);
	char buf[4096];
	struct json j;

	for (size_t i = 0; i < n; i++) {
		const struct row *row = sorted[i];

		json_begin(&j, buf, sizeof(buf));
		json_string(&j, "summary", (struct slice){ row->name, row->name_len });
		if (row->service[0])
			json_string(&j, "service", slice_of(row->service));
		json_string(&j, "kind", slice_of(span_kind_name(kind)));
		json_number(&j, "count", row->count);
		json_number(&j, "errors", row->errors);
		json_ms(&j, "elapsed_ms", elapsed_ns);
		json_ms(&j, "p50_ms", quantile_ns(row, .5));
		json_ms(&j, "p90_ms", quantile_ns(row, .9));
		json_ms(&j, "p99_ms", quantile_ns(row, .99));
		json_ms(&j, "max_ms", row->max_ns);
		fwrite(buf, 1, json_end(&j), out);
	}
}

void summary_write_json(FILE *out, uint64_t elapsed_ns)
{
	write_rows_json(out, SPAN_SERVER, elapsed_ns);
	write_rows_json(out, SPAN_CLIENT, elapsed_ns);
}

void summary_report(const struct config *config, uint64_t elapsed_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int err;

	if (config->output == OUTPUT_NONE || export_broken() || !(out = open_memstream(&text, &len)))
		return;
	if (config->output == OUTPUT_JSON)
		summary_write_json(out, elapsed_ns);
	else
		summary_write(out, elapsed_ns, terminal_columns(STDOUT_FILENO), config->color);
	err = fclose(out) ? -errno : write_patiently(STDOUT_FILENO, text, len, PATIENCE_MS);
	if (err)
		log_warn("cannot write the summary: %s", strerror(-err));
	free(text);
}
