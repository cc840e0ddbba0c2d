/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <inttypes.h>

#include "compare/judge.h"
#include "compare/match.h"
#include "compare/name.h"
#include "compare/report.h"

#define T0 UINT64_C(1795526262000000000)

/* A file of the test's own, removed at its end. */
struct file {
	char path[32];
	FILE *out;
};

static void file_begin(struct file *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/spanhook-XXXXXX");
	f->out = fdopen(mkstemp(f->path), "w");
	assert_non_null(f->out);
}

static int file_read(struct file *f, struct recording *ret)
{
	int err;

	fclose(f->out);
	err = recording_read(f->path, NULL, 0, ret);
	unlink(f->path);
	return err;
}

static int read_text(const char *text, struct recording *ret)
{
	struct file f;

	file_begin(&f);
	fputs(text, f.out);
	return file_read(&f, ret);
}

/* One span to write, in whichever format. Ids of 0 are not written. */
struct want {
	unsigned int trace, id, parent;
	int kind; /* of OTLP */
	uint64_t start_ns, duration_ns;
	const char *name, *method, *path;
	unsigned int port;
};

static void put_otlp(FILE *out, const struct want *w)
{
	static const char *const ports[] = { "thread.id", "thread.id", "network.peer.port",
					     "network.local.port" };

	fprintf(out,
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"%032x\",\"spanId\":\"%"
		"016x\","
		"\"kind\":%d,\"name\":\"%s\",\"startTimeUnixNano\":\"%" PRIu64
		"\",\"endTimeUnixNano\":\"%" PRIu64 "\"",
		w->trace, w->id, w->kind, w->name, T0 + w->start_ns, T0 + w->start_ns + w->duration_ns);
	if (w->parent)
		fprintf(out, ",\"parentSpanId\":\"%016x\"", w->parent);
	fputs(",\"attributes\":[{\"key\":\"x\",\"value\":{\"stringValue\":\"y\"}}", out);
	if (w->method)
		fprintf(out,
			",{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"%s\"}},"
			"{\"key\":\"url.path\",\"value\":{\"stringValue\":\"%s\"}}",
			w->method, w->path);
	if (w->port)
		fprintf(out, ",{\"key\":\"%s\",\"value\":{\"intValue\":\"%u\"}}", ports[w->kind], w->port);
	fputs("]}]}]}]}\n", out);
}

static void read_wants(const struct want *wants, size_t len, struct recording *ret)
{
	struct file f;

	file_begin(&f);
	for (size_t i = 0; i < len; i++)
		put_otlp(f.out, &wants[i]);
	assert_int_equal(file_read(&f, ret), 0);
}

static void compare(const struct want *a, size_t a_len, const struct want *b, size_t b_len,
		    struct judgement *ret)
{
	struct recording ours, theirs;

	read_wants(a, a_len, &ours);
	read_wants(b, b_len, &theirs);
	assert_int_equal(match(&ours, &theirs), 0);
	assert_int_equal(judge(&ours, &theirs, ret), 0);
}

/* An order with two calls, and a function around the second. */
static const struct want tree[] = {
	{ 1, 10, 0, 2, 0, 9000000, "POST /orders", "POST", "/orders", 700 },
	{ 1, 11, 10, 3, 1000000, 2000000, "GET", "GET", "/users/7", 801 },
	{ 1, 12, 10, 1, 3500000, 5000000, "reserve", NULL, NULL, 9 },
	{ 1, 13, 12, 3, 4000000, 3000000, "POST", "POST", "/reserve", 802 },
};

static void equal_files(void **state)
{
	struct judgement j;

	(void)state;
	compare(tree, COUNT(tree), tree, COUNT(tree), &j);
	assert_int_equal(j.all.ours, 4);
	assert_int_equal(j.all.matched, 4);
	assert_int_equal(j.all.parents.agree, 4);
	assert_int_equal(j.all.parents.through, 0);
	assert_int_equal(j.all.start.max + j.all.duration.max, 0);
	assert_int_equal(j.all.status_differ, 0);
	for (uint32_t i = 0; i < j.attributes_len; i++)
		assert_int_equal(
			j.attributes[i].differ + j.attributes[i].only_ours + j.attributes[i].only_theirs, 0);
	judgement_free(&j);
}

