/* SPDX-License-Identifier: Apache-2.0 */
#include "span.h"

#include <stdio.h>

static const uint16_t text_max[SPAN_TEXTS] = {
	[TEXT_METHOD] = 32,       [TEXT_PATH] = 512,        [TEXT_QUERY] = 256,     [TEXT_ROUTE] = 256,
	[TEXT_HOST] = 128,        [TEXT_USER_AGENT] = 128,  [TEXT_REQUEST_ID] = 64, [TEXT_TRACESTATE] = 128,
	[TEXT_PEER_SERVICE] = 64, [TEXT_SOCKET_PATH] = 108,
};

const char *span_kind_name(enum span_kind kind)
{
	static const char *const names[] = { "server", "client", "internal" };

	return names[kind];
}

const char *evidence_name(enum evidence evidence)
{
	static const char *const names[] = { "unknown", "traceparent", "socket", "thread" };

	return names[evidence];
}

struct slice span_text(const struct span *span, enum span_text which)
{
	return (struct slice){ span->text + span->text_at[which], span->text_len[which] };
}

void span_set_text(struct span *span, enum span_text which, struct slice text)
{
	size_t room = SPAN_TEXT_BYTES - span->text_used, len = text.len;

	if (len > text_max[which])
		len = text_max[which];
	if (len > room)
		len = room;
	/* Not in the middle of a UTF-8 character. */
	while (len < text.len && len && ((unsigned char)text.p[len] & 0xc0) == 0x80)
		len--;
	span->truncated |= len < text.len;
	if (len)
		memcpy(span->text + span->text_used, text.p, len);
	span->text_at[which] = span->text_used;
	span->text_len[which] = (uint16_t)len;
	span->text_used = (uint16_t)(span->text_used + len);
}

const char *span_name(const struct span *span, char *buf, size_t size)
{
	struct slice method = span_text(span, TEXT_METHOD), route = span_text(span, TEXT_ROUTE);

	if (!method.len)
		snprintf(buf, size, "connect");
	else
		snprintf(buf, size, "%.*s%s%.*s", (int)method.len, method.p, route.len ? " " : "",
			 (int)route.len, route.p);
	return buf;
}

bool span_failed(const struct span *span)
{
	return span->error_type || span->status >= (span->kind == SPAN_SERVER ? 500 : 400);
}
