/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what is read of bodies: the first line of the input is a field, such as length(response.body.items);
 * what follows is the body. What json_find() takes is JSON to another parser too, and values hold to their
 * bounds.
 *
 *	build/fuzz/body -max_total_time=600 CORPUS tests/fuzz/body
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "body.h"
#include "rules/field.h"

#define HOLD(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "does not hold: %s\n", #condition);                                  \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *lf = size ? memchr(data, '\n', size) : NULL;
	struct arena arena = { 0 };
	struct field field;
	char *name;

	if (!lf || lf == (const char *)data)
		return 0;
	name = arena_copy(&arena, (struct slice){ (const char *)data, (size_t)(lf - (const char *)data) });
	HOLD(name);
	if (field_parse(&arena, name, &field) == 0 && field.source >= FIELD_BODY)
		read_body(&field, (struct slice){ lf + 1, size - (size_t)(lf + 1 - (const char *)data) });
	arena_free(&arena);
	return 0;
}
