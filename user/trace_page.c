/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_page.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/json.h"
#include "trace_store.h"

static int take_limit(struct trace_filter *filter, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)value[0]) || *end || !n || n > UINT32_MAX)
		return -EINVAL;
	filter->limit = (uint32_t)n;
	return 0;
}

static int take_min_duration(struct trace_filter *filter, const char *value)
{
	char *end;
	double ms = strtod(value, &end);

	if (end == value || *end || !(ms >= 0 && ms < 1e12))
		return -EINVAL;
	filter->min_duration_ns = (uint64_t)(ms * 1e6);
	return 0;
}

static int take_service(struct trace_filter *filter, const char *value)
{
	size_t len = strlen(value);

	if (!len || len >= sizeof(filter->service))
		return -EINVAL;
	memcpy(filter->service, value, len + 1);
	return 0;
}

static int take_status(struct trace_filter *filter, const char *value)
{
	filter->failed = strcmp(value, "error") == 0;
	return filter->failed ? 0 : -EINVAL;
}

int trace_filter_take(struct trace_filter *filter, const char *name, const char *value)
{
	static const struct {
		const char *name;
		int (*take)(struct trace_filter *filter, const char *value);
	} rows[] = {
		{ "limit", take_limit },
		{ "min_duration_ms", take_min_duration },
		{ "service", take_service },
		{ "status", take_status },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(name, rows[i].name) == 0)
			return value ? rows[i].take(filter, value) : -EINVAL;
	return -ENOENT;
}

