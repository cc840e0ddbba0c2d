/* SPDX-License-Identifier: Apache-2.0 */
#include "span.h"

#include "base/decimal.h"
#include "base/ip.h"

static const uint16_t text_max[SPAN_TEXTS] = {
	[TEXT_METHOD] = 32,       [TEXT_PATH] = 512,        [TEXT_QUERY] = 256,      [TEXT_ROUTE] = 256,
	[TEXT_HOST] = 128,        [TEXT_USER_AGENT] = 128,  [TEXT_REQUEST_ID] = 64,  [TEXT_TRACESTATE] = 128,
	[TEXT_PEER_SERVICE] = 64, [TEXT_SOCKET_PATH] = 108, [TEXT_SUMMARY] = 128,    [TEXT_COLLECTION] = 64,
	[TEXT_NAMESPACE] = 64,    [TEXT_STATEMENT] = 600,   [TEXT_DESTINATION] = 64, [TEXT_STATUS_CODE] = 32,
};

const char *span_kind_name(enum span_kind kind)
{
	static const char *const names[] = { "server", "client", "internal" };

	return names[kind];
}

const char *evidence_name(enum evidence evidence)
{
	static const char *const names[EVIDENCES] = { "unknown", "traceparent", "socket",   "request-id",
						      "thread",  "turn",        "wakeup",   "answer",
						      "context", "async-id",    "goroutine" };

	return names[evidence];
}

struct slice span_text(const struct span *span, enum span_text which)
{
	return (struct slice){ span->text + span->text_at[which], span->text_len[which] };
}

/* Copies as much of text as max and the span's room allow. Returns its length; a cut sets truncated. */
static uint16_t put_text(struct span *span, struct slice text, size_t max)
{
	size_t room = SPAN_TEXT_BYTES - span->text_used, len = text.len;

	if (len > max)
		len = max;
	if (len > room)
		len = room;
	/* Not in the middle of a UTF-8 character, of which at most three bytes follow the first. */
	for (int i = 0; i < 3 && len < text.len && len && ((unsigned char)text.p[len] & 0xc0) == 0x80; i++)
		len--;
	span->truncated |= len < text.len;
	if (len)
		memcpy(span->text + span->text_used, text.p, len);
	span->text_used = (uint16_t)(span->text_used + len);
	return (uint16_t)len;
}

void span_set_text(struct span *span, enum span_text which, struct slice text)
{
	span->text_at[which] = span->text_used;
	span->text_len[which] = put_text(span, text, text_max[which]);
}

struct attribute *span_add_attribute(struct span *span, const char *name)
{
	struct attribute *a = &span->attributes[span->attributes_len];

	if (span->attributes_len == SPAN_ATTRIBUTES_MAX)
		return NULL;
	span->attributes_len++;
	a->name = name;
	return a;
}

void span_add_text_attribute(struct span *span, const char *name, struct slice text, size_t max)
{
	struct attribute *a = span_add_attribute(span, name);

	if (!a)
		return;
	a->type = ATTRIBUTE_TEXT;
	a->text.at = span->text_used;
	a->text.len = put_text(span, text, max);
}

struct slice span_attribute_text(const struct span *span, const struct attribute *a)
{
	return (struct slice){ span->text + a->text.at, a->text.len };
}

struct slice span_address(const struct span *span, const struct address *a, char buf[SPAN_ADDRESS_MAX])
{
	struct slice path = span_text(span, TEXT_SOCKET_PATH);
	char *p = buf;

	if (a->family == AF_UNIX) {
		p = slice_put(slice_put(p, SLICE("unix:")), path);
	} else if (a->family) {
		if (a->family == AF_INET6)
			*p++ = '[';
		p = put_ip(p, a->family, a->ip);
		if (a->family == AF_INET6)
			*p++ = ']';
		*p++ = ':';
		p = put_decimal(p, a->port);
	}
	return (struct slice){ buf, (size_t)(p - buf) };
}

struct slice span_target(const struct span *span, char buf[SPAN_ADDRESS_MAX])
{
	struct slice service = span_text(span, TEXT_PEER_SERVICE), host = span_text(span, TEXT_HOST),
		     address = span_address(span, &span->peer, buf);

	return service.len       ? service
	       : host.len        ? host
	       : address.len     ? address
	       : span->db_system ? slice_of(span->db_system)
				 : SLICE("unknown");
}

struct slice span_name(const struct span *span, char buf[SPAN_NAME_MAX])
{
	struct slice method = span_text(span, TEXT_METHOD), route = span_text(span, TEXT_ROUTE);
	char *p = buf;

	if (span->function)
		return slice_of(span->function);
	if (span->db_system) {
		struct slice summary = span_text(span, TEXT_SUMMARY);

		return summary.len ? summary : slice_of(span->db_system);
	}
	if (!method.len)
		return SLICE("connect");
	p = slice_put(p, method);
	if (route.len)
		*p++ = ' ';
	p = slice_put(p, route);
	return (struct slice){ buf, (size_t)(p - buf) };
}

struct slice span_error(const struct span *span)
{
	struct slice code = span_text(span, TEXT_STATUS_CODE);

	if (span->error_type || !span->failed)
		return slice_of(span->error_type);
	return code.len ? code : SLICE("_OTHER");
}

bool span_failed(const struct span *span)
{
	return span->error_type || span->failed || span->status >= (span->kind == SPAN_SERVER ? 500 : 400);
}