/* Other ids, no function: the calls' parents are found through it. */
static void one_side_has_more(void **state)
{
	struct want ours[] = { tree[0], tree[1], tree[3] };
	struct judgement j;

	(void)state;
	for (size_t i = 0; i < COUNT(ours); i++) {
		ours[i].trace = 77;
		ours[i].id += 100;
		ours[i].parent = ours[i].parent ? 110 : 0;
		ours[i].start_ns += 30000;
	}
	compare(ours, COUNT(ours), tree, COUNT(tree), &j);
	assert_int_equal(j.all.matched, 3);
	assert_int_equal(tally_most(&j.all), 3); /* the function is not missing: nobody could know */
	assert_int_equal(j.all.parents.agree, 3);
	assert_int_equal(j.all.parents.through, 1);
	assert_int_equal(j.all.start.median, -30000);
	assert_int_equal(j.all.start.p99, 30000);
	assert_int_equal(j.kinds[KIND_CLIENT].matched, 2);
	judgement_free(&j);
}

static void missing(void **state)
{
	struct want ours[] = { tree[0], tree[3] };
	struct judgement j;

	(void)state;
	compare(ours, COUNT(ours), tree, COUNT(tree), &j);
	assert_int_equal(j.kinds[KIND_CLIENT].ours, 1);
	assert_int_equal(j.kinds[KIND_CLIENT].theirs, 2);
	assert_int_equal(j.kinds[KIND_CLIENT].matched, 1);
	judgement_free(&j);
	compare(tree, COUNT(tree), ours, COUNT(ours), &j);
	assert_int_equal(j.kinds[KIND_CLIENT].ours, 2);
	assert_int_equal(j.kinds[KIND_CLIENT].matched, 1);
	judgement_free(&j);
}

/* Two orders at a time whose calls hang below the wrong one, or below none. */
static void parents(void **state)
{
	struct want theirs[] = {
		{ 1, 10, 0, 2, 0, 9000000, "s", "POST", "/orders", 700 },
		{ 2, 20, 0, 2, 100000, 9000000, "s", "POST", "/orders", 701 },
		{ 1, 11, 10, 3, 1000000, 2000000, "c", "GET", "/users/7", 801 },
		{ 2, 21, 20, 3, 1100000, 2000000, "c", "GET", "/users/7", 802 },
	};
	struct want ours[COUNT(theirs)];
	struct judgement j;

	(void)state;
	memcpy(ours, theirs, sizeof(ours));
	for (size_t i = 0; i < COUNT(ours); i++) {
		ours[i].trace += 50;
		ours[i].id += 50;
		ours[i].parent += ours[i].parent ? 50 : 0;
	}
	ours[2].trace = 52;
	ours[2].parent = 70;
	ours[3].trace = 51;
	ours[3].parent = 60;
	compare(ours, COUNT(ours), theirs, COUNT(theirs), &j);
	assert_int_equal(j.all.matched, 4);
	assert_int_equal(j.all.parents.agree, 2);
	assert_int_equal(j.all.parents.disagree, 2);
	judgement_free(&j);
	ours[2].parent = 0;
	compare(ours, COUNT(ours), theirs, COUNT(theirs), &j);
	assert_int_equal(j.all.parents.disagree, 1);
	assert_int_equal(j.all.parents.unknown, 1);
	judgement_free(&j);
	compare(theirs, COUNT(theirs), ours, COUNT(ours), &j);
	assert_int_equal(j.all.parents.disagree, 1);
	assert_int_equal(j.all.parents.unknown_theirs, 1);
	judgement_free(&j);
}

