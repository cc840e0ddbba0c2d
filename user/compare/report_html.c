/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/name.h"
#include "compare/report.h"

#define ROWS_MAX  200 /* spans of the trace that is drawn */
#define DEPTH_MAX 64

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Two tracers of one "
	"process</title>\n"
	"<style>\n"
	"body{font:14px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 "
	"1em;color:#1c2430;"
	"background:#fff}\n"
	"h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}\n"
	"table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15em "
	".7em;text-align:right;"
	"border-bottom:1px solid #e3e7ee}td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}\n"
	"tr.sum{font-weight:600;background:#f5f7fa}.note{color:#5c6878}.bad{color:#b3261e;font-weight:600}\n"
	"svg{display:block;margin:.4em 0}svg text{font:11px system-ui,sans-serif;fill:#5c6878}\n"
	".server{fill:#2f6fde}.client{fill:#f08c2e}.internal{fill:#7a8797}.producer,.consumer,.unspecified{"
	"fill:#8e5bd0}\n"
	".lone{fill-opacity:.35}.axis{stroke:#c4cbd6}.failed{stroke:#b3261e;stroke-width:2}\n"
	"</style></head><body>\n";

static void escape(const char *s, FILE *out)
{
	for (; *s; s++) {
		const char *entity = *s == '&'   ? "&amp;"
				     : *s == '<' ? "&lt;"
				     : *s == '>' ? "&gt;"
				     : *s == '"' ? "&quot;"
						 : NULL;

		if (entity)
			fputs(entity, out);
		else if ((unsigned char)*s >= ' ')
			fputc(*s, out);
	}
}

static void side(const char *name, const struct recording *r, FILE *out)
{
	fprintf(out, "<li>%s: <code>", name);
	escape(r->path, out);
	fprintf(out, "</code>, %" PRIu32 " spans", r->len);
	if (r->malformed)
		fprintf(out, ", %" PRIu64 " lines or spans that cannot be read", r->malformed);
	if (r->duplicates)
		fprintf(out, ", %" PRIu64 " more than once", r->duplicates);
	if (r->excluded)
		fprintf(out, ", %" PRIu64 " left out", r->excluded);
	if (r->clock_ns > 1)
		fprintf(out, "; it starts spans at whole %s", clock_unit(r));
	fputs("</li>\n", out);
}

static void begin_row(const struct tally *t, FILE *out)
{
	fprintf(out, "<tr%s><td>%s</td><td>", t->label ? "" : " class=\"sum\"", kind_name(t->kind));
	escape(t->label ? t->label : "all", out);
	fputs("</td>", out);
}

static void span_row(const struct tally *t, FILE *out)
{
	begin_row(t, out);
	fprintf(out, "<td>%" PRIu32 "</td><td>%" PRIu32 "</td><td>%" PRIu32 "</td><td>%.2f</td>", t->ours,
		t->theirs, t->matched, percent(t->matched, tally_most(t)));
	fprintf(out,
		"<td>%" PRIu32 "</td><td>%" PRIu32 "</td><td>%" PRIu32 "</td><td%s>%" PRIu32
		"</td><td>%" PRIu32 "</td></tr>\n",
		t->parents.agree, t->parents.unknown, t->parents.unknown_theirs,
		t->parents.disagree ? " class=\"bad\"" : "", t->parents.disagree, t->status_differ);
}

static void time_row(const struct tally *t, FILE *out)
{
	const struct spread *both[] = { &t->start, &t->duration };

	begin_row(t, out);
	for (size_t i = 0; i < 2; i++)
		fprintf(out, "<td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td>",
			(double)both[i]->median / 1000, (double)both[i]->p50 / 1000,
			(double)both[i]->p90 / 1000, (double)both[i]->p99 / 1000,
			(double)both[i]->max / 1000);
	fputs("</tr>\n", out);
}

