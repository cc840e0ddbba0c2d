/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on standard output: for people as trees, when those are whole, or as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/terminal.h"
#include "exporter.h"
#include "span_json.h"
#include "target.h"
#include "trace.h"

#define SPANS_MAX 4096 /* that wait for those above them */
#define DEPTH_MAX 12   /* what is deeper is not indented further */

/* Columns of a line; with a terminal, request and ends share what the others leave. */
#define TIME_LEN       13
#define STATUS_LEN     17 /* and the duration */
#define BODIES_LEN     19 /* left out where columns are few */
#define GAP_LEN        2
#define ENDS_LEN       32
#define REQUEST_MIN    24
#define REQUEST_MAX    80
#define REQUEST_NO_TTY 44 /* the least: nothing is cut */
#define BODIES_FROM    110
#define BRANCH_LEN     3

struct console {
	bool json, color, utf8;
	bool broken; /* nobody reads any more */
	size_t lost; /* of those that waited when that was found */
	bool headed;
	bool bodies;
	unsigned request_len, ends_len; /* columns */
	bool cut;                       /* what is longer */
	struct wall wall;

	struct traces *traces;
};

static const char *paint(const struct console *c, const char *code)
{
	return c->color ? code : "";
}

#define PLAIN  "\033[0m"
#define BOLD   "\033[1m"
#define DIM    "\033[2m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"

static void print_bytes(uint64_t n, int width)
{
	if (!n)
		printf("%*s", width, "-");
	else if (n < 10000)
		printf("%*llu B", width - 2, (unsigned long long)n);
	else
		printf("%*.1f %s", width - 3, n < 10000000 ? (double)n / 1e3 : (double)n / 1e6,
		       n < 10000000 ? "kB" : "MB");
}

/* The local time at which a tree began. */
static void print_time(struct console *c, uint64_t start_ns)
{
	uint64_t ns = wall_ns(&c->wall, start_ns);
	time_t second = (time_t)(ns / 1000000000);
	struct tm tm;

	localtime_r(&second, &tm);
	printf("%s%02d:%02d:%02d.%03u%s ", paint(c, DIM), tm.tm_hour, tm.tm_min, tm.tm_sec,
	       (unsigned)(ns % 1000000000 / 1000000), paint(c, PLAIN));
}

/* When a child began, by its parent's time. */
static void print_offset(struct console *c, uint64_t start_ns, uint64_t parent_ns)
{
	double ms = (double)(int64_t)(start_ns - parent_ns) / 1e6;

	printf("%s%+9.1f ms%s ", paint(c, DIM), ms, paint(c, PLAIN));
}

/* The statement behind its operation, or the tables alone when it does not start with that. */
static struct slice statement_rest(const struct span *span)
{
	struct slice operation = span_text(span, TEXT_METHOD), text = span_text(span, TEXT_STATEMENT);

	if (!slice_starts(text, operation))
		text = span_text(span, TEXT_COLLECTION);
	else
		text = slice_from(text, operation.len);
	return text.len && text.p[0] == ' ' ? slice_from(text, 1) : text;
}

static void print_request(struct console *c, const struct span *span, unsigned room)
{
	struct slice method = span_text(span, TEXT_METHOD),
		     path = span->db_system ? statement_rest(span) : span_text(span, TEXT_PATH);
	unsigned used;

	if (!method.len)
		method = span->function ? slice_of(span->function) : SLICE("connect");
	fputs(paint(c, BOLD), stdout);
	used = terminal_put(stdout, method, 0, c->utf8);
	printf("%s%*s", paint(c, PLAIN), used < 4 ? (int)(5 - used) : 1, "");
	used = used < 4 ? 5 : used + 1;
	used += terminal_put(stdout, path, !c->cut ? 0 : used + 8 < room ? room - used : 8, c->utf8);
	printf("%*s", used < room ? (int)(room - used) : 0, "");
}

/* Who and whom: of the tree's first span both, below it only what is new. */
static void print_ends(struct console *c, const struct span *span, bool first, const struct span *served)
{
	struct slice service = slice_of(span->process ? span->process->service : "unknown"),
		     peer_service = span_text(span, TEXT_PEER_SERVICE);
	bool client = span->kind == SPAN_CLIENT;
	char address[SPAN_ADDRESS_MAX], text[2 * SPAN_ADDRESS_MAX + sizeof(span->process->service)],
		*p = text;

	if (first || !client)
		p = slice_put(slice_put(p, service), SLICE(" "));
	if (c->utf8)
		p = slice_put(p, client ? SLICE("→ ") : SLICE("← "));
	else
		p = slice_put(p, client ? SLICE("-> ") : SLICE("<- "));
	if (client)
		p = slice_put(p, span_target(span, address));
	else
		p = slice_put(p, peer_service.len ? peer_service : span_address(span, &span->peer, address));
	if (client && peer_service.len && span->peer.port) {
		*p++ = ':';
		p = put_decimal(p, span->peer.port);
	}
	if (served)
		p += sprintf(p, " (%.3f ms)", (double)(served->end_ns - served->start_ns) / 1e6);
	terminal_put(stdout, (struct slice){ text, (size_t)(p - text) }, c->cut ? c->ends_len : 0, c->utf8);
}

