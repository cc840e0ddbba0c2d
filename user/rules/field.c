/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "body.h"
#include "target.h"

#define ATTRIBUTE_PREFIX "attribute."
#define REQUEST_PREFIX   "request.body"
#define RESPONSE_PREFIX  "response.body"
#define LENGTH_PREFIX    "length("

static enum skipped give_number(fixed number, struct field_value *ret_value)
{
	ret_value->type = FIELD_NUMBER;
	ret_value->number = number;
	return SKIPPED_not;
}

static enum skipped give_text(struct slice text, struct field_value *ret_value)
{
	if (!text.len)
		return SKIPPED_missing;
	ret_value->type = FIELD_TEXT;
	ret_value->is_truth = false;
	ret_value->text = text;
	return SKIPPED_not;
}

static enum skipped give_truth(bool truth, struct field_value *ret_value)
{
	give_text(truth ? SLICE("true") : SLICE("false"), ret_value);
	ret_value->is_truth = true;
	return SKIPPED_not;
}

static enum skipped status(const struct work *w, struct field_value *ret_value)
{
	return give_number(w->span.status * FIXED_ONE, ret_value);
}

static enum skipped duration(const struct work *w, struct field_value *ret_value)
{
	return give_number((fixed)(w->span.end_ns - w->span.start_ns), ret_value);
}

static enum skipped duration_ms(const struct work *w, struct field_value *ret_value)
{
	return give_number((fixed)(w->span.end_ns - w->span.start_ns) * 1000, ret_value);
}

static enum skipped request_size(const struct work *w, struct field_value *ret_value)
{
	return give_number(w->span.request_len * FIXED_ONE, ret_value);
}

static enum skipped response_size(const struct work *w, struct field_value *ret_value)
{
	return give_number(w->span.response_len * FIXED_ONE, ret_value);
}

static enum skipped rows(const struct work *w, struct field_value *ret_value)
{
	return w->span.has_rows ? give_number(w->span.rows * FIXED_ONE, ret_value) : SKIPPED_missing;
}

static enum skipped failed(const struct work *w, struct field_value *ret_value)
{
	return give_truth(span_failed(&w->span), ret_value);
}

static enum skipped service(const struct work *w, struct field_value *ret_value)
{
	return give_text(slice_of(w->span.process ? w->span.process->service : "unknown"), ret_value);
}

static enum skipped error_type(const struct work *w, struct field_value *ret_value)
{
	return give_text(span_error(&w->span), ret_value);
}

static enum skipped function(const struct work *w, struct field_value *ret_value)
{
	return give_text(slice_of(w->span.function), ret_value);
}

static enum skipped target(const struct work *w, struct field_value *ret_value)
{
	char address[SPAN_ADDRESS_MAX];
	struct slice name = span_target(&w->span, address);

	_Static_assert(SPAN_ADDRESS_MAX <= FIELD_TEXT_MAX, "a value has room for an address");
	memcpy(ret_value->buf, name.p, name.len);
	return give_text((struct slice){ ret_value->buf, name.len }, ret_value);
}

static const struct {
	const char *name;
	field_fact_fn read; /* or: */
	enum span_text text;
} facts[] = {
	{ "status", status, 0 },
	{ "failed", failed, 0 },
	{ "error_type", error_type, 0 },
	{ "duration", duration, 0 },
	{ "duration_ms", duration_ms, 0 },
	{ "service", service, 0 },
	{ "method", NULL, TEXT_METHOD },
	{ "route", NULL, TEXT_ROUTE },
	{ "host", NULL, TEXT_HOST },
	{ "target", target, 0 },
	{ "request_size", request_size, 0 },
	{ "response_size", response_size, 0 },
	{ "function", function, 0 },
	{ "operation", NULL, TEXT_METHOD },
	{ "collection", NULL, TEXT_COLLECTION },
	{ "namespace", NULL, TEXT_NAMESPACE },
	{ "status_code", NULL, TEXT_STATUS_CODE },
	{ "rows", rows, 0 },
};
#define FACTS_LEN (sizeof(facts) / sizeof(facts[0]))

/* Up to a dot; a backslash takes the character behind it for what it is. */
static int take_name(struct arena *arena, const char **text, struct slice *ret_name)
{
	struct slice rest = slice_of(*text);
	char *name = arena_copy(arena, rest);
	size_t len = 0;
	const char *p = *text;

	if (!name)
		return -ENOMEM;
	for (; *p && *p != '.'; p++) {
		if (*p == '\\' && !*++p)
			return -EINVAL;
		name[len++] = *p;
	}
	if (!len || len > JSON_NAME_MAX)
		return -EINVAL;
	*text = p;
	*ret_name = (struct slice){ name, len };
	return 0;
}

/* ".items.0.quantity", or nothing. */
static int parse_path(struct arena *arena, const char *text, struct json_path *path)
{
	int err = 0;

	while (*text && !err) {
		if (*text++ != '.' || path->len == JSON_PATH_MAX)
			return -EINVAL;
		err = take_name(arena, &text, &path->names[path->len++]);
	}
	return err;
}

static int parse_body(struct arena *arena, const char *text, struct field *field)
{
	struct slice s = slice_of(text);

	if (slice_starts(s, SLICE(REQUEST_PREFIX))) {
		field->flow = FLOW_REQUEST;
		return parse_path(arena, text + strlen(REQUEST_PREFIX), &field->path);
	}
	if (slice_starts(s, SLICE(RESPONSE_PREFIX))) {
		field->flow = FLOW_RESPONSE;
		return parse_path(arena, text + strlen(RESPONSE_PREFIX), &field->path);
	}
	return -EINVAL;
}

