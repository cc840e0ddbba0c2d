/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what is read of bodies: the first line of the input is a field, such as length(response.body.items);
 * what follows is the body. What json_find() takes is JSON to another parser too, and values hold to their
 * bounds.
 */
#include "fuzz.h"

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "body.h"
#include "rules/field.h"

static void check_value(const struct field_value *value)
{
	const fixed limit = (fixed)1 << 63;
	char buf[FIXED_TEXT_MAX];
	struct slice text = field_text(value, buf);
	fixed number, again;

	HOLD(text.len <= FIELD_TEXT_MAX);
	if (field_number(value, &number) != SKIPPED_not)
		return;
	HOLD(number < limit * FIXED_ONE && number > -limit * FIXED_ONE);
	HOLD(text.len <= FIXED_TEXT_MAX && fixed_parse(text, &again) == 0 && again == number);
}

/* The body lies alone in memory of its own: nothing behind it may be read. */
static void read_body(const struct field *field, struct slice bytes)
{
	struct work *w = calloc(1, sizeof(*w));
	struct body *body = calloc(1, sizeof(*body) + bytes.len);
	struct field_value value;
	struct json_value unused;
	struct json_path whole = { .len = 0 };
	bool taken;

	HOLD(w && body);
	memcpy(body->bytes, bytes.p, bytes.len);
	body->len = (uint32_t)bytes.len;
	body->ended = true;
	w->bodies[field->flow] = body;
	if (field_read(field, w, &value) == SKIPPED_not)
		check_value(&value);
	taken = json_find((struct slice){ body->bytes, body->len }, &whole, &unused) == 0;
	if (taken && !memchr(bytes.p, 0, bytes.len)) {
		cJSON *other = cJSON_ParseWithLength(bytes.p, bytes.len);

		/* cJSON refuses halves of surrogate pairs and \u0000. */
		HOLD(other || memmem(bytes.p, bytes.len, "\\u", 2));
		cJSON_Delete(other);
	}
	free(body);
	free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = { (const char *)data, size }, line = fuzz_line(&body);
	struct arena arena = { 0 };
	struct field field;
	char *name;

	if (!line.len)
		return 0;
	name = arena_copy(&arena, line);
	HOLD(name);
	if (field_parse(&arena, name, &field) == 0 && field.source >= FIELD_BODY)
		read_body(&field, body);
	arena_free(&arena);
	return 0;
}
