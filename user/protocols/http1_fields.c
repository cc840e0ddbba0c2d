/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_fields.h"

#include <stddef.h>
#include <string.h>

#include "http1_line.h"

/* Line ends count too: they are inside a field value that is folded (RFC 9112 section 5.2). */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.p[0]))
		s = slice_from(s, 1);
	return s;
}

/* Takes the first element off a comma-separated list, skipping empty ones (RFC 9110 section 5.6.1). */
static bool next_element(struct slice *list, struct slice *ret_element)
{
	while (list->len > 0) {
		const char *comma = memchr(list->p, ',', list->len);
		size_t len = comma ? (size_t)(comma - list->p) : list->len;

		*ret_element = trim((struct slice){ list->p, len });
		*list = slice_from(*list, len + 1);
		if (ret_element->len > 0)
			return true;
	}
	return false;
}

/* RFC 9110 section 8.6: equal values may be repeated, in a list or in several fields. */
static void read_content_length(struct http1_fields *fields, struct slice value)
{
	struct slice element;

	if (value.len == 0)
		fields->bad_length = true;
	while (next_element(&value, &element)) {
		uint64_t length;

		if (http1_read_number(element, 10, &length) < 0 ||
		    (fields->has_length && length != fields->length)) {
			fields->bad_length = true;
			return;
		}
		fields->has_length = true;
		fields->length = length;
	}
}

static void read_transfer_encoding(struct http1_fields *fields, struct slice value)
{
	struct slice coding;

	while (next_element(&value, &coding)) {
		fields->coded = true;
		fields->chunked = slice_ieq(coding, SLICE("chunked"));
		fields->encoded |= !fields->chunked;
	}
}

/* RFC 9110 section 8.4: identity is none. */
static void read_content_encoding(struct http1_fields *fields, struct slice value)
{
	struct slice coding;

	while (next_element(&value, &coding))
		fields->encoded |= !slice_ieq(coding, SLICE("identity"));
}

static void read_connection(struct http1_fields *fields, struct slice value)
{
	struct slice option;

	while (next_element(&value, &option)) {
		fields->close |= slice_ieq(option, SLICE("close"));
		fields->keep_alive |= slice_ieq(option, SLICE("keep-alive"));
	}
}

static void read_expect(struct http1_fields *fields, struct slice value)
{
	fields->held = slice_ieq(value, SLICE("100-continue"));
}

#define TEXT(member) .text = offsetof(struct message, member)
/* The most frequent ones first. */
#define KNOWN_FIELDS(FIELD)                                                                                  \
	FIELD("content-length", .read = read_content_length)                                                 \
	FIELD("host", TEXT(host))                                                                            \
	FIELD("connection", .read = read_connection)                                                         \
	FIELD("expect", .read = read_expect)                                                                 \
	FIELD("content-encoding", .read = read_content_encoding)                                             \
	FIELD("transfer-encoding", .read = read_transfer_encoding)                                           \
	FIELD("user-agent", TEXT(user_agent))                                                                \
	FIELD("x-request-id", TEXT(request_id))                                                              \
	FIELD("traceparent", TEXT(traceparent))                                                              \
	FIELD("tracestate", TEXT(tracestate))                                                                \
	FIELD("baggage", TEXT(baggage))

static const struct known_field {
	struct slice name;
	void (*read)(struct http1_fields *fields, struct slice value); /* or: */
	size_t text; /* offset of the slice in struct message that gets the value */
} known_fields[] = {
#define ROW(name, what) { SLICE(name), what },
	KNOWN_FIELDS(ROW)
#undef ROW
};

/* Most lines are dismissed by their first letter, of which five bits are looked at. */
static bool may_be_known(char letter)
{
#define BIT(name, what) | 1U << ((name)[0] & 31)
	return (0U KNOWN_FIELDS(BIT)) >> (letter & 31) & 1;
#undef BIT
}

/* Of the same length, few share even the bits of their first letters. */
static const struct known_field *find_field(struct slice name)
{
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++)
		if (known_fields[i].name.len == name.len && !((known_fields[i].name.p[0] ^ name.p[0]) & 31) &&
		    slice_ieq(known_fields[i].name, name))
			return &known_fields[i];
	return NULL;
}

/* The first of several fields of one name counts; but two traceparents leave the parent unknown. */
static void read_field(struct slice line, struct http1_fields *fields, struct message *message)
{
	const char *colon = memchr(line.p, ':', line.len);
	const struct known_field *field;
	struct slice name, value, *text;

	if (!colon)
		return;
	name = (struct slice){ line.p, (size_t)(colon - line.p) };
	while (name.len > 0 && is_space(name.p[name.len - 1]))
		name.len--;
	field = find_field(name);
	if (!field)
		return;

	value = trim(slice_from(line, (size_t)(colon - line.p) + 1));
	if (field->read) {
		field->read(fields, value);
		return;
	}
	text = (struct slice *)((char *)message + field->text);
	if (!text->p)
		*text = value;
	else if (text == &message->traceparent)
		text->len = 0;
}

bool http1_read_fields(struct slice s, size_t *at, struct http1_fields *fields, struct message *message)
{
	const char *lf;

	while ((lf = memchr(s.p + *at, '\n', s.len - *at))) {
		size_t start = *at, next = (size_t)(lf - s.p) + 1;

		if (s.p[start] <= '\r' && http1_line_end(s, start, at) == GUESS_YES)
			return true;
		while (next < s.len && (s.p[next] == ' ' || s.p[next] == '\t')) {
			lf = memchr(s.p + next, '\n', s.len - next);
			if (!lf)
				return false;
			next = (size_t)(lf - s.p) + 1;
		}
		if (may_be_known(s.p[start]))
			read_field((struct slice){ s.p + start, next - start }, fields, message);
		*at = next;
	}
	return false;
}
