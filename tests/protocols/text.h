/* SPDX-License-Identifier: Apache-2.0 */
/* What a case expects, as it is written: README.md. */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "parser.h"

#define TEXT_MAX (64 << 10)

struct text {
	size_t len;
	char p[TEXT_MAX];
};

__attribute__((format(printf, 2, 3))) static inline void text_print(struct text *text, const char *format,
								    ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->p + text->len, sizeof(text->p) - text->len, format, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n;
	if (text->len >= sizeof(text->p))
		text->len = sizeof(text->p) - 1;
}

/* A value as it stands in a case: bare, or in quotes with escapes when it has to be. */
static inline void text_value(struct text *text, struct slice s)
{
	bool bare = s.len > 0;

	for (size_t i = 0; i < s.len; i++)
		bare &= s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\';
	if (bare) {
		text_print(text, "%.*s", (int)s.len, s.p);
		return;
	}
	text_print(text, "\"");
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\r')
			text_print(text, "\\r");
		else if (s.p[i] == '\n')
			text_print(text, "\\n");
		else if (s.p[i] == '\t')
			text_print(text, "\\t");
		else if (s.p[i] == '"' || s.p[i] == '\\')
			text_print(text, "\\%c", s.p[i]);
		else if (s.p[i] >= ' ' && s.p[i] < 0x7f)
			text_print(text, "%c", s.p[i]);
		else
			text_print(text, "\\x%02x", (unsigned char)s.p[i]);
	}
	text_print(text, "\"");
}

static inline void text_field(struct text *text, const char *name, struct slice value)
{
	if (value.len == 0)
		return;
	text_print(text, " %s=", name);
	text_value(text, value);
}

static inline void text_head(struct text *text, const struct message *m)
{
	if (m->method.len > 0) {
		text_print(text, " ");
		text_value(text, m->method);
	}
	if (m->target.len > 0) {
		text_print(text, " ");
		text_value(text, m->target);
	}
	if (m->status != 0)
		text_print(text, " %d", m->status);
	text_field(text, "host", m->host);
	text_field(text, "user-agent", m->user_agent);
	text_field(text, "x-request-id", m->request_id);
	text_field(text, "traceparent", m->traceparent);
	text_field(text, "tracestate", m->tracestate);
	text_field(text, "text", m->text);
	text_field(text, "name", m->name);
}
