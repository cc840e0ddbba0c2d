/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	enum comparison comparison;
} comparisons[] = {
	/* What starts like another one comes before it. */
	{ "<=", COMPARE_LESS_EQUAL }, { "<", COMPARE_LESS },   { ">=", COMPARE_GREATER_EQUAL },
	{ ">", COMPARE_GREATER },     { "==", COMPARE_EQUAL }, { "!=", COMPARE_NOT_EQUAL },
};

static struct slice trim(struct slice s)
{
	while (s.len && isspace((unsigned char)s.p[0]))
		s = slice_from(s, 1);
	while (s.len && isspace((unsigned char)s.p[s.len - 1]))
		s.len--;
	return s;
}

/* Cuts off the words at the end, if they are there and something is before them. */
static bool cut_end(struct slice *s, struct slice words)
{
	if (s->len <= words.len || !slice_ends(*s, words) ||
	    !isspace((unsigned char)s->p[s->len - words.len - 1]))
		return false;
	s->len -= words.len;
	*s = trim(*s);
	return true;
}

static bool copy(char *to, size_t size, struct slice from)
{
	if (from.len >= size)
		return false;
	*slice_put(to, from) = '\0';
	return from.len;
}

static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("_.-", s.p[i]))
			return false;
	return s.len;
}

/* The name of an attribute that has none of its own: the expression, order->user_id is order.user_id. */
static void name_of(struct slice expression, char *to)
{
	for (size_t i = 0; i < expression.len; i++) {
		char c = expression.p[i];

		if (c == '-' && i + 1 < expression.len && expression.p[i + 1] == '>') {
			*to++ = '.';
			i++;
		} else if (isalnum((unsigned char)c) || c == '_' || c == '.') {
			*to++ = c;
		} else if (c == '[') {
			*to++ = '.';
		}
	}
	*to = '\0';
}

static const char *parse_attribute(struct slice text, struct spec *spec)
{
	struct spec_attribute *a = &spec->attributes[spec->attributes_len];
	const char *equals = memchr(text.p, '=', text.len);
	struct slice name = { text.p, equals ? (size_t)(equals - text.p) : 0 }, expression;

	if (spec->attributes_len == SPEC_ATTRIBUTES_MAX)
		return "at most 11 attributes";
	expression = trim(equals ? slice_from(text, name.len + 1) : text);
	name = trim(name);
	a->at_return = cut_end(&expression, SLICE("at return"));
	if (!copy(a->expression, sizeof(a->expression), expression) || expression.len >= sizeof(a->name))
		return "an attribute is [NAME=]EXPRESSION, such as user.id=order->user_id";
	if (!equals)
		name_of(expression, a->name);
	else if (!is_name(name) || !copy(a->name, sizeof(a->name), name))
		return "an attribute's name has letters, digits, '_', '.' and '-'";
	spec->attributes_len++;
	return NULL;
}

static const char *parse_attributes(struct slice list, struct spec *spec)
{
	while (list.len) {
		const char *comma = memchr(list.p, ',', list.len), *why;
		size_t len = comma ? (size_t)(comma - list.p) : list.len;

		if ((why = parse_attribute(trim((struct slice){ list.p, len }), spec)))
			return why;
		list = slice_from(list, len + 1);
	}
	return NULL;
}

static bool parse_bound(struct slice text, int64_t *ret_bound)
{
	char digits[32], *end;

	if (slice_eq(text, SLICE("NULL")) || slice_eq(text, SLICE("false"))) {
		*ret_bound = 0;
		return true;
	}
	if (slice_eq(text, SLICE("true"))) {
		*ret_bound = 1;
		return true;
	}
	if (!copy(digits, sizeof(digits), text))
		return false;
	errno = 0;
	*ret_bound = strtoll(digits, &end, 0);
	return !errno && !*end;
}

static const char *parse_rule(struct slice text, struct error_rule *rule)
{
	static const char why[] =
		"a rule is 'error if return < 0 [as errno]', with any comparison, a number, "
		"NULL, true or false";
	struct slice start = SLICE("error if return");

	if (!slice_starts(text, start))
		return why;
	rule->is_errno = cut_end(&text, SLICE("as errno"));
	text = trim(slice_from(text, start.len));
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		struct slice sign = slice_of(comparisons[i].text), bound;

		if (!slice_starts(text, sign))
			continue;
		bound = trim(slice_from(text, sign.len));
		if (!parse_bound(bound, &rule->bound))
			return why;
		rule->comparison = comparisons[i].comparison;
		snprintf(rule->text, sizeof(rule->text), "return %s %.*s", comparisons[i].text,
			 (int)bound.len, bound.p);
		return NULL;
	}
	return why;
}

/* The last single ':' is between object and name; "::" belongs to a name. */
static const char *parse_name(struct slice text, struct spec *spec)
{
	size_t at = text.len;
	struct slice name = text;
	char *end;

	for (size_t i = 1; i + 1 < text.len; i++)
		if (text.p[i] == ':' && text.p[i - 1] != ':' && text.p[i + 1] != ':')
			at = i;
	if (at < text.len) {
		if (!copy(spec->object, sizeof(spec->object), trim((struct slice){ text.p, at })))
			return "before ':' is the name of a library or a source file";
		name = trim(slice_from(text, at + 1));
	}
	if (!copy(spec->name, sizeof(spec->name), name) || memchr(name.p, ' ', name.len))
		return "it starts with a function's name, a glob or an address";
	if (!slice_starts(name, SLICE("0x")))
		return NULL;
	spec->address = strtoull(spec->name, &end, 16);
	if (*end)
		return "an address is a hexadecimal number";
	spec->name[0] = '\0';
	return NULL;
}

static const char *parse(struct slice text, struct spec *spec)
{
	const char *open = memchr(text.p, '(', text.len), *close, *why;
	const char *rule = memmem(text.p, text.len, " error if ", 10);
	struct slice head = text, tail = { 0 };

	if (open && !(rule && rule < open)) {
		close = memchr(open, ')', (size_t)(text.p + text.len - open));
		if (!close)
			return "')' is missing";
		head.len = (size_t)(open - text.p);
		tail = trim(slice_from(text, (size_t)(close + 1 - text.p)));
		if ((why = parse_attributes(trim((struct slice){ open + 1, (size_t)(close - open - 1) }),
					    spec)))
			return why;
	} else if (rule) {
		head.len = (size_t)(rule - text.p);
		tail = trim(slice_from(text, head.len));
	}
	if (tail.len && (why = parse_rule(tail, &spec->rule)))
		return why;
	return parse_name(trim(head), spec);
}

int spec_parse(const char *text, struct spec *ret_spec, const char **ret_why)
{
	struct spec spec = { 0 };
	const char *why = parse(trim(slice_of(text)), &spec);

	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	*ret_spec = spec;
	return 0;
}
