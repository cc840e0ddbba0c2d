/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on standard output, as they finish: for people as trees, or as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/table.h"
#include "exporter.h"
#include "span_json.h"

#define HELD_MAX  4096
#define HOLD_NS   2000000000ULL /* a parent that has not ended by then is not waited for */
#define DEPTH_MAX 16

struct held {
	struct span *span;
	uint64_t since_ns;
};

struct console {
	bool json;
	bool color;
	bool broken; /* nobody reads any more */
	size_t held_len;
	struct held held[HELD_MAX]; /* whose parent has not been printed, oldest first */
};

static bool wanted(const struct config *config)
{
	return config->output != OUTPUT_NONE;
}

static int open_console(const struct config *config, void **ret_self)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->json = config->output == OUTPUT_JSON;
	c->color = config->color && !c->json;
	*ret_self = c;
	return 0;
}

static const char *paint(const struct console *c, const char *code)
{
	return c->color ? code : "";
}

static void bytes_text(uint64_t n, char *buf, size_t size)
{
	if (n < 10000)
		snprintf(buf, size, "%llu B", (unsigned long long)n);
	else if (n < 10000000)
		snprintf(buf, size, "%.1f kB", (double)n / 1e3);
	else
		snprintf(buf, size, "%.1f MB", (double)n / 1e6);
}

static void put_text(struct slice s, int width)
{
	int n = 0;

	for (size_t i = 0; i < s.len && n < width; i++, n++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (n == width - 1 && i + 1 < s.len)
			fputs("…", stdout);
		else
			putchar(ch < 0x20 || ch >= 0x7f ? '.' : ch);
	}
	while (n++ < width)
		putchar(' ');
}

/* Children start where their line in the tree starts, so the columns after the path stay aligned. */
static void print_line(struct console *c, const struct span *span, const char *branch, int indent,
		       const char *note)
{
	const char *status_color = span_failed(span)     ? "\033[31m"
				   : span->status >= 400 ? "\033[33m"
							 : "\033[32m";
	struct slice method = span_text(span, TEXT_METHOD), path = span_text(span, TEXT_PATH),
		     service = span_text(span, TEXT_PEER_SERVICE);
	char time[64], peer[160], in[32], out[32], status[16];

	time_text(span->start_ns, time, sizeof(time));
	address_text(span, &span->peer, peer, sizeof(peer));
	bytes_text(span->request_len, in, sizeof(in));
	bytes_text(span->response_len, out, sizeof(out));
	snprintf(status, sizeof(status), span->status ? "%d" : "---", span->status);
	printf("%s%.12s%s %s%s %s%-4.*s%s ", paint(c, "\033[2m"), time + 11, paint(c, "\033[0m"), branch,
	       span->kind == SPAN_SERVER ? "<-" : "->", paint(c, "\033[1m"), (int)method.len,
	       method.len ? method.p : "", paint(c, "\033[0m"));
	put_text(method.len ? path : SLICE("(connect)"), 40 - indent);
	printf(" %s%3s%s %9.3f ms  %8s / %-8s %s", paint(c, status_color), status, paint(c, "\033[0m"),
	       (double)(span->end_ns - span->start_ns) / 1e6, in, out, peer);
	if (service.len)
		printf(" (%.*s)", (int)service.len, service.p);
	if (span->error_type)
		printf(" %s%s%s", paint(c, "\033[31m"), span->error_type, paint(c, "\033[0m"));
	if (span->incomplete)
		fputs(" incomplete", stdout);
	if (span->truncated)
		fputs(" truncated", stdout);
	puts(note);
}

static bool is_child(const struct span *span, const struct span *parent)
{
	return memcmp(span->parent_id, parent->span_id, 8) == 0;
}

/* Takes the parent's earliest held child out; NULL when there is none. */
static struct span *take_child(struct console *c, const struct span *parent)
{
	size_t found = c->held_len;
	struct span *child;

	for (size_t i = 0; i < c->held_len; i++)
		if (is_child(c->held[i].span, parent) &&
		    (found == c->held_len || c->held[i].span->start_ns < c->held[found].span->start_ns))
			found = i;
	if (found == c->held_len)
		return NULL;
	child = c->held[found].span;
	memmove(&c->held[found], &c->held[found + 1], (--c->held_len - found) * sizeof(c->held[0]));
	return child;
}

static void print_tree(struct console *c, struct span *span, const char *prefix, const char *branch,
		       int depth, const char *note)
{
	struct span *child, *next;
	char below[4 * DEPTH_MAX + 1], line[4 * DEPTH_MAX + 16];

	snprintf(line, sizeof(line), "%s%s", prefix, branch);
	print_line(c, span, line, depth * 3, note);
	if (depth + 1 >= DEPTH_MAX)
		return;
	snprintf(below, sizeof(below), "%s%s", prefix, depth == 0 ? "" : branch[0] == '`' ? "   " : "|  ");
	for (child = take_child(c, span); child; child = next) {
		next = take_child(c, span);
		print_tree(c, child, below, next ? "|- " : "`- ", depth + 1, "");
		span_unref(child);
	}
}

static void hold(struct console *c, struct span *span, uint64_t now_ns)
{
	if (c->held_len == HELD_MAX) {
		print_tree(c, c->held[0].span, "", "", 0, "  (parent not shown)");
		span_unref(c->held[0].span);
		memmove(&c->held[0], &c->held[1], --c->held_len * sizeof(c->held[0]));
	}
	span_ref(span);
	c->held[c->held_len++] = (struct held){ span, now_ns };
}

static void release_late(struct console *c, uint64_t before_ns)
{
	while (c->held_len && c->held[0].since_ns <= before_ns) {
		struct span *span = c->held[0].span;

		memmove(&c->held[0], &c->held[1], --c->held_len * sizeof(c->held[0]));
		print_tree(c, span, "", "", 0, "  (parent still open)");
		span_unref(span);
	}
}

static int send_spans(void *self, struct span *const *spans, size_t n)
{
	struct console *c = self;
	char json[SPAN_JSON_MAX];
	struct timespec t;
	uint64_t now_ns;

	if (c->broken)
		return n ? -EPIPE : 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	for (size_t i = 0; i < n; i++) {
		struct span *span = spans[i];

		if (c->json)
			fwrite(json, 1, span_json(span, json, sizeof(json)), stdout);
		else if (span->parent_local)
			hold(c, span, now_ns);
		else
			print_tree(c, span, "", "", 0, span->kind == SPAN_CLIENT ? "  (parent unknown)" : "");
	}
	release_late(c, now_ns > HOLD_NS ? now_ns - HOLD_NS : 0);
	c->broken = fflush(stdout) != 0;
	return c->broken ? -EPIPE : 0;
}

static void close_console(void *self)
{
	struct console *c = self;

	if (!c->broken)
		release_late(c, UINT64_MAX);
	fflush(stdout);
	for (size_t i = 0; i < c->held_len; i++)
		span_unref(c->held[i].span);
	free(c);
}

const struct exporter console_exporter = {
	.name = "console",
	.help = "spans on standard output, as trees or as JSON lines",
	.wanted = wanted,
	.open = open_console,
	.send = send_spans,
	.close = close_console,
};
