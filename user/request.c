/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "baggage.h"
#include "base/decimal.h"
#include "prepared.h"
#include "route.h"

static bool raw; /* statements keep their literals */

int requests_init(const struct config *config)
{
	raw = config->query_text_raw;
	return prepared_init(config->statements_max);
}

void requests_fini(void)
{
	prepared_fini();
}

void request_place(struct span *span, const struct conn *c)
{
	span->protocol = c->parser ? c->parser->name : "tcp";
	span->db_system = c->db_system || !c->parser ? c->db_system : c->parser->db_system;
	span->process = c->process;
	if (span->process)
		process_ref(span->process);
	span->pid = c->pid;
	span->tid = c->tid;
	span->local = c->local;
	span->peer = c->peer;
	if (c->path_len)
		span_set_text(span, TEXT_SOCKET_PATH, (struct slice){ c->path, c->path_len });
}

/* The path and query of a request target in any of its forms (RFC 9112 section 3.2). */
static void set_target(struct span *span, struct slice target)
{
	char text[512];
	bool origin = target.len && target.p[0] == '/';
	const char *scheme_end = origin ? NULL : memmem(target.p, target.len, "://", 3), *slash, *question;
	struct slice path = target;

	if (scheme_end) {
		struct slice rest = slice_from(target, (size_t)(scheme_end + 3 - target.p));

		slash = memchr(rest.p, '/', rest.len);
		path = slash ? slice_from(rest, (size_t)(slash - rest.p)) : SLICE("/");
	}
	question = memchr(path.p, '?', path.len);
	if (question) {
		struct slice query = slice_from(path, (size_t)(question + 1 - path.p));

		path.len = (size_t)(question - path.p);
		span_set_text(span, TEXT_QUERY,
			      (struct slice){ text, redact_query(query, text, sizeof(text)) });
	}
	span_set_text(span, TEXT_PATH, path);
	span_set_text(span, TEXT_ROUTE, (struct slice){ text, route_of(path, text, sizeof(text)) });
}

static void describe_http(struct span *span, const struct message *m)
{
	span_set_text(span, TEXT_METHOD, m->method);
	set_target(span, m->target);
	span_set_text(span, TEXT_HOST, m->host);
	span_set_text(span, TEXT_USER_AGENT, m->user_agent);
	span_set_text(span, TEXT_REQUEST_ID, m->request_id);
	span_set_text(span, TEXT_TRACESTATE, m->tracestate);
	baggage_read(span, m->baggage);
}

/* The most important ones first: they share their room. */
static void set_statement(struct span *span, const struct statement *s)
{
	span_set_text(span, TEXT_METHOD, (struct slice){ s->operation, s->operation_len });
	span_set_text(span, TEXT_SUMMARY, (struct slice){ s->summary, s->summary_len });
	span_set_text(span, TEXT_COLLECTION, (struct slice){ s->collection, s->collection_len });
	span_set_text(span, TEXT_DESTINATION, (struct slice){ s->destination, s->destination_len });
	span_set_text(span, TEXT_STATEMENT, (struct slice){ s->text, s->text_len });
}

/* Executes what was prepared before anything was seen: its name is all that is known. */
static void set_unknown_statement(struct span *span, struct slice name)
{
	char text[9 + 64];
	struct slice known = { name.p, name.len < 64 ? name.len : 64 };

	span_set_text(span, TEXT_METHOD, SLICE("EXECUTE"));
	span_set_text(span, TEXT_SUMMARY, SLICE("EXECUTE"));
	if (!name.len)
		return;
	span_set_text(span, TEXT_STATEMENT,
		      (struct slice){
			      text, (size_t)(slice_put(slice_put(text, SLICE("EXECUTE ")), known) - text) });
}

static void describe_statement(struct span *span, const struct conn *c, const struct message *m)
{
	const struct statement *known = m->prepared ? prepared_get(c->sock, m->prepared) : NULL;
	bool keeps = m->prepares || m->flags & MESSAGE_QUIET;
	struct statement once, *s = &once;

	if (known) {
		set_statement(span, known);
	} else if (m->prepared) {
		set_unknown_statement(span, m->name);
	} else if (m->text.len) {
		/* The key may come with the response only. */
		if (keeps)
			s = prepared_put(c->sock, m->prepares ? m->prepares : (uintptr_t)span);
		c->parser->describe(m->text, raw, s);
		set_statement(span, s);
		if (m->latest) {
			once = *s;
			*prepared_put(c->sock, m->latest) = once;
		}
	} else {
		span_set_text(span, TEXT_METHOD, m->method);
		span_set_text(span, TEXT_SUMMARY, m->method);
	}
	/* The first one is that of the request that names it, too. */
	span_set_text(span, TEXT_NAMESPACE,
		      c->namespace_len ? (struct slice){ c->namespace, c->namespace_len } : m->namespace);
}

void request_describe(struct span *span, const struct conn *c, const struct message *m)
{
	if (c->parser->db_system)
		describe_statement(span, c, m);
	else
		describe_http(span, m);
}

void request_result(struct span *span, const struct conn *c, const struct message *m)
{
	if (m->flags & MESSAGE_ERROR)
		span->failed = true;
	if (m->code.len)
		span_set_text(span, TEXT_STATUS_CODE, m->code);
	if (m->flags & MESSAGE_ROWS) {
		span->has_rows = true;
		span->rows = m->rows;
	}
	if (m->prepares)
		prepared_rename(c->sock, (uintptr_t)span, m->prepares);
}

void request_embedded(struct span *span, struct slice text)
{
	struct statement s;

	if (!text.len) {
		set_unknown_statement(span, text);
		return;
	}
	text.len = sql_statement_len(text);
	sql_describe(text, raw, &s);
	set_statement(span, &s);
}
