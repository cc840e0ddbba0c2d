/* SPDX-License-Identifier: Apache-2.0 */
#include "function_tape.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "function.h"
#include "stats.h"
#include "tape.h"

#define NAME_LEN 72 /* more than is shown */

struct tape_value {
	char name[NAME_LEN]; /* empty: for the rule alone */
	uint32_t type;
	uint32_t names_len;
	uint8_t size;
	uint8_t at_return;
	uint8_t reserved[6];
};

struct tape_name {
	int64_t value;
	char name[NAME_LEN];
};

struct tape_rule {
	int64_t bound;
	uint32_t comparison;
	uint8_t is_errno;
	uint8_t read;
	uint8_t reserved[2];
	char text[sizeof(((struct error_rule *)0)->text)];
};

/* The names of the values' enumerators follow. */
struct tape_function {
	char name[sizeof(((struct function *)0)->name)];
	struct tape_rule rule;
	uint32_t values_len;
	uint32_t names_len; /* of all values */
	struct tape_value values[READS_MAX];
	struct tape_name names[];
};

#define NAMES_MAX ((TAPE_RECORD_MAX - sizeof(struct tape_function)) / sizeof(struct tape_name))

static uint32_t added;
static struct arena value_names; /* of what was taken */

/* The rest of the room is zeroed: a tape holds nothing of our memory. */
static void copy_text(char *to, size_t size, const char *from)
{
	memset(to, 0, size);
	memcpy(to, from, strnlen(from, size - 1));
}

static struct slice text_of(const char *text, size_t size)
{
	return (struct slice){ text, strnlen(text, size) };
}

static void write_names(const struct value *v, struct tape_value *ret, struct tape_function *t)
{
	while (ret->names_len < v->names_len && t->names_len < NAMES_MAX) {
		const struct enumerator *e = &v->names[ret->names_len++];
		struct tape_name *name = &t->names[t->names_len++];

		name->value = e->value;
		copy_text(name->name, sizeof(name->name), e->name);
	}
	if (ret->names_len < v->names_len)
		drop_add(DROP_tape_full, 1);
}

static void write_function(const struct function *f)
{
	static union {
		struct tape_function t;
		char room[TAPE_RECORD_MAX];
	} record;
	struct tape_function *t = &record.t;

	memset(t, 0, sizeof(*t));
	copy_text(t->name, sizeof(t->name), f->name);
	t->rule = (struct tape_rule){ .bound = f->rule.bound,
				      .comparison = f->rule.comparison,
				      .is_errno = f->rule.is_errno,
				      .read = f->rule.read };
	copy_text(t->rule.text, sizeof(t->rule.text), f->rule.text);
	t->values_len = f->reads.reads_len;
	for (uint32_t i = 0; i < t->values_len; i++) {
		const struct value *v = &f->values[i];

		t->values[i] = (struct tape_value){ .type = v->type,
						    .size = v->size,
						    .at_return = f->reads.reads[i].at_return };
		copy_text(t->values[i].name, NAME_LEN, v->name ? v->name : "");
		write_names(v, &t->values[i], t);
	}
	tape_add(TAPE_FUNCTION, t, sizeof(*t) + t->names_len * sizeof(t->names[0]));
}

void function_tape_add(void)
{
	while (added < functions_len())
		write_function(function_at(added++));
}

static bool is_number(const struct tape_value *v)
{
	return v->type != VALUE_STRING && v->size >= 1 && v->size <= sizeof(uint64_t);
}

static bool is_right(const struct tape_function *t, size_t len)
{
	size_t names_len = 0;

	if (len < sizeof(*t) || t->values_len > READS_MAX ||
	    t->names_len != (len - sizeof(*t)) / sizeof(t->names[0]))
		return false;
	for (uint32_t i = 0; i < t->values_len; i++) {
		const struct tape_value *v = &t->values[i];

		names_len += v->names_len;
		if (v->type > VALUE_STRING || (v->type != VALUE_STRING && !is_number(v)))
			return false;
	}
	return names_len == t->names_len && t->rule.comparison <= COMPARE_NOT_EQUAL &&
	       (!t->rule.comparison || (t->rule.read < t->values_len && is_number(&t->values[t->rule.read])));
}

/* Copies the names of a value's enumerators. Returns how many they are, or -ENOMEM. */
static int take_names(const struct tape_name *from, uint32_t n, struct value *v)
{
	v->names = n ? calloc(n, sizeof(*v->names)) : NULL;
	if (n && !v->names)
		return -ENOMEM;
	for (; v->names_len < n; v->names_len++) {
		struct enumerator *e = &v->names[v->names_len];

		e->value = from[v->names_len].value;
		e->name = strndup(from[v->names_len].name, NAME_LEN);
		if (!e->name)
			return -ENOMEM;
	}
	return (int)n;
}

/* The read itself was done in the kernel; only the side of the call is still asked for. */
static int take_values(const struct tape_function *t, struct function *f)
{
	const struct tape_name *at = t->names;

	for (uint32_t i = 0; i < t->values_len; i++) {
		const struct tape_value *from = &t->values[i];
		struct value *v = &f->values[f->reads.reads_len];
		int n;

		f->reads.reads[f->reads.reads_len++].at_return = from->at_return;
		v->type = (enum value_type)from->type;
		v->size = from->size;
		v->name = from->name[0] ? arena_copy(&value_names, text_of(from->name, NAME_LEN)) : NULL;
		if (from->name[0] && !v->name)
			return -ENOMEM;
		n = take_names(at, from->names_len, v);
		if (n < 0)
			return n;
		at += n;
	}
	return 0;
}

int function_tape_take(const void *record, size_t len)
{
	const struct tape_function *t = record;
	struct function *f;
	int err;

	if (!is_right(t, len))
		return -EPROTO;
	f = function_new();
	if (!f)
		return -EPROTO;
	copy_text(f->name, sizeof(f->name), t->name);
	f->rule = (struct error_rule){ .comparison = (enum comparison)t->rule.comparison,
				       .bound = t->rule.bound,
				       .is_errno = t->rule.is_errno,
				       .read = t->rule.read };
	copy_text(f->rule.text, sizeof(f->rule.text), t->rule.text);
	err = take_values(t, f);
	if (err)
		function_drop(f);
	return err;
}

void function_tape_fini(void)
{
	arena_free(&value_names);
	added = 0;
}