/* A span that is its own ancestor. */
static void circle(void **state)
{
	struct want w[] = { { 1, 10, 11, 1, 0, 10, "a", NULL, NULL, 0 },
			    { 1, 11, 10, 1, 0, 10, "b", NULL, NULL, 0 },
			    { 1, 12, 12, 1, 0, 10, "c", NULL, NULL, 0 } };
	struct judgement j;

	(void)state;
	compare(w, COUNT(w), tree, COUNT(tree), &j);
	assert_int_equal(j.all.matched, 0);
	judgement_free(&j);
	compare(w, COUNT(w), w, COUNT(w), &j);
	assert_int_equal(j.all.matched, 3);
	assert_int_equal(j.all.parents.agree, 3);
	judgement_free(&j);
}

/* Sequences on connections, with a clock that is late and rounds, a few spans missing: who matches whom is
 * known. */
static void many(void **state)
{
	enum { CONNECTIONS = 50, EACH = 2000 };
	struct want *ours = calloc(CONNECTIONS * EACH, sizeof(*ours)),
		    *theirs = calloc(CONNECTIONS * EACH, sizeof(*ours));
	size_t ours_len = 0, theirs_len = 0;
	uint64_t seed = 42;
	struct judgement j;

	(void)state;
	for (unsigned int c = 0; c < CONNECTIONS; c++) {
		uint64_t at = draw_below(&seed, 3000000);

		for (unsigned int i = 0; i < EACH; i++) {
			unsigned int id = 1 + c * EACH + i;
			struct want w = { id, id, 0, 3, at, 800000, "c", "GET", "/users/7", 10000 + c };

			if (id % 97)
				ours[ours_len++] = w;
			w.trace += 1 << 30;
			w.start_ns = (at + 300000 + draw_below(&seed, 50000)) / 100000 * 100000;
			if (id % 89)
				theirs[theirs_len++] = w;
			at += 1500000 + draw_below(&seed, 4000000);
		}
	}
	compare(ours, ours_len, theirs, theirs_len, &j);
	for (uint32_t i = 0; i < j.ours.len; i++) {
		const struct record *s = &j.ours.records[i];

		if (s->match != RECORD_NONE)
			assert_memory_equal(s->span_id, j.theirs.records[s->match].span_id, 8);
		else /* the last four bytes of the id hold the number */
			assert_int_equal(((s->span_id[4] << 24) | (s->span_id[5] << 16) |
					  (s->span_id[6] << 8) | s->span_id[7]) %
						 89,
					 0);
	}
	judgement_free(&j);
	free(ours);
	free(theirs);
}

/* Without connections: the nearest start wins, whoever is first in the file; both directions give the same
 * pairs. */
static void nearest(void **state)
{
	struct want a[] = { { 1, 1, 0, 3, 0, 5000000, "f", NULL, NULL, 0 },
			    { 2, 2, 0, 3, 1000000, 5000000, "f", NULL, NULL, 0 },
			    { 3, 3, 0, 3, 2000000, 5000000, "f", NULL, NULL, 0 } };
	struct want b[] = { { 9, 8, 0, 3, 2010000, 5000000, "f", NULL, NULL, 0 },
			    { 8, 9, 0, 3, 990000, 5000000, "f", NULL, NULL, 0 } };
	struct judgement j;

	(void)state;
	compare(a, COUNT(a), b, COUNT(b), &j);
	assert_int_equal(j.ours.records[0].match, RECORD_NONE);
	assert_int_equal(j.ours.records[1].match, 0);
	assert_int_equal(j.ours.records[2].match, 1);
	judgement_free(&j);
	compare(b, COUNT(b), a, COUNT(a), &j);
	assert_int_equal(j.ours.records[0].match, 1);
	assert_int_equal(j.ours.records[1].match, 2);
	judgement_free(&j);
}

static const char spanhook_line[] =
	"{\"timestamp\":\"2026-11-24T13:17:42.934448891Z\",\"level\":\"error\",\"message\":\"m\",\"service\":"
	"\"shop\","
	"\"command\":\"node\",\"kind\":\"client\",\"name\":\"GET /users/{id}\",\"trace_id\":"
	"\"71f38341c2094cac629f6fbed82c07ce\",\"span_id\":\"467bed6cf8e691d8\",\"parent_span_id\":"
	"\"0000000000000001\","
	"\"evidence\":\"turn\",\"protocol\":\"http\",\"method\":\"GET\",\"path\":\"/users/"
	"1\",\"query\":\"a=b\","
	"\"route\":\"/users/"
	"{id}\",\"host\":\"[::1]:80\",\"status\":503,\"duration_ms\":6.945531,\"request_bytes\":0,"
	"\"peer\":\"[::1]:80\",\"local\":\"127.0.0.1:54914\",\"pid\":1,\"tid\":14185}\n";