static void rows(const struct judgement *j, void (*row)(const struct tally *t, FILE *out), bool pairs_only,
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

/* Upper ends of a histogram's bars, in us; the first and the last have no other end. */
static const double edges[] = { -5000, -2000, -1000, -500, -200, -100, -50, -20, -10, -5,   -2,   -1,  0,
				1,     2,     5,     10,   20,   50,   100, 200, 500, 1000, 2000, 5000 };
#define EDGES (sizeof(edges) / sizeof(edges[0]))

static void histogram(const struct judgement *j, enum record_kind kind, bool duration, FILE *out)
{
	uint32_t counts[EDGES + 1] = { 0 }, most = 1;
	const double width = 40, height = 110;

	for (uint32_t i = 0; i < j->distances_len; i++) {
		const struct distance *d = &j->distances[i];
		double us = (double)(duration ? d->duration_ns : d->start_ns) / 1000;
		size_t bar = 0;

		if (d->kind != kind)
			continue;
		while (bar < EDGES && us > edges[bar])
			bar++;
		if (++counts[bar] > most)
			most = counts[bar];
	}
	fprintf(out,
		"<svg viewBox=\"0 0 1060 150\" width=\"100%%\" role=\"img\"><title>%s of %s spans, theirs "
		"less ours, in "
		"microseconds</title>\n",
		duration ? "Duration" : "Start", kind_name(kind));
	for (size_t i = 0; i <= EDGES; i++) {
		double bar = height * counts[i] / most, x = 10 + width * (double)i;

		if (counts[i])
			fprintf(out,
				"<rect class=\"%s\" x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" "
				"height=\"%.1f\"><title>%" PRIu32 "</title></rect>\n",
				kind_name(kind), x + 1, 120 - bar, width - 2, bar, counts[i]);
		if (i < EDGES)
			fprintf(out, "<text x=\"%.0f\" y=\"136\" text-anchor=\"middle\">%g</text>\n",
				x + width, edges[i]);
	}
	fprintf(out,
		"<line class=\"axis\" x1=\"10\" y1=\"120\" x2=\"1050\" y2=\"120\"/><text x=\"10\" "
		"y=\"12\">%s, theirs less "
		"ours, us</text></svg>\n",
		duration ? "duration" : "start");
}

static void plots(const struct judgement *j, FILE *out)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (!j->kinds[kind].matched)
			continue;
		fprintf(out, "<h3>%s</h3>\n", kind_name((enum record_kind)kind));
		histogram(j, (enum record_kind)kind, false, out);
		histogram(j, (enum record_kind)kind, true, out);
	}
}

/* The paired spans below each span, itself among them; spans are in the order of their starts. */
static uint32_t *count_below(const struct recording *r)
{
	uint32_t *below = calloc(r->len, sizeof(*below));

	for (uint32_t i = 0; below && i < r->len; i++) {
		uint32_t at = i;

		for (int depth = 0;
		     r->records[i].match != RECORD_NONE && depth < DEPTH_MAX && at != RECORD_NONE; depth++) {
			below[at]++;
			at = r->records[at].parent;
		}
	}
	return below;
}

/* A tree's spans from the top down, children in the order of their starts. */
struct tree {
	const struct recording *recording;
	uint32_t *first, *next; /* child, sibling; RECORD_NONE: none */
	uint32_t rows[ROWS_MAX];
	int depths[ROWS_MAX];
	uint32_t len;
};

static int tree_init(struct tree *t, const struct recording *r)
{
	t->recording = r;
	t->len = 0;
	t->first = malloc(r->len * sizeof(*t->first));
	t->next = malloc(r->len * sizeof(*t->next));
	if (!t->first || !t->next)
		return -1;
	memset(t->first, 0xff, r->len * sizeof(*t->first));
	for (uint32_t i = r->len; i-- > 0;) {
		uint32_t parent = r->records[i].parent;

		t->next[i] = RECORD_NONE;
		if (parent == RECORD_NONE)
			continue;
		t->next[i] = t->first[parent];
		t->first[parent] = i;
	}
	return 0;
}

static void tree_free(struct tree *t)
{
	free(t->first);
	free(t->next);
}

static void tree_take(struct tree *t, uint32_t at, int depth) /* NOLINT(misc-no-recursion) */
{
	if (t->len == ROWS_MAX || depth == DEPTH_MAX)
		return;
	t->rows[t->len] = at;
	t->depths[t->len++] = depth;
	for (uint32_t child = t->first[at]; child != RECORD_NONE; child = t->next[child])
		tree_take(t, child, depth + 1);
}

static void draw(const struct tree *t, const char *title, uint64_t from_ns, uint64_t to_ns, FILE *out)
{
	const double left = 380, width = 660, scale = width / (double)(to_ns - from_ns);

	fprintf(out, "<h3>%s</h3>\n<svg viewBox=\"0 0 1060 %" PRIu32 "\" width=\"100%%\" role=\"img\">\n",
		title, 20 * t->len + 10);
	for (uint32_t i = 0; i < t->len; i++) {
		const struct record *s = &t->recording->records[t->rows[i]];
		double x = left + (double)(int64_t)(s->start_ns - from_ns) * scale;
		double w = (double)(s->end_ns - s->start_ns) * scale;

		fprintf(out, "<text x=\"%d\" y=\"%" PRIu32 "\">", 12 * t->depths[i], 20 * i + 16);
		escape(s->label, out);
		fprintf(out,
			"</text><rect class=\"%s%s%s\" x=\"%.2f\" y=\"%" PRIu32
			"\" width=\"%.2f\" height=\"14\"><title>",
			kind_name(s->kind), s->match == RECORD_NONE ? " lone" : "",
			s->failed ? " failed" : "", x, 20 * i + 4, w > 1 ? w : 1);
		escape(s->operation, out);
		fprintf(out, ": after %.1f us, %.1f us long</title></rect>\n",
			(double)(int64_t)(s->start_ns - from_ns) / 1000,
			(double)(s->end_ns - s->start_ns) / 1000);
	}
	fputs("</svg>\n", out);
}

