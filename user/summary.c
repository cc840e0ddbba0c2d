/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/table.h"

#define ROWS_MAX 512 /* the last one takes what is beyond */
#define NAME_LEN 200
#define SUB      16 /* slots for each power of two: quantiles are right to 1/16 */
#define SLOTS    (64 * SUB)

struct row {
	enum span_kind kind;
	char name[NAME_LEN];
	uint64_t count, errors, max_ns;
	uint32_t slots[SLOTS];
};

static struct row *rows;
static uint32_t rows_len;
static struct table by_name;

int summary_init(void)
{
	rows = calloc(ROWS_MAX, sizeof(*rows));
	rows_len = 0;
	return rows ? table_init(&by_name, ROWS_MAX) : -ENOMEM;
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

static void row_name(const struct span *span, char *name)
{
	struct slice service = span_text(span, TEXT_PEER_SERVICE), host = span_text(span, TEXT_HOST);
	struct slice to = service.len ? service : host;

	if (span->kind == SPAN_SERVER)
		span_name(span, name, NAME_LEN);
	else if (to.len)
		snprintf(name, NAME_LEN, "%.*s", (int)to.len, to.p);
	else
		snprintf(name, NAME_LEN, "port %u", span->peer.port);
}

static struct row *row_of(const struct span *span)
{
	char name[NAME_LEN];
	uint64_t key;
	struct row *row;

	row_name(span, name);
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '.';
	key = hash_mix(0, span->kind);
	for (const char *p = name; *p; p++)
		key = hash_mix(key, (unsigned char)*p);
	row = table_get(&by_name, key);
	if (row)
		return row;
	if (rows_len == ROWS_MAX)
		return &rows[ROWS_MAX - 1];
	row = &rows[rows_len++];
	row->kind = span->kind;
	snprintf(row->name, NAME_LEN, "%s", rows_len == ROWS_MAX ? "other" : name);
	table_put(&by_name, key, row);
	return row;
}

void summary_add(const struct span *span)
{
	uint64_t ns = span->end_ns - span->start_ns;
	struct row *row = row_of(span);

	row->count++;
	row->errors += span_failed(span);
	row->max_ns = ns > row->max_ns ? ns : row->max_ns;
	row->slots[slot_of(ns)]++;
}

static void write_rows(FILE *out, enum span_kind kind, const char *title, double seconds, bool color)
{
	bool first = true;

	for (uint32_t i = 0; i < rows_len; i++) {
		const struct row *row = &rows[i];

		if (row->kind != kind)
			continue;
		if (first)
			fprintf(out, "\n%s%-44s %8s %9s %7s %10s %10s %10s %10s%s\n", color ? "\033[1m" : "",
				title, "count", "rate/s", "errors", "p50 ms", "p90 ms", "p99 ms", "max ms",
				color ? "\033[0m" : "");
		first = false;
		fprintf(out, "%-44.44s %8llu %9.1f %s%7llu%s %10.3f %10.3f %10.3f %10.3f\n", row->name,
			(unsigned long long)row->count, (double)row->count / seconds,
			color && row->errors ? "\033[31m" : "", (unsigned long long)row->errors,
			color && row->errors ? "\033[0m" : "", (double)quantile_ns(row, .5) / 1e6,
			(double)quantile_ns(row, .9) / 1e6, (double)quantile_ns(row, .99) / 1e6,
			(double)row->max_ns / 1e6);
	}
}

void summary_write(FILE *out, uint64_t elapsed_ns, bool color)
{
	double seconds = (double)elapsed_ns / 1e9;

	write_rows(out, SPAN_SERVER, "requests served, by route", seconds, color);
	write_rows(out, SPAN_CLIENT, "calls made, by service", seconds, color);
}

void summary_write_json(FILE *out, uint64_t elapsed_ns)
{
	char buf[1024];
	struct json j;

	for (uint32_t i = 0; i < rows_len; i++) {
		const struct row *row = &rows[i];

		json_begin(&j, buf, sizeof(buf));
		json_string(&j, "summary", slice_of(row->name));
		json_string(&j, "kind", slice_of(span_kind_name(row->kind)));
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