static int parse_length(struct arena *arena, const char *text, struct field *field)
{
	struct slice inner = slice_of(text + strlen(LENGTH_PREFIX));
	char *copy;

	field->source = FIELD_BODY_LENGTH;
	if (!slice_ends(inner, SLICE(")")))
		return -EINVAL;
	inner.len--;
	copy = arena_copy(arena, inner);
	return copy ? parse_body(arena, copy, field) : -ENOMEM;
}

int field_parse(struct arena *arena, const char *name, struct field *ret_field)
{
	struct field field = { .name = name, .source = FIELD_BODY };
	struct slice s = slice_of(name);
	int err = 0;

	for (size_t i = 0; i < FACTS_LEN; i++)
		if (strcmp(name, facts[i].name) == 0) {
			*ret_field =
				(struct field){ .name = name, .fact = facts[i].read, .text = facts[i].text };
			return 0;
		}
	if (slice_starts(s, SLICE(ATTRIBUTE_PREFIX))) {
		field.source = FIELD_ATTRIBUTE;
		field.attribute = name + strlen(ATTRIBUTE_PREFIX);
		err = *field.attribute ? 0 : -EINVAL;
	} else if (slice_starts(s, SLICE(LENGTH_PREFIX))) {
		err = parse_length(arena, name, &field);
	} else {
		err = parse_body(arena, name, &field);
		if (!err && !field.path.len)
			err = -EINVAL;
	}
	if (!err)
		*ret_field = field;
	return err;
}

const char *field_facts(char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < FACTS_LEN && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", facts[i].name);
	return buf;
}

static enum skipped read_attribute(const struct field *field, const struct work *w,
				   struct field_value *ret_value)
{
	const struct span *span = &w->span;
	const struct attribute *a = span->attributes, *end = a + span->attributes_len;
	fixed number;

	while (a < end && strcmp(a->name, field->attribute) != 0)
		a++;
	if (a == end)
		return SKIPPED_missing;
	switch (a->type) {
	case ATTRIBUTE_INTEGER:
		return give_number(a->integer * FIXED_ONE, ret_value);
	case ATTRIBUTE_DOUBLE:
		if (fixed_from_double(a->number, &number))
			return SKIPPED_out_of_range;
		return give_number(number, ret_value);
	case ATTRIBUTE_BOOL:
		return give_truth(a->truth, ret_value);
	case ATTRIBUTE_TEXT:
		break;
	}
	return give_text(span_attribute_text(span, a), ret_value);
}

static enum skipped give_json(const struct json_value *json, struct field_value *ret_value)
{
	size_t len;
	fixed number;
	int err;

	switch (json->type) {
	case JSON_NULL:
		return SKIPPED_missing;
	case JSON_TRUE:
	case JSON_FALSE:
		return give_truth(json->type == JSON_TRUE, ret_value);
	case JSON_NUMBER:
		err = fixed_parse(json->text, &number);
		return err == -ERANGE ? SKIPPED_out_of_range
		       : err          ? SKIPPED_not_json
				      : give_number(number, ret_value);
	case JSON_STRING:
		len = json_unescape(json->text, ret_value->buf, sizeof(ret_value->buf));
		if (len > sizeof(ret_value->buf))
			len = sizeof(ret_value->buf);
		ret_value->type = FIELD_TEXT;
		ret_value->is_truth = false;
		ret_value->text = (struct slice){ ret_value->buf, len };
		return SKIPPED_not;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return SKIPPED_wrong_type;
}

static enum skipped body_of(const struct field *field, const struct work *w, struct slice *ret_text)
{
	const struct body *body = w->bodies[field->flow];

	if (!body)
		return SKIPPED_body_not_captured;
	if (body->cut || !body->ended)
		return SKIPPED_body_cut;
	if (body->encoded)
		return SKIPPED_body_encoded;
	if (!body->len)
		return SKIPPED_no_body;
	*ret_text = (struct slice){ body->bytes, body->len };
	return SKIPPED_not;
}

static enum skipped read_body(const struct field *field, const struct work *w, struct field_value *ret_value)
{
	struct json_value json;
	struct slice text;
	enum skipped skipped = body_of(field, w, &text);

	if (skipped)
		return skipped;
	switch (json_find(text, &field->path, &json)) {
	case 0:
		break;
	case -ENOENT:
		return SKIPPED_missing;
	case -EOVERFLOW:
		return SKIPPED_too_deep;
	case -ENOTUNIQ:
		return SKIPPED_ambiguous;
	default:
		return SKIPPED_not_json;
	}
	if (field->source == FIELD_BODY)
		return give_json(&json, ret_value);
	if (json.type == JSON_ARRAY)
		return give_number(json.len * FIXED_ONE, ret_value);
	return json.type == JSON_NULL ? SKIPPED_missing : SKIPPED_wrong_type;
}

enum skipped field_read(const struct field *field, const struct work *w, struct field_value *ret_value)
{
	switch (field->source) {
	case FIELD_FACT:
		return field->fact ? field->fact(w, ret_value)
				   : give_text(span_text(&w->span, field->text), ret_value);
	case FIELD_ATTRIBUTE:
		return read_attribute(field, w, ret_value);
	case FIELD_BODY:
	case FIELD_BODY_LENGTH:
		break;
	}
	return read_body(field, w, ret_value);
}

enum skipped field_number(const struct field_value *value, fixed *ret_number)
{
	if (value->type != FIELD_NUMBER)
		return SKIPPED_not_a_number;
	*ret_number = value->number;
	return SKIPPED_not;
}

struct slice field_text(const struct field_value *value, char buf[FIXED_TEXT_MAX])
{
	if (value->type == FIELD_TEXT)
		return value->text;
	return (struct slice){ buf, (size_t)(fixed_put(buf, value->number) - buf) };
}