/* The topmost paired span with the most paired spans below it on both sides. */
static uint32_t best_tree(const struct judgement *j)
{
	uint32_t *ours = count_below(&j->ours), *theirs = count_below(&j->theirs), best = RECORD_NONE,
		 most = 0;

	for (uint32_t i = 0; ours && theirs && i < j->ours.len; i++) {
		uint32_t other = j->ours.records[i].match, count;

		if (other == RECORD_NONE)
			continue;
		count = ours[i] < theirs[other] ? ours[i] : theirs[other];
		if (count > most) {
			most = count;
			best = i;
		}
	}
	free(ours);
	free(theirs);
	return best;
}

static void trace_twice(const struct judgement *j, FILE *out)
{
	uint32_t top = best_tree(j);
	const struct record *a, *b;
	struct tree ours = { 0 }, theirs = { 0 };
	uint64_t from, to;

	if (top == RECORD_NONE)
		return;
	a = &j->ours.records[top];
	b = &j->theirs.records[a->match];
	from = a->start_ns < b->start_ns ? a->start_ns : b->start_ns;
	to = (a->end_ns > b->end_ns ? a->end_ns : b->end_ns) + 1;
	if (tree_init(&ours, &j->ours) == 0 && tree_init(&theirs, &j->theirs) == 0) {
		tree_take(&ours, top, 0);
		tree_take(&theirs, a->match, 0);
		fprintf(out,
			"<h2>One trace, seen twice</h2><p class=\"note\">%.3f ms from edge to edge; pale: "
			"only this side "
			"has it; red edge: failed.</p>\n",
			(double)(to - from) / 1e6);
		draw(&ours, "ours", from, to, out);
		draw(&theirs, "theirs", from, to, out);
	}
	tree_free(&ours);
	tree_free(&theirs);
}

static void attributes(const struct judgement *j, FILE *out)
{
	fputs("<h2>Attributes of matched spans</h2>\n<table><tr><th>name</th><th>differing "
	      "example</th><th>equal</th>"
	      "<th>differ</th><th>only ours</th><th>only theirs</th></tr>\n",
	      out);
	for (uint32_t i = 0; i < j->attributes_len; i++) {
		const struct attribute_tally *a = &j->attributes[i];

		fputs("<tr><td>", out);
		escape(a->name, out);
		fputs("</td><td>", out);
		if (a->differ) {
			escape(a->ours, out);
			fputs(" / ", out);
			escape(a->theirs, out);
		}
		fprintf(out,
			"</td><td>%" PRIu32 "</td><td>%" PRIu32 "</td><td>%" PRIu32 "</td><td>%" PRIu32
			"</td></tr>\n",
			a->equal, a->differ, a->only_ours, a->only_theirs);
	}
	fputs("</table>\n", out);
}

static void one_sided(const struct judgement *j, FILE *out)
{
	fputs("<h2>Spans of which the other side has nothing like "
	      "it</h2>\n<table><tr><th>kind</th><th>name</th>"
	      "<th>ours</th><th>theirs</th></tr>\n",
	      out);
	for (uint32_t i = 0; i < j->tallies_len; i++) {
		const struct tally *t = &j->tallies[i];

		if (!t->one_sided)
			continue;
		begin_row(t, out);
		fprintf(out, "<td>%" PRIu32 "</td><td>%" PRIu32 "</td></tr>\n", t->ours, t->theirs);
	}
	fputs("</table>\n", out);
}

void report_html(const struct judgement *j, FILE *out)
{
	fputs(head, out);
	fputs("<h1>Two tracers of one process</h1>\n<ul>\n", out);
	side("ours", &j->ours, out);
	side("theirs", &j->theirs, out);
	fputs("</ul>\n<h2>Spans</h2>\n<table><tr><th>kind</th><th>name</th><th>ours</th><th>theirs</"
	      "th><th>matched</th>"
	      "<th>%</th><th>parents agree</th><th>unknown to us</th><th>unknown to "
	      "them</th><th>disagree</th><th>status "
	      "differs</th></tr>\n",
	      out);
	rows(j, span_row, false, out);
	fputs("</table>\n<h2>Times, theirs less ours, in "
	      "microseconds</h2>\n<table><tr><th>kind</th><th>name</th><th>start: "
	      "median</th><th>|p50|</th><th>|p90|</th><th>|p99|</th><th>|max|</th><th>duration: "
	      "median</th><th>|p50|</th>"
	      "<th>|p90|</th><th>|p99|</th><th>|max|</th></tr>\n",
	      out);
	rows(j, time_row, true, out);
	fputs("</table>\n", out);
	plots(j, out);
	trace_twice(j, out);
	attributes(j, out);
	one_sided(j, out);
	fputs("</body></html>\n", out);
}
