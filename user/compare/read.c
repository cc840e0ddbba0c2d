/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compare/block.h"
#include "compare/load.h"
#include "compare/name.h"
#include "compare/record.h"
#include "route.h"

struct reader {
	struct recording recording;
	uint32_t size; /* of recording.records */
	const char *const *exclude;
	size_t exclude_len;
	struct attribute attributes[ATTRIBUTES_MAX]; /* of the span at hand */
	uint32_t len;
};

static const char *const kinds[KINDS] = { "unspecified", "internal", "server",
					  "client",      "producer", "consumer" };

const char *kind_name(enum record_kind kind)
{
	return kinds[kind];
}

const char *record_get(const struct record *record, uint16_t name)
{
	for (uint32_t i = 0; i < record->attributes_len; i++)
		if (record->attributes[i].name == name)
			return record->attributes[i].value;
	return NULL;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(member(object, name));
}

/* A copy of at most TEXT_MAX bytes, which ends between characters. */
static const char *keep(struct reader *r, struct slice s)
{
	char *copy;

	if (s.len > TEXT_MAX) {
		r->recording.cut++;
		s.len = TEXT_MAX;
		while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	copy = block_take(&r->recording.text, s.len + 1);
	if (copy && s.len)
		memcpy(copy, s.p, s.len);
	return copy;
}

static void add(struct reader *r, uint16_t name, struct slice value)
{
	const char *copy;

	if (name == NAMES_NONE || r->len == ATTRIBUTES_MAX) {
		r->recording.cut++;
		return;
	}
	for (uint32_t i = 0; i < r->len; i++)
		if (r->attributes[i].name == name)
			return;
	copy = keep(r, value);
	if (copy)
		r->attributes[r->len++] = (struct attribute){ name, copy };
}

/* path?query */
static void add_target(struct reader *r, struct slice target)
{
	const char *mark = target.len ? memchr(target.p, '?', target.len) : NULL;
	size_t len = mark ? (size_t)(mark - target.p) : target.len;

	add(r, NAME_PATH, (struct slice){ target.p, len });
	if (mark)
		add(r, NAME_QUERY, slice_from(target, len + 1));
}

/* scheme://authority/path?query#fragment (RFC 3986 section 3) */
static void add_url(struct reader *r, struct slice url)
{
	const char *p = memmem(url.p, url.len, "://", 3), *slash;
	struct slice rest, target;

	add(r, NAME_URL, url);
	if (!p)
		return;
	rest = slice_from(url, (size_t)(p - url.p) + 3);
	slash = rest.len ? memchr(rest.p, '/', rest.len) : NULL;
	target = slash ? slice_from(rest, (size_t)(slash - rest.p)) : SLICE("/");
	p = memchr(target.p, '#', target.len);
	if (p)
		target.len = (size_t)(p - target.p);
	add_target(r, target);
}

/* host:port, [address]:port */
static void add_endpoint(struct reader *r, const struct translation *t, struct slice s)
{
	const char *colon = s.len ? memrchr(s.p, ':', s.len) : NULL, *bracket = memchr(s.p, ']', s.len);
	size_t host_len = colon && (!bracket || colon > bracket) ? (size_t)(colon - s.p) : s.len;
	struct slice host = { s.p, host_len };

	if (slice_starts(s, SLICE("unix:")))
		host = s;
	else if (host_len < s.len)
		add(r, t->port, slice_from(s, host_len + 1));
	if (host.len > 2 && host.p[0] == '[')
		host = (struct slice){ host.p + 1, host.len - 2 };
	add(r, t->name, host);
}

static void add_as(struct reader *r, const struct translation *t, struct slice value)
{
	switch (t->form) {
	case FORM_PLAIN:
		add(r, t->name, value);
		return;
	case FORM_PATH:
		add_target(r, value);
		return;
	case FORM_URL:
		add_url(r, value);
		return;
	case FORM_HOST:
	case FORM_ENDPOINT:
		add_endpoint(r, t, value);
		return;
	}
}

static struct slice number_text(double n, char buf[32])
{
	bool whole = fabs(n) < 9e15 && n == (double)(int64_t)n;

	return (struct slice){ buf, (size_t)(whole ? snprintf(buf, 32, "%" PRId64, (int64_t)n)
						   : snprintf(buf, 32, "%.15g", n)) };
}

/* A JSON scalar as text, or any other value as JSON. */
static void add_value(struct reader *r, const struct translation *t, const cJSON *value)
{
	char buf[32], *printed;

	if (!value)
		return;
	if (cJSON_IsString(value)) {
		add_as(r, t, slice_of(value->valuestring));
	} else if (cJSON_IsNumber(value)) {
		add_as(r, t, number_text(value->valuedouble, buf));
	} else if (cJSON_IsBool(value)) {
		add_as(r, t, cJSON_IsTrue(value) ? SLICE("true") : SLICE("false"));
	} else if (!cJSON_IsNull(value)) {
		printed = cJSON_PrintUnformatted(value);
		add_as(r, t, slice_of(printed));
		free(printed);
	}
}

/* OTLP's AnyValue: {"stringValue": ...}, {"intValue": "7"}, {"doubleValue": 0.5}, ... */
static void add_any_value(struct reader *r, const struct translation *t, const cJSON *any)
{
	const cJSON *value = cJSON_IsObject(any) ? any->child : NULL;
	char *end, buf[32];
	double n;

	if (value && cJSON_IsString(value) && strcmp(value->string, "doubleValue") == 0) {
		n = strtod(value->valuestring, &end);
		add_as(r, t, *end ? slice_of(value->valuestring) : number_text(n, buf));
		return;
	}
	add_value(r, t, value);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* 2 * len hexadecimal digits, not all of them 0. */
static bool id_of(const cJSON *object, const char *name, uint8_t *id, size_t len)
{
	const char *hex = text_of(object, name);
	uint8_t any = 0;

	if (!hex || strlen(hex) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		id[i] = (uint8_t)(high << 4 | low);
		any |= id[i];
	}
	return any;
}

/* A decimal string, as OTLP has 64-bit numbers, or a number. */
static bool nanoseconds_of(const cJSON *object, const char *name, uint64_t *ret_ns)
{
	const cJSON *value = member(object, name);
	char *end;

	if (cJSON_IsNumber(value) && value->valuedouble > 0 && value->valuedouble < 1.8e19) {
		*ret_ns = (uint64_t)value->valuedouble;
		return true;
	}
	if (!cJSON_IsString(value) || value->valuestring[0] < '0' || value->valuestring[0] > '9')
		return false;
	errno = 0;
	*ret_ns = strtoull(value->valuestring, &end, 10);
	return !errno && !*end && *ret_ns;
}

static bool kind_of(const cJSON *value, enum record_kind *ret_kind)
{
	const char *text = cJSON_GetStringValue(value);
	static const char prefix[] = "SPAN_KIND_";

	if (cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < KINDS) {
		*ret_kind = (enum record_kind)value->valuedouble;
		return true;
	}
	if (!text)
		return false;
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	for (size_t i = 0; i < KINDS; i++)
		if (strcasecmp(kinds[i], text) == 0) {
			*ret_kind = (enum record_kind)i;
			return true;
		}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return ((const struct attribute *)a)->name - ((const struct attribute *)b)->name;
}

static const char *join(struct reader *r, const char *a, const char *b)
{
	char buf[2 * TEXT_MAX + 2];

	return keep(r,
		    (struct slice){ buf, (size_t)snprintf(buf, sizeof(buf), "%s%s%s", a, *a ? " " : "", b) });
}

/* What the span did, exactly and with few values. */
static void describe(struct reader *r, struct record *s)
{
	const char *method = record_get(s, NAME_METHOD), *path = record_get(s, NAME_PATH),
		   *route = record_get(s, NAME_ROUTE), *verb = record_get(s, NAME_DB_OPERATION),
		   *table = record_get(s, NAME_DB_TABLE);
	char low[TEXT_MAX + 1];

	s->operation = s->label = s->name;
	if (verb) {
		s->operation = s->label = join(r, verb, table ? table : "");
	} else if (method && path) {
		low[route_of(slice_of(path), low, sizeof(low) - 1)] = '\0';
		s->operation = join(r, method, path);
		s->label = join(r, method, low);
	} else if (method) {
		s->operation = s->label = join(r, method, route ? route : "");
	}
}

static bool excluded(const struct reader *r, const struct record *s)
{
	for (size_t i = 0; i < r->exclude_len; i++)
		if (fnmatch(r->exclude[i], s->operation, 0) == 0 || fnmatch(r->exclude[i], s->label, 0) == 0)
			return true;
	return false;
}

static int store(struct reader *r, struct record *s)
{
	struct recording *all = &r->recording;
	size_t len = r->len * sizeof(r->attributes[0]);
	struct record *grown;

	qsort(r->attributes, r->len, sizeof(r->attributes[0]), by_name);
	s->attributes = block_take(&all->text, len);
	if (!s->attributes)
		return -ENOMEM;
	memcpy(s->attributes, r->attributes, len);
	s->attributes_len = r->len;
	describe(r, s);
	if (!s->name || !s->operation || !s->label)
		return -ENOMEM;
	if (excluded(r, s)) {
		all->excluded++;
		return 0;
	}
	if (all->len == RECORDS_MAX) {
		all->beyond++;
		return 0;
	}
	if (all->len == r->size) {
		r->size = r->size ? 2 * r->size : 1024;
		grown = realloc(all->records, r->size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		all->records = grown;
	}
	all->records[all->len++] = *s;
	return 0;
}

static int take_otlp_span(struct reader *r, const cJSON *span)
{
	const cJSON *status = member(member(span, "status"), "code"), *pair;
	const char *name = text_of(span, "name"), *code = cJSON_GetStringValue(status);
	struct record s = { .kind = KIND_UNSPECIFIED };

	r->len = 0;
	kind_of(member(span, "kind"), &s.kind);
	if (!id_of(span, "traceId", s.trace_id, 16) || !id_of(span, "spanId", s.span_id, 8) ||
	    !nanoseconds_of(span, "startTimeUnixNano", &s.start_ns) ||
	    !nanoseconds_of(span, "endTimeUnixNano", &s.end_ns) || s.end_ns < s.start_ns) {
		r->recording.malformed++;
		return 0;
	}
	s.has_parent = id_of(span, "parentSpanId", s.parent_id, 8);
	s.failed = code ? strcmp(code, "STATUS_CODE_ERROR") == 0
			: cJSON_IsNumber(status) && status->valuedouble == 2;
	s.name = keep(r, slice_of(name ? name : ""));
	cJSON_ArrayForEach(pair, member(span, "attributes"))
	{
		const char *key = text_of(pair, "key");
		struct translation t;

		if (!key)
			continue;
		t = translate(key, s.kind, false);
		add_any_value(r, &t, member(pair, "value"));
	}
	return store(r, &s);
}

/* 2026-11-24T11:24:05.788123456Z */
static bool timestamp_of(const cJSON *object, const char *name, uint64_t *ret_ns)
{
	const char *text = text_of(object, name);
	unsigned long fraction = 0;
	struct tm tm = { 0 };
	char digits[10] = "";
	int n = 0;
	time_t second;

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6)
		return false;
	if (sscanf(text + n, ".%9[0-9]", digits) == 1) {
		for (size_t i = strlen(digits); i < 9; i++)
			digits[i] = '0';
		fraction = strtoul(digits, NULL, 10);
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	second = timegm(&tm);
	*ret_ns = (uint64_t)second * 1000000000 + fraction;
	return second > 0;
}

static void take_fields(struct reader *r, const cJSON *object, enum record_kind kind)
{
	const cJSON *field;

	/* Elements of an array have no names. */
	if (!cJSON_IsObject(object))
		return;
	cJSON_ArrayForEach(field, object)
	{
		struct translation t = translate(field->string, kind, true);

		/* What is not a field of every span has the convention's name already. */
		if (t.name == NAMES_NONE && strchr(field->string, '.'))
			t = translate(field->string, kind, false);
		if (t.name != NAMES_NONE)
			add_value(r, &t, field);
	}
}

/* What a client asked for, as one text. */
static void add_url_of_parts(struct reader *r)
{
	struct record s = { .attributes = r->attributes, .attributes_len = r->len };
	const char *host = record_get(&s, NAME_SERVER), *port = record_get(&s, NAME_SERVER_PORT),
		   *path = record_get(&s, NAME_PATH), *query = record_get(&s, NAME_QUERY);
	char url[2 * TEXT_MAX];
	int len;

	if (!host || !path)
		return;
	len = snprintf(url, sizeof(url), "http://%s%s%s%s%s%s", host, port ? ":" : "", port ? port : "", path,
		       query ? "?" : "", query ? query : "");
	add(r, NAME_URL, (struct slice){ url, (size_t)len < sizeof(url) ? (size_t)len : sizeof(url) - 1 });
}

static int take_spanhook_span(struct reader *r, const cJSON *span)
{
	const cJSON *duration = member(span, "duration_ms");
	const char *name = text_of(span, "name"), *level = text_of(span, "level");
	struct record s = { .kind = KIND_UNSPECIFIED };
	double ns = cJSON_IsNumber(duration) ? duration->valuedouble * 1e6 : -1;

	r->len = 0;
	if (!kind_of(member(span, "kind"), &s.kind) || !id_of(span, "trace_id", s.trace_id, 16) ||
	    !id_of(span, "span_id", s.span_id, 8) || !timestamp_of(span, "timestamp", &s.end_ns) ||
	    !(ns >= 0) || !(ns < (double)s.end_ns)) {
		r->recording.malformed++;
		return 0;
	}
	s.start_ns = s.end_ns - (uint64_t)(ns + 0.5);
	s.has_parent = id_of(span, "parent_span_id", s.parent_id, 8);
	s.failed = level && strcmp(level, "error") == 0;
	s.name = keep(r, slice_of(name ? name : ""));
	take_fields(r, span, s.kind);
	take_fields(r, member(span, "attributes"), s.kind);
	if (s.kind == KIND_CLIENT)
		add_url_of_parts(r);
	return store(r, &s);
}

static int take(const cJSON *value, void *arg)
{
	const cJSON *resource, *scope, *span;
	struct reader *r = arg;
	int err = 0;

	if (member(value, "span_id"))
		return take_spanhook_span(r, value);
	if (member(value, "summary")) /* the table at the end of `attach --output json` */
		return 0;
	if (!cJSON_IsArray(member(value, "resourceSpans"))) {
		r->recording.malformed++;
		return 0;
	}
	cJSON_ArrayForEach(resource, member(value, "resourceSpans"))
		cJSON_ArrayForEach(scope, member(resource, "scopeSpans"))
			cJSON_ArrayForEach(span, member(scope, "spans")) if (!err) err =
				take_otlp_span(r, span);
	return err;
}

static int compare_ids(const struct record *x, const struct record *y)
{
	int order = memcmp(x->trace_id, y->trace_id, sizeof(x->trace_id));

	return order ? order : memcmp(x->span_id, y->span_id, sizeof(x->span_id));
}

static int by_ids(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = compare_ids(x, y);

	return order ? order : (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static int by_start(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);

	return order ? order : compare_ids(x, y);
}

/* A batch that was sent again is in the file twice. */
static void drop_duplicates(struct recording *all)
{
	uint32_t kept = 0;

	qsort(all->records, all->len, sizeof(all->records[0]), by_ids);
	for (uint32_t i = 0; i < all->len; i++) {
		if (kept && !compare_ids(&all->records[kept - 1], &all->records[i]))
			all->duplicates++;
		else
			all->records[kept++] = all->records[i];
	}
	all->len = kept;
}

/* What the clock of whoever recorded it can tell apart. */
static uint32_t clock_of(const struct recording *all)
{
	uint32_t step = 1000000;

	for (uint32_t i = 0; i < all->len; i++)
		while (step > 1 && all->records[i].start_ns % step)
			step /= 1000;
	return step;
}

static int by_pointed_ids(const void *a, const void *b)
{
	return compare_ids(*(struct record *const *)a, *(struct record *const *)b);
}

static int find_parents(struct recording *all)
{
	struct record **sorted = malloc(all->len * sizeof(struct record *)), wanted, *key = &wanted, **found;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < all->len; i++)
		sorted[i] = &all->records[i];
	qsort(sorted, all->len, sizeof(struct record *), by_pointed_ids);
	for (uint32_t i = 0; i < all->len; i++) {
		struct record *s = &all->records[i];

		memcpy(wanted.trace_id, s->trace_id, sizeof(s->trace_id));
		memcpy(wanted.span_id, s->parent_id, sizeof(s->parent_id));
		found = s->has_parent
				? bsearch(&key, sorted, all->len, sizeof(struct record *), by_pointed_ids)
				: NULL;
		s->parent = found && *found != s ? (uint32_t)(*found - all->records) : RECORD_NONE;
		s->match = RECORD_NONE;
	}
	free(sorted);
	return 0;
}

int recording_read(const char *path, const char *const *exclude, size_t exclude_len,
		   struct recording *ret_recording)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct recording *all;
	int err;

	if (!r)
		return -ENOMEM;
	all = &r->recording;
	all->path = path;
	r->exclude = exclude;
	r->exclude_len = exclude_len;
	err = load_json(path, take, r, &all->malformed);
	if (!err && !all->len)
		err = -ENODATA;
	if (!err) {
		drop_duplicates(all);
		qsort(all->records, all->len, sizeof(all->records[0]), by_start);
		all->clock_ns = clock_of(all);
		err = find_parents(all);
	}
	if (err)
		recording_free(all);
	else
		*ret_recording = *all;
	free(r);
	return err;
}

void recording_free(struct recording *recording)
{
	free(recording->records);
	block_free(recording->text);
	recording->records = NULL;
	recording->text = NULL;
	recording->len = 0;
}
