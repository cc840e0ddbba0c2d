/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/terminal.h"
#include "compare/report.h"

#define LABEL_WIDTH   34
#define EXAMPLE_WIDTH 40

static bool utf8; /* the terminal's */

static const struct {
	const char *attribute, *reason;
} reasons[] = {
	{ "http.request.body.size", "bytes on the wire" },
	{ "http.response.body.size", "bytes on the wire" },
	{ "network.local.port", "which connection it was" },
	{ "link.evidence", "how the parent is known" },
	{ "spanhook.ttfb_ms", "time until the response's first byte" },
	{ "spanhook.incomplete", "that bytes of it were lost" },
	{ "thread.id", "which thread it was" },
};

const char *report_reason(const char *attribute)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].attribute, attribute) == 0)
			return reasons[i].reason;
	return strncmp(attribute, "baggage.", 8) == 0 ? "what the caller's baggage says" : NULL;
}

const char *clock_unit(const struct recording *r)
{
	return r->clock_ns == 1000 ? "microseconds" : "milliseconds";
}

static void side(const char *name, const struct recording *r, FILE *out)
{
	const struct {
		uint64_t count;
		const char *what;
	} notes[] = {
		{ r->malformed, "lines or spans that cannot be read" },
		{ r->duplicates, "spans more than once" },
		{ r->excluded, "spans left out" },
		{ r->beyond, "spans beyond the limit" },
		{ r->cut, "attributes cut" },
	};

	fprintf(out, "%-8s", name);
	terminal_put(out, slice_of(r->path), 0, utf8);
	fprintf(out, ": %" PRIu32 " spans", r->len);
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (notes[i].count)
			fprintf(out, ", %" PRIu64 " %s", notes[i].count, notes[i].what);
	if (r->clock_ns > 1)
		fprintf(out, "; it starts spans at whole %s", clock_unit(r));
	fputc('\n', out);
}

/* What a file says, in a column of its own. */
static void cell(const char *text, unsigned width, FILE *out)
{
	fprintf(out, "%*s", (int)(width - terminal_put(out, slice_of(text), width, utf8)), "");
}

static void name_cells(const struct tally *t, FILE *out)
{
	fprintf(out, "%-9s", kind_name(t->kind));
	cell(t->label ? t->label : "(all)", LABEL_WIDTH, out);
}

static void matched_row(const struct tally *t, FILE *out)
{
	name_cells(t, out);
	fprintf(out,
		" %8" PRIu32 " %8" PRIu32 " %8" PRIu32 " %7.2f | %8" PRIu32 " %8" PRIu32 " %8" PRIu32
		" %8" PRIu32 " | %8" PRIu32 "\n",
		t->ours, t->theirs, t->matched, percent(t->matched, tally_most(t)), t->parents.agree,
		t->parents.unknown, t->parents.unknown_theirs, t->parents.disagree, t->status_differ);
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void spread_cells(const struct spread *s, FILE *out)
{
	fprintf(out, " %9.1f %8.1f %8.1f %8.1f %9.1f", (double)s->median / 1000, us(s->p50), us(s->p90),
		us(s->p99), us(s->max));
}

static void time_row(const struct tally *t, FILE *out)
{
	name_cells(t, out);
	spread_cells(&t->start, out);
	fputs(" |", out);
	spread_cells(&t->duration, out);
	fputc('\n', out);
}

/* Each kind's labels, then their sum. */
static void table(const struct judgement *j, void (*row)(const struct tally *t, FILE *out), bool pairs_only,
		  FILE *out)
{
	for (uint32_t i = 0; i < j->tallies_len; i++) {
		const struct tally *t = &j->tallies[i], *sum = &j->kinds[t->kind];

		if (!t->one_sided && (t->matched || !pairs_only))
			row(t, out);
		if ((i + 1 == j->tallies_len || t[1].kind != t->kind) &&
		    (pairs_only ? sum->matched : tally_most(sum)))
			row(sum, out);
	}
}

static void attributes(const struct judgement *j, FILE *out)
{
	fprintf(out, "\nAttributes of matched spans\n%-*s %8s %8s %9s %11s\n", LABEL_WIDTH + 9, "name",
		"equal", "differ", "only ours", "only theirs");
	for (uint32_t i = 0; i < j->attributes_len; i++) {
		const struct attribute_tally *a = &j->attributes[i];

		cell(a->name, LABEL_WIDTH + 9, out);
		fprintf(out, " %8" PRIu32 " %8" PRIu32 " %9" PRIu32 " %11" PRIu32, a->equal, a->differ,
			a->only_ours, a->only_theirs);
		if (a->differ) {
			fputs("  such as ", out);
			terminal_put(out, slice_of(a->ours), EXAMPLE_WIDTH, utf8);
			fputs(" and ", out);
			terminal_put(out, slice_of(a->theirs), EXAMPLE_WIDTH, utf8);
		}
		fputc('\n', out);
	}
}

static void one_sided(uint32_t count, const char *what, const char *between, const char *more, FILE *out)
{
	fprintf(out, "    %8" PRIu32 "  ", count);
	terminal_put(out, slice_of(what), 0, utf8);
	fputs(between, out);
	terminal_put(out, slice_of(more), 0, utf8);
	fputc('\n', out);
}

static void one_side(const struct judgement *j, bool ours, FILE *out)
{
	fprintf(out, "  %s\n", ours ? "ours" : "theirs");
	for (uint32_t i = 0; i < j->tallies_len; i++) {
		const struct tally *t = &j->tallies[i];

		if (t->one_sided && (ours ? t->ours : t->theirs))
			one_sided(ours ? t->ours : t->theirs, kind_name(t->kind), " spans ", t->label, out);
	}
	for (uint32_t i = 0; i < j->attributes_len; i++) {
		const struct attribute_tally *a = &j->attributes[i];
		uint32_t count = ours ? a->only_ours : a->only_theirs;
		const char *reason = report_reason(a->name);

		if (count && !a->equal && !a->differ && !(ours ? a->only_theirs : a->only_ours))
			one_sided(count, a->name, reason ? ": " : "", reason ? reason : "", out);
	}
}

void report_text(const struct judgement *j, FILE *out)
{
	const struct spread *server = &j->kinds[KIND_SERVER].start;

	utf8 = terminal_utf8();
	side("ours", &j->ours, out);
	side("theirs", &j->theirs, out);
	fprintf(out, "\nSpans%*s %8s %8s %8s %7s | %8s %8s %8s %8s | %8s\n", LABEL_WIDTH + 4, "", "ours",
		"theirs", "matched", "%", "parents", "unknown", "unk.thr.", "disagree", "status!=");
	table(j, matched_row, false, out);
	fprintf(out, "\nTimes, theirs less ours, us%*s | %s\n%-*s", LABEL_WIDTH + 30, "start", "duration",
		LABEL_WIDTH + 9, "");
	for (int i = 0; i < 2; i++)
		fprintf(out, " %9s %8s %8s %8s %9s%s", "median", "|p50|", "|p90|", "|p99|", "|max|",
			i ? "\n" : " |");
	table(j, time_row, true, out);
	attributes(j, out);
	fputs("\nWhat only one side knows\n", out);
	one_side(j, true, out);
	if (server->count)
		fprintf(out, "              the time before the handler began: %.1f us at the median\n",
			(double)server->median / 1000);
	one_side(j, false, out);
}
