/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on standard output, as they finish: for people as trees, or as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/table.h"
#include "base/terminal.h"
#include "exporter.h"
#include "span_json.h"
#include "target.h"

#define HELD_MAX  4096
#define SHOWN_MAX 4096
#define HOLD_NS   2000000000ULL /* a parent that has not ended by then is not waited for */
#define DEPTH_MAX 12            /* what is deeper is not indented further */
#define TOP_MAX   64            /* spans above a held one that are looked for */

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

/* A span whose parent was not shown yet. */
struct held {
	struct span *span;
	uint64_t since_ns;
	struct held *older, *newer; /* all, as they came */
	struct held *sibling,
		*sibling_last; /* those with the same parent, as they came; last: of the first */
};

struct console {
	bool json, color, utf8;
	bool broken; /* nobody reads any more */
	bool headed;
	bool bodies;
	unsigned request_len, ends_len; /* columns */
	bool cut;                       /* what is longer */
	struct wall wall;

	struct held held[HELD_MAX], *free;
	struct held *oldest, *newest;
	struct table by_parent; /* id → the first that waits for it */

	struct span *stack[HELD_MAX]; /* children of the spans that are being shown, referenced */
	size_t stack_len;

	uint64_t shown[SHOWN_MAX]; /* the spans that were shown last */
	size_t shown_len;
	struct table by_shown;
};

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
	if ((err = table_init(&c->by_parent, HELD_MAX)) || (err = table_init(&c->by_shown, SHOWN_MAX))) {
		table_free(&c->by_parent);
		free(c);
		return err;
	}
	c->json = config->output == OUTPUT_JSON;
	c->color = config->color;
	c->utf8 = terminal_utf8();
	for (size_t i = HELD_MAX; i--;) {
		c->held[i].older = c->free;
		c->free = &c->held[i];
	}
	*ret_self = c;
	return 0;
}

static uint64_t id_of(const uint8_t id[8])
{
	uint64_t key;

	memcpy(&key, id, sizeof(key));
	return key;
}

static void hold(struct console *c, struct span *span, uint64_t now_ns)
{
	uint64_t parent = id_of(span->parent_id);
	struct held *h = c->free, *first = table_get(&c->by_parent, parent);

	c->free = h->older;
	*h = (struct held){ .span = span, .since_ns = now_ns, .older = c->newest };
	span_ref(span);
	*(c->newest ? &c->newest->newer : &c->oldest) = h;
	c->newest = h;
	if (first)
		first->sibling_last = first->sibling_last->sibling = h;
	else if (table_put(&c->by_parent, parent, h) == 0)
		h->sibling_last = h;
}

/* Forgets h, whose span the caller has now. Its parent's list is the caller's affair. */
static struct span *let_go(struct console *c, struct held *h)
{
	*(h->older ? &h->older->newer : &c->oldest) = h->newer;
	*(h->newer ? &h->newer->older : &c->newest) = h->older;
	h->older = c->free;
	c->free = h;
	return h->span;
}

static struct span *take(struct console *c, struct held *h)
{
	uint64_t parent = id_of(h->span->parent_id);
	struct held *first = table_get(&c->by_parent, parent), *before = first;

	if (first == h) {
		table_remove(&c->by_parent, parent, h);
		if (h->sibling) {
			h->sibling->sibling_last = h->sibling_last;
			table_put(&c->by_parent, parent, h->sibling);
		}
		return let_go(c, h);
	}
	while (before->sibling != h)
		before = before->sibling;
	before->sibling = h->sibling;
	if (first->sibling_last == h)
		first->sibling_last = before;
	return let_go(c, h);
}

/* The topmost held span above the oldest one: what ended first is the deepest of its tree. */
static struct held *top_of_oldest(const struct console *c)
{
	struct held *top = c->oldest;

	for (int depth = 0; depth < TOP_MAX; depth++) {
		struct held *h = c->oldest;

		while (h && memcmp(h->span->span_id, top->span->parent_id, sizeof(h->span->span_id)))
			h = h->newer;
		if (!h)
			break;
		top = h;
	}
	return top;
}

static bool was_shown(const struct console *c, const uint8_t id[8])
{
	return table_get(&c->by_shown, id_of(id));
}

static void remember_shown(struct console *c, const struct span *span)
{
	uint64_t *slot = &c->shown[c->shown_len++ % SHOWN_MAX];

	if (c->shown_len > SHOWN_MAX)
		table_remove(&c->by_shown, *slot, slot);
	*slot = id_of(span->span_id);
	table_put(&c->by_shown, *slot, slot);
}

