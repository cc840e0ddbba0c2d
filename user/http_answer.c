/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"

#include <stdlib.h>
#include <string.h>

#include "metric.h"
#include "trace_store.h"

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define JSON_TYPE "application/json"

struct http_page {
	size_t (*read)(struct http_page *page);
	union {
		struct metrics_reader metrics;
		struct trace_page traces;
	};
	size_t at, len;
	char part[METRICS_PART_MAX];
};
_Static_assert(TRACE_PAGE_PART_MAX <= METRICS_PART_MAX, "a part of either has room");

static size_t read_metrics(struct http_page *page)
{
	return metrics_read(&page->metrics, page->part);
}

static size_t read_traces(struct http_page *page)
{
	return trace_page_read(&page->traces, page->part);
}

size_t http_page_read(struct http_page *page, char *buf, size_t max)
{
	size_t n;

	if (page->at == page->len) {
		page->at = 0;
		page->len = page->read(page);
	}
	n = page->len - page->at < max ? page->len - page->at : max;
	memcpy(buf, page->part + page->at, n);
	page->at += n;
	return n;
}

static struct http_answer text(unsigned status, const char *text)
{
	return (struct http_answer){ .status = status, .type = TEXT_TYPE, .text = text };
}

static struct http_answer page(const char *type, size_t (*read)(struct http_page *page))
{
	struct http_page *page = calloc(1, sizeof(*page));

	if (!page)
		return (struct http_answer){ 0 };
	page->read = read;
	return (struct http_answer){ .status = 200, .type = type, .page = page };
}

/* id: of the only one that is asked for; empty: all. */
static struct http_answer traces(const struct http_request *r, const char *id)
{
	struct trace_filter filter = r->filter;
	struct http_answer answer;

	if (!trace_store_is_on())
		return text(404, "no traces are kept: --traces 0\n");
	if (r->filter_err || (id[0] && trace_filter_take_id(&filter, id)))
		return text(400, "/traces?limit=N&service=NAME&min_duration_ms=N&status=error, or "
				 "/traces/ID with 32 hexadecimal digits\n");
	answer = page(JSON_TYPE, read_traces);
	if (!answer.page || trace_page_begin(&answer.page->traces, &filter))
		return answer;
	free(answer.page);
	return text(404, "this trace is not kept\n");
}

struct http_answer http_answer(const struct http_request *r)
{
	const char *trace_id = strcmp(r->path, "/traces") == 0        ? ""
			       : strncmp(r->path, "/traces/", 8) == 0 ? r->path + 8
								      : NULL;
	bool metrics = strcmp(r->path, "/metrics") == 0;

	if (strcmp(r->method, "GET") && strcmp(r->method, "HEAD"))
		return text(405, "only GET and HEAD\n");
	/* A server would end a body of unknown length, which an answer to HEAD does not have. */
	if (strcmp(r->method, "HEAD") == 0 && (metrics || trace_id))
		return text(200, "");
	if (metrics)
		return page(TEXT_TYPE, read_metrics);
	if (trace_id)
		return traces(r, trace_id);
	if (strcmp(r->path, "/healthz") == 0)
		return r->ready ? text(200, "ok\n") : text(503, "starting\n");
	if (strcmp(r->path, "/") == 0)
		return text(200, "Spanhook: /metrics /traces /healthz\n");
	return text(404, "not found; there are /metrics, /traces and /healthz\n");
}