/* Two requests on a connection, by a clock of whole milliseconds: the first of theirs is nearer to our
 * second. */
static void coarse_clock(void **state)
{
	const struct want ours[] = {
		{ 1, 10, 0, 3, 700000, 100000, "GET", "GET", "/a", 801 },
		{ 2, 11, 0, 3, 1200000, 100000, "GET", "GET", "/a", 801 },
		{ 3, 12, 0, 3, 5000000, 100000, "GET", "GET", "/b", 801 },
	};
	struct want theirs[] = {
		{ 1, 20, 0, 3, 1000000, 100000, "GET", "GET", "/a", 801 },
		{ 2, 21, 0, 3, 2000000, 100000, "GET", "GET", "/a", 801 },
		{ 3, 22, 0, 3, 5000000, 100000, "GET", "GET", "/b", 801 },
	};
	struct judgement j;

	(void)state;
	compare(ours, COUNT(ours), theirs, COUNT(theirs), &j);
	assert_int_equal(j.all.matched, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(j.ours.records[i].match, i);
	judgement_free(&j);

	/* In the same millisecond, and in the file the other way round: the first to end was the first. */
	theirs[0] = (struct want){ 2, 21, 0, 3, 1000000, 900000, "GET", "GET", "/a", 801 };
	theirs[1] = (struct want){ 1, 20, 0, 3, 1000000, 100000, "GET", "GET", "/a", 801 };
	compare(ours, COUNT(ours), theirs, COUNT(theirs), &j);
	assert_int_equal(j.theirs.records[j.ours.records[0].match].end_ns, T0 + 1100000);
	assert_int_equal(j.theirs.records[j.ours.records[1].match].end_ns, T0 + 1900000);
	judgement_free(&j);
}

static void check_attribute(const struct record *s, const char *name, const char *value)
{
	const char *got = record_get(s, name_number(name));

	assert_non_null(got);
	assert_string_equal(got, value);
}

static void spanhook_json(void **state)
{
	struct recording r;
	const struct record *s;

	(void)state;
	assert_int_equal(read_text(spanhook_line, &r), 0);
	s = &r.records[0];
	assert_int_equal(s->kind, KIND_CLIENT);
	assert_int_equal(s->end_ns, 1795526262934448891ULL);
	assert_int_equal(s->end_ns - s->start_ns, 6945531);
	assert_true(s->failed && s->has_parent);
	assert_string_equal(s->operation, "GET /users/1");
	assert_string_equal(s->label, "GET /users/{id}");
	check_attribute(s, "http.request.method", "GET");
	check_attribute(s, "http.response.status_code", "503");
	check_attribute(s, "server.address", "::1");
	check_attribute(s, "server.port", "80");
	check_attribute(s, "network.peer.address", "::1");
	check_attribute(s, "network.local.port", "54914");
	check_attribute(s, "thread.id", "14185");
	check_attribute(s, "url.template", "/users/{id}");
	assert_null(record_get(s, name_number("http.route")));
	recording_free(&r);
}

/* Names of before 2024, ids in capitals, kinds and codes by name, numbers that are strings, any layout. */
static void otlp_json(void **state)
{
	struct recording r;
	const struct record *s;

	(void)state;
	assert_int_equal(read_text("{\n \"resourceSpans\": [ { \"scopeSpans\": [ { \"spans\": [\n"
				   "{\"traceId\":\"0AF7651916CD43DD8448EB211C80319C\",\"spanId\":"
				   "\"B7AD6B7169203331\",\"kind\":"
				   "\"SPAN_KIND_SERVER\",\"name\":\"GET\",\"startTimeUnixNano\":\"5000\","
				   "\"endTimeUnixNano\":6000,\n"
				   "\"status\":{\"code\":\"STATUS_CODE_ERROR\"},\"attributes\":["
				   "{\"key\":\"http.method\",\"value\":{\"stringValue\":\"GET\"}},"
				   "{\"key\":\"http.target\",\"value\":{\"stringValue\":\"/orders/7?a=1\"}},"
				   "{\"key\":\"http.status_code\",\"value\":{\"intValue\":404}},"
				   "{\"key\":\"net.peer.port\",\"value\":{\"intValue\":\"99\"}},"
				   "{\"key\":\"amount\",\"value\":{\"doubleValue\":7.50}},"
				   "{\"key\":\"yes\",\"value\":{\"boolValue\":true}},"
				   "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":"
				   "\"1\"}]}}}]}\n"
				   "] } ] } ] }\n",
				   &r),
			 0);
	s = &r.records[0];
	assert_int_equal(r.malformed, 0);
	assert_int_equal(s->kind, KIND_SERVER);
	assert_true(s->failed);
	assert_int_equal(s->trace_id[0], 0x0a);
	assert_string_equal(s->operation, "GET /orders/7");
	assert_string_equal(s->label, "GET /orders/{id}");
	check_attribute(s, "url.query", "a=1");
	check_attribute(s, "http.response.status_code", "404");
	check_attribute(s, "network.peer.port", "99");
	check_attribute(s, "amount", "7.5");
	check_attribute(s, "yes", "true");
	check_attribute(s, "list", "{\"values\":[{\"intValue\":\"1\"}]}");
	recording_free(&r);
}

/* Whatever a file holds, what can be read of it is, and the rest is counted. */
static void hostile(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"{",
		"[]",
		"[[[[",
		"null",
		"7",
		"\"span_id\"",
		"{\"span_id\":7}",
		"{\"span_id\":\"467bed6cf8e691d8\"}",
		"{\"resourceSpans\":7}",
		"{\"resourceSpans\":[7,null,\"a\",[],{\"scopeSpans\":{\"spans\":[{}]}}]}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":[],\"spanId\":{}}]}]}]}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
		"\"00000000000000000000000000000000\","
		"\"spanId\":\"0000000000000001\",\"startTimeUnixNano\":\"5\",\"endTimeUnixNano\":\"6\"}]}]}]"
		"}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
		"\"00000000000000000000000000000001\","
		"\"spanId\":\"0000000000000001\",\"startTimeUnixNano\":\"7\",\"endTimeUnixNano\":\"6\"}]}]}]"
		"}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
		"\"00000000000000000000000000000001\","
		"\"spanId\":\"0000000000000001\",\"startTimeUnixNano\":\"99999999999999999999999\","
		"\"endTimeUnixNano\":1e400}]}]}]}",
		"{\"span_id\":\"467bed6cf8e691d8\",\"trace_id\":\"71f38341c2094cac629f6fbed82c07ce\","
		"\"kind\":\"client\","
		"\"timestamp\":\"9999999-99-99T99:99:99\",\"duration_ms\":1e300}",
		"{\"span_id\":\"467bed6cf8e691d8\",\"trace_id\":\"71f38341c2094cac629f6fbed82c07ce\","
		"\"kind\":\"client\","
		"\"timestamp\":\"2026-11-24T13:17:42Z\",\"duration_ms\":-1}",
		"\xff\xfe{\"\x01\"",
		"{\"span_id\":\"467bed6cf8e691d8\",\"trace_id\":\"71f38341c2094cac629f6fbed82c07ce\","
		"\"kind\":\"client\",\"name\":\"caf\xe9\","
		"\"timestamp\":\"2026-11-24T13:17:42Z\",\"duration_ms\":1}",
	};
	struct recording r;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct file f;
		uint64_t blank = lines[i][strspn(lines[i], "\n")] == '\0';

		assert_int_equal(read_text(lines[i], &r), -ENODATA);
		file_begin(&f);
		fprintf(f.out, "%s\n%s%s", spanhook_line, lines[i], "\n");
		put_otlp(f.out, &tree[0]);
		assert_int_equal(file_read(&f, &r), 0);
		assert_int_equal(r.len, 2);
		/* An object whose lists hold something else is not wrong, only empty. */
		assert_true(r.malformed == !blank || strstr(lines[i], "[7,null"));
		recording_free(&r);
	}
}