static int by_start(const void *a, const void *b)
{
	const struct span *const *one = a, *const *other = b;

	return ((*one)->start_ns > (*other)->start_ns) - ((*one)->start_ns < (*other)->start_ns);
}

/* Moves the held children of a span to the stack, in the order in which they began. Returns how many. */
static size_t push_children(struct console *c, const struct span *span)
{
	uint64_t id = id_of(span->span_id);
	struct held *h = table_get(&c->by_parent, id), *next;
	size_t base = c->stack_len;

	if (h)
		table_remove(&c->by_parent, id, h);
	for (; h; h = next) {
		next = h->sibling;
		c->stack[c->stack_len++] = let_go(c, h);
	}
	qsort(&c->stack[base], c->stack_len - base, sizeof(void *), by_start);
	return c->stack_len - base;
}

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

/* The span's line and below it those of its held children. */
static void print_tree(struct console *c, const struct span *span, const struct span *parent,
		       const char *prefix, unsigned depth, bool is_last, const char *note)
{
	const char *branch = !parent ? "" : c->utf8 ? is_last ? "└─ " : "├─ " : is_last ? "`- " : "|- ";
	const char *below = !parent || depth >= DEPTH_MAX ? "" : is_last ? "   " : c->utf8 ? "│  " : "|  ";
	char tree[6 * DEPTH_MAX], line[6 * DEPTH_MAX + 8];
	size_t base = c->stack_len, n = push_children(c, span);
	const struct span *served = n == 1 && is_same_request(span, c->stack[base]) ? c->stack[base] : NULL;

	snprintf(line, sizeof(line), "%s%s", prefix, branch);
	print_line(c, span, parent, line, depth * BRANCH_LEN, served, note);
	remember_shown(c, span);
	if (served) {
		remember_shown(c, served);
		n += push_children(c, served);
	}
	snprintf(tree, sizeof(tree), "%s%s", prefix, below);
	for (size_t i = base + !!served; i < base + n; i++)
		print_tree(c, c->stack[i], served ? served : span, tree, depth + (depth < DEPTH_MAX),
			   i + 1 == base + n, "");
	for (size_t i = base; i < base + n; i++)
		span_unref(c->stack[i]);
	c->stack_len = base;
}

static void print_root(struct console *c, const struct span *span, const char *note)
{
	if (!c->headed)
		printf("%s%-12s %-*s%6s %12s%s  %s%s\n", paint(c, BOLD), "TIME", (int)c->request_len - 2,
		       "REQUEST", "STATUS", "DURATION", c->bodies ? " REQ BODY RESP BODY" : "",
		       c->bodies ? "SERVICE AND PEER (ITS TIME)" : "SERVICE AND PEER", paint(c, PLAIN));
	c->headed = true;
	print_tree(c, span, NULL, "", 0, true, note);
}

static void release(struct console *c, const char *note)
{
	struct span *span = take(c, top_of_oldest(c));

	print_root(c, span, note);
	span_unref(span);
}

static void release_late(struct console *c, uint64_t before_ns)
{
	while (c->oldest && c->oldest->since_ns <= before_ns)
		release(c, "  (its request is not over)");
}

static void show(struct console *c, struct span *span, uint64_t now_ns)
{
	if (!span->parent_local) {
		print_root(c, span, span->kind != SPAN_SERVER ? "  (parent unknown)" : "");
	} else if (was_shown(c, span->parent_id)) {
		print_root(c, span, "  (its request is above)");
	} else {
		if (!c->free)
			release(c, "  (its request is not shown yet)");
		hold(c, span, now_ns);
	}
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

static int send_text(struct console *c, struct span *const *spans, size_t n)
{
	struct timespec t;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	if (n)
		measure(c);
	for (size_t i = 0; i < n; i++)
		show(c, spans[i], now_ns);
	release_late(c, now_ns > HOLD_NS ? now_ns - HOLD_NS : 0);
	return fflush(stdout) ? -EPIPE : 0;
}

static int send_json(struct console *c, struct span *const *spans, size_t n)
{
	char json[SPAN_JSON_MAX];

	for (size_t i = 0; i < n; i++)
		fwrite(json, 1, span_json(spans[i], &c->wall, json, sizeof(json)), stdout);
	return fflush(stdout) ? -EPIPE : 0;
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

static void close_console(void *self)
{
	struct console *c = self;

	if (!c->broken)
		release_late(c, UINT64_MAX);
	fflush(stdout);
	while (c->oldest)
		span_unref(take(c, c->oldest));
	table_free(&c->by_parent);
	table_free(&c->by_shown);
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