int trace_filter_take_id(struct trace_filter *filter, const char *id)
{
	char digits[3] = "";

	if (strlen(id) != 2 * sizeof(filter->id) || strspn(id, "0123456789abcdefABCDEF") != strlen(id))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(filter->id); i++) {
		memcpy(digits, id + 2 * i, 2);
		filter->id[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	filter->one = true;
	return 0;
}

bool trace_page_begin(struct trace_page *page, const struct trace_filter *filter)
{
	*page = (struct trace_page){ .filter = *filter };
	trace_store_lock();
	page->next = filter->one ? trace_part_find(filter->id) : trace_part_latest();
	trace_store_unlock();
	return page->next || !filter->one;
}

/* All parts of a trace, summed up. */
static struct trace_part whole(const struct trace_part *first)
{
	struct trace_part sum = *first;

	for (const struct trace_part *p = first; (p = trace_part(p->later));) {
		sum.start_ns = p->start_ns < sum.start_ns ? p->start_ns : sum.start_ns;
		sum.end_ns = p->end_ns > sum.end_ns ? p->end_ns : sum.end_ns;
		sum.spans_len += p->spans_len;
		sum.missing += p->missing;
		sum.failed |= p->failed;
		sum.losses |= p->losses;
	}
	return sum;
}

/* The first span of a trace, from this part on, for which is() holds; NULL: none. */
static const struct span *find_span(const struct trace_part *part,
				    bool (*is)(const struct span *span, const void *arg), const void *arg)
{
	for (; part; part = trace_part(part->later)) {
		uint64_t at = part->at;
		const struct span *span;

		while ((span = trace_part_next(part, &at)))
			if (is(span, arg))
				return span;
	}
	return NULL;
}

static bool has_id(const struct span *span, const void *arg)
{
	return memcmp(span->span_id, arg, sizeof(span->span_id)) == 0;
}

static bool is_of_service(const struct span *span, const void *arg)
{
	struct trace_copy copy;

	trace_part_copy(span, &copy);
	return copy.span.process && strcmp(copy.process.service, arg) == 0;
}

static bool begins_at(const struct span *span, const void *arg)
{
	return span->start_ns == *(const uint64_t *)arg;
}

static bool matches(const struct trace_filter *filter, const struct trace_part *first)
{
	struct trace_part sum = whole(first);

	return sum.end_ns - sum.start_ns >= filter->min_duration_ns && (!filter->failed || sum.failed) &&
	       (!filter->service[0] || find_span(first, is_of_service, filter->service));
}

/* All but the spans, which follow. Named after the span that began first. */
static char *put_head(struct trace_page *page, char *p)
{
	const struct trace_part *first = trace_part(page->first), sum = whole(first);
	const struct span *top = find_span(first, begins_at, &sum.start_ns);
	uint64_t at = first->at;
	char name[SPAN_NAME_MAX];
	struct trace_copy copy;
	struct json j;

	page->wall.offset_ns = first->wall_offset_ns;
	trace_part_copy(top ? top : trace_part_next(first, &at), &copy);
	json_begin(&j, p, SPAN_JSON_MAX);
	json_string(&j, "timestamp", (struct slice){ wall_text(&page->wall, sum.end_ns), WALL_TEXT_LEN });
	json_hex(&j, "trace_id", sum.trace_id, sizeof(sum.trace_id));
	if (copy.span.process)
		json_string(&j, "service", slice_of(copy.process.service));
	json_string(&j, "name", span_name(&copy.span, name));
	json_string(&j, "status", sum.failed ? SLICE("error") : SLICE("ok"));
	json_ms(&j, "duration_ms", sum.end_ns - sum.start_ns);
	if (sum.losses)
		json_bool(&j, "losses", true);
	page->spans = 0;
	page->spans_left = sum.spans_len;
	page->missing = sum.missing;
	return slice_put(p + json_end(&j) - strlen("}\n"), SLICE(",\"spans\":["));
}

static char *put_tail(struct trace_page *page, char *p)
{
	*p++ = ']';
	page->missing += page->spans_left;
	if (page->missing)
		p = put_decimal(slice_put(p, SLICE(",\"missing\":")), page->missing);
	*p++ = '}';
	return p;
}

static char *put_span(struct trace_page *page, const struct span *span, char *p)
{
	const struct trace_part *first = trace_part(page->first);
	struct trace_copy copy;

	trace_part_copy(span, &copy);
	copy.span.orphan = span->parent_local && !(first && find_span(first, has_id, span->parent_id));
	if (page->spans++)
		*p++ = ',';
	page->spans_left -= page->spans_left > 0;
	return p + span_json(&copy.span, &page->wall, p, SPAN_JSON_MAX) - strlen("\n");
}

/* The next span of the trace that is being written; NULL: there is none, or the rest was evicted. */
static const struct span *next_span(struct trace_page *page)
{
	const struct trace_part *part;

	while ((part = trace_part(page->part))) {
		const struct span *span = trace_part_next(part, &page->at);

		if (span)
			return span;
		page->part = part->later;
		if ((part = trace_part(page->part)))
			page->at = part->at;
	}
	return NULL;
}

/* Finds the next trace that is asked for. */
static bool next_trace(struct trace_page *page)
{
	const struct trace_part *part;
	uint64_t number = page->next;

	if (page->traces && (page->filter.one || page->traces == page->filter.limit))
		return false;
	while ((part = trace_part(number)) && (part->earlier || !matches(&page->filter, part)))
		number--;
	if (!part)
		return false;
	page->next = number - 1;
	page->first = page->part = number;
	page->at = part->at;
	page->traces++;
	return true;
}

size_t trace_page_read(struct trace_page *page, char *buf)
{
	const struct span *span;
	char *p = buf;

	if (page->state == PAGE_END)
		return 0;
	trace_store_lock();
	if (page->state == PAGE_START && !page->filter.one)
		p = slice_put(p, SLICE("{\"traces\":["));
	if (page->state == PAGE_SPANS && (span = next_span(page))) {
		p = put_span(page, span, p);
	} else {
		if (page->state == PAGE_SPANS)
			p = put_tail(page, p);
		if (next_trace(page)) {
			if (page->traces > 1)
				*p++ = ',';
			p = put_head(page, p);
			page->state = PAGE_SPANS;
		} else {
			p = slice_put(p, page->filter.one ? SLICE("\n") : SLICE("]}\n"));
			page->state = PAGE_END;
		}
	}
	trace_store_unlock();
	return (size_t)(p - buf);
}