/* What files say does not steer the terminal that shows it. */
static void terminal(void **state)
{
	static const struct want ours = { 1, 10, 0, 1, 0, 9000, "a\\u001b[2Jb\\nc", NULL, NULL, 7 },
				 theirs = { 1, 10, 0, 1, 0, 9000, "\\u009b2J", NULL, NULL, 8 };
	struct judgement j;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	compare(&ours, 1, &theirs, 1, &j);
	report_text(&j, out);
	fclose(out);
	judgement_free(&j);
	assert_non_null(strstr(text, "\ninternal a.[2Jb.c  "));
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\x9b'));
	free(text);
}

static void deep(void **state)
{
	struct recording r;
	struct file f;

	(void)state;
	file_begin(&f);
	for (int i = 0; i < 1000000; i++)
		fputc('[', f.out);
	fputc('\n', f.out);
	put_otlp(f.out, &tree[0]);
	assert_int_equal(file_read(&f, &r), 0);
	assert_int_equal(r.len, 1);
	assert_int_equal(r.malformed, 1);
	recording_free(&r);
}

/* Attributes, names and values beyond their limits; the same span twice. */
static void limits(void **state)
{
	struct recording r;
	struct file f;

	(void)state;
	file_begin(&f);
	fputs("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
	      "\"00000000000000000000000000000001\","
	      "\"spanId\":\"0000000000000001\",\"startTimeUnixNano\":\"5\",\"endTimeUnixNano\":\"6\","
	      "\"name\":\"",
	      f.out);
	for (int i = 0; i < 2 * TEXT_MAX; i++)
		fputs("é", f.out);
	fputs("\",\"attributes\":[", f.out);
	for (int i = 0; i < 2 * NAMES_MAX; i++)
		fprintf(f.out, "%s{\"key\":\"limit.%d\",\"value\":{\"intValue\":\"1\"}}", i ? "," : "", i);
	fputs("]}]}]}]}\n", f.out);
	put_otlp(f.out, &tree[0]);
	put_otlp(f.out, &tree[0]);
	assert_int_equal(file_read(&f, &r), 0);
	assert_int_equal(r.len, 2);
	assert_int_equal(r.duplicates, 1);
	assert_int_equal(r.cut, 1 + 2 * NAMES_MAX - ATTRIBUTES_MAX);
	assert_int_equal(r.records[0].attributes_len, ATTRIBUTES_MAX);
	assert_int_equal(strlen(r.records[0].name), TEXT_MAX);
	recording_free(&r);
}

static void exclude(void **state)
{
	static const char *const globs[] = { "GET /users/*", "reserve" };
	struct recording r;
	struct file f;

	(void)state;
	file_begin(&f);
	for (size_t i = 0; i < COUNT(tree); i++)
		put_otlp(f.out, &tree[i]);
	fclose(f.out);
	assert_int_equal(recording_read(f.path, globs, COUNT(globs), &r), 0);
	unlink(f.path);
	assert_int_equal(r.len, 2);
	assert_int_equal(r.excluded, 2);
	recording_free(&r);
	assert_int_equal(recording_read("/nonexistent", NULL, 0, &r), -ENOENT);
	assert_int_equal(recording_read("/tmp", NULL, 0, &r), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_files),   cmocka_unit_test(one_side_has_more),
		cmocka_unit_test(missing),       cmocka_unit_test(parents),
		cmocka_unit_test(circle),        cmocka_unit_test(nearest),
		cmocka_unit_test(coarse_clock),  cmocka_unit_test(many),
		cmocka_unit_test(spanhook_json), cmocka_unit_test(otlp_json),
		cmocka_unit_test(hostile),       cmocka_unit_test(deep),
		cmocka_unit_test(limits),        cmocka_unit_test(exclude),
		cmocka_unit_test(terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