static void print_exchange(struct console *c, const struct span *span, bool first, const struct span *served)
{
	if (c->bodies) {
		print_bytes(span->request_len, 9);
		print_bytes(span->response_len, 10);
	}
	fputs("  ", stdout);
	print_ends(c, span, first, served);
}

static void print_attribute(const struct console *c, const struct span *span, const struct attribute *a)
{
	printf(" %s%s=%s", paint(c, DIM), a->name, paint(c, PLAIN));
	switch (a->type) {
	case ATTRIBUTE_INTEGER:
		printf("%lld", (long long)a->integer);
		break;
	case ATTRIBUTE_DOUBLE:
		printf("%.10g", a->number);
		break;
	case ATTRIBUTE_BOOL:
		fputs(a->truth ? "true" : "false", stdout);
		break;
	case ATTRIBUTE_TEXT:
		terminal_put(stdout, span_attribute_text(span, a), 0, c->utf8);
		break;
	}
}

/* Whose function it is, unless that is known from above, and its attributes. */
static void print_internal(struct console *c, const struct span *span, bool first)
{
	if (first) {
		putchar(' ');
		terminal_put(stdout, slice_of(span->process ? span->process->service : "unknown"), 0,
			     c->utf8);
	}
	for (int i = 0; i < span->attributes_len; i++)
		print_attribute(c, span, &span->attributes[i]);
}

static void print_line(struct console *c, const struct span *span, const struct span *parent,
		       const char *tree, unsigned tree_len, const struct span *served, const char *note)
{
	unsigned room = c->request_len > tree_len ? c->request_len - tree_len : 0;
	struct slice error = span_error(span);
	char status[16] = "---";

	if (parent)
		print_offset(c, span->start_ns, parent->start_ns);
	else
		print_time(c, span->start_ns);
	printf("%s%s%s", paint(c, DIM), tree, paint(c, PLAIN));
	print_request(c, span, room);
	if (span->status)
		snprintf(status, sizeof(status), "%d", span->status);
	else if (span->db_system && !span->error_type)
		snprintf(status, sizeof(status), "%s", span->failed ? "err" : "ok");
	else if (span->kind == SPAN_INTERNAL)
		snprintf(status, sizeof(status), "%s", span->error_type ? "err" : "");
	printf(" %s%3s%s %9.3f ms",
	       paint(c, span_failed(span)     ? RED
			: span->status >= 400 ? YELLOW
					      : GREEN),
	       status, paint(c, PLAIN), (double)(span->end_ns - span->start_ns) / 1e6);
	if (span->kind == SPAN_INTERNAL)
		print_internal(c, span, !parent);
	else
		print_exchange(c, span, !parent, served);
	if (span->has_rows)
		printf(" %llu row%s", (unsigned long long)span->rows, span->rows == 1 ? "" : "s");
	if (error.len)
		printf(" %s%.*s%s", paint(c, RED), (int)error.len, error.p, paint(c, PLAIN));
	if (span->incomplete || span->truncated || note[0])
		printf("%s%s%s%s%s", paint(c, DIM), span->incomplete ? " incomplete" : "",
		       span->truncated ? " truncated" : "", note, paint(c, PLAIN));
	putchar('\n');
}

/* Does the server's span say nothing that the client's does not, but its duration? */
static bool is_same_request(const struct span *client, const struct span *server)
{
	return client->kind == SPAN_CLIENT && server->kind == SPAN_SERVER &&
	       client->status == server->status &&
	       slice_eq(span_text(client, TEXT_METHOD), span_text(server, TEXT_METHOD)) &&
	       slice_eq(span_text(client, TEXT_PATH), span_text(server, TEXT_PATH)) &&
	       slice_eq(span_text(client, TEXT_STATEMENT), span_text(server, TEXT_STATEMENT)) &&
	       slice_eq(span_error(client), span_error(server)) && !server->error_type &&
	       !server->incomplete && !server->truncated;
}

/* The span's line and below it those of its children. */
static void print_tree(struct console *c, const struct trace_node *node, const struct span *parent,
		       const char *prefix, unsigned depth, const char *note)
{
	bool is_last = !node->next;
	const char *branch = !parent ? "" : c->utf8 ? is_last ? "└─ " : "├─ " : is_last ? "`- " : "|- ";
	const char *below = !parent || depth >= DEPTH_MAX ? "" : is_last ? "   " : c->utf8 ? "│  " : "|  ";
	char tree[6 * DEPTH_MAX], line[6 * DEPTH_MAX + 8];
	const struct trace_node *child = node->child;
	const struct span *span = node->span, *served = NULL;

	if (child && !child->next && is_same_request(span, child->span)) {
		served = child->span;
		child = child->child;
	}
	snprintf(line, sizeof(line), "%s%s", prefix, branch);
	print_line(c, span, parent, line, depth * BRANCH_LEN, served, note);
	snprintf(tree, sizeof(tree), "%s%s", prefix, below);
	for (; child; child = child->next)
		print_tree(c, child, served ? served : span, tree, depth + (depth < DEPTH_MAX), "");
}

static void print_trace(void *ctx, const struct trace *trace)
{
	static const char *const above[] = {
		[TRACE_LATE] = "  (its request is above)",
		[TRACE_ORPHAN] = "  (orphan: its request is not over, or was lost)",
	};
	const struct span *span = trace->top->span;
	bool unknown = trace->above == TRACE_ROOT && span->kind != SPAN_SERVER;
	struct console *c = ctx;
	char note[128], missing[48] = "";

	if (c->broken)
		return;
	if (!c->headed)
		printf("%s%-12s %-*s%6s %12s%s  %s%s\n", paint(c, BOLD), "TIME", (int)c->request_len - 2,
		       "REQUEST", "STATUS", "DURATION", c->bodies ? " REQ BODY RESP BODY" : "",
		       c->bodies ? "SERVICE AND PEER (ITS TIME)" : "SERVICE AND PEER", paint(c, PLAIN));
	c->headed = true;
	if (trace->missing)
		snprintf(missing, sizeof(missing), "  (%u more spans are not shown)", trace->missing);
	snprintf(note, sizeof(note), "%s%s%s", trace->losses ? " losses" : "", missing,
		 unknown               ? "  (parent unknown)"
		 : above[trace->above] ? above[trace->above]
				       : "");
	print_tree(c, trace->top, NULL, "", 0, note);
}

static void measure(struct console *c)
{
	unsigned columns = terminal_columns(STDOUT_FILENO), others, room;

	c->cut = columns;
	c->bodies = !columns || columns >= BODIES_FROM;
	c->request_len = REQUEST_NO_TTY;
	if (!columns)
		return;
	others = TIME_LEN + STATUS_LEN + (c->bodies ? BODIES_LEN : 0) + GAP_LEN;
	room = columns > others + ENDS_LEN ? columns - others - ENDS_LEN : 0;
	c->request_len = room < REQUEST_MIN ? REQUEST_MIN : room > REQUEST_MAX ? REQUEST_MAX : room;
	others += c->request_len;
	c->ends_len = columns > others + ENDS_LEN / 2 ? columns - others : ENDS_LEN / 2;
}

static bool wanted(const struct config *config)
{
	return config->output != OUTPUT_NONE;
}

static int open_console(const struct config *config, void **ret_self)
{
	struct console *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	if ((err = traces_new(SPANS_MAX, print_trace, c, &c->traces))) {
		free(c);
		return err;
	}
	c->json = config->output == OUTPUT_JSON;
	c->color = config->color;
	c->utf8 = terminal_utf8();
	*ret_self = c;
	return 0;
}

static int flush(void)
{
	return fflush(stdout) || ferror(stdout) ? -EPIPE : 0;
}

static int send_text(struct console *c, struct span *const *spans, size_t n)
{
	size_t waiting = traces_waiting(c->traces);
	struct timespec t;
	uint64_t now_ns;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	if (n)
		measure(c);
	for (size_t i = 0; i < n; i++)
		traces_add(c->traces, spans[i], now_ns);
	traces_tick(c->traces, now_ns);
	err = flush();
	if (err)
		c->lost = waiting;
	return err;
}

static int send_json(struct console *c, struct span *const *spans, size_t n)
{
	char json[SPAN_JSON_MAX];

	for (size_t i = 0; i < n; i++)
		fwrite(json, 1, span_json(spans[i], &c->wall, json, sizeof(json)), stdout);
	return flush();
}

static int send_spans(void *self, struct span *const *spans, size_t n)
{
	struct console *c = self;
	int err;

	if (c->broken)
		return n ? -EPIPE : 0;
	if (n)
		wall_sample(&c->wall);
	err = c->json ? send_json(c, spans, n) : send_text(c, spans, n);
	c->broken = err;
	return err;
}

static size_t finish(void *self)
{
	struct console *c = self;
	size_t waiting = traces_waiting(c->traces);

	if (c->broken)
		return c->lost;
	traces_tick(c->traces, UINT64_MAX);
	return flush() ? waiting : 0;
}

static int output_fd(const void *self)
{
	(void)self;
	return STDOUT_FILENO;
}

static void close_console(void *self)
{
	struct console *c = self;

	traces_free(c->traces);
	free(c);
}

static void spans_lost(void *self, uint64_t end_ns)
{
	struct console *c = self;

	traces_lost(c->traces, end_ns);
}

const struct exporter console_exporter = {
	.name = "console",
	.help = "spans on standard output, as trees or as JSON lines",
	.wanted = wanted,
	.open = open_console,
	.lost = spans_lost,
	.send = send_spans,
	.finish = finish,
	.output_fd = output_fd,
	.close = close_console,
};
