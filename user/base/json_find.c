/* SPDX-License-Identifier: Apache-2.0 */
#include "json_find.h"

#include <errno.h>

#include "utf8.h"

/* An array or object that is being read. */
struct frame {
	bool object;
	bool on_path; /* the path leads through it */
	bool wanted;  /* it is what the path leads to */
	bool seen;    /* of an object on the path: its wanted member was seen */
	uint32_t len; /* elements or members that were begun */
};

struct scan {
	struct slice text;
	size_t at;
	const struct json_path *path;
	struct frame frames[JSON_DEPTH_MAX];
	size_t depth;
	bool found;
	struct json_value value;
};

static int peek(const struct scan *s)
{
	return s->at < s->text.len ? (unsigned char)s->text.p[s->at] : -1;
}

static void skip_space(struct scan *s)
{
	while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r')
		s->at++;
}

static bool take(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	s->at++;
	return true;
}

static bool take_digits(struct scan *s)
{
	size_t from = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at > from;
}

static int hex_value(char c)
{
	c = ascii_lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uXXXX; -1: they are none. */
static int32_t read_unit(struct slice digits)
{
	int32_t unit = 0;

	if (digits.len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(digits.p[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static int scan_string(struct scan *s, struct slice *ret_text)
{
	size_t from = s->at;
	int c;

	while ((c = peek(s)) != '"') {
		if (c < 0x20)
			return -EINVAL;
		s->at++;
		if (c != '\\')
			continue;
		c = peek(s);
		if (c <= 0 || !strchr("\"\\/bfnrtu", c))
			return -EINVAL;
		s->at++;
		if (c == 'u' && read_unit(slice_from(s->text, s->at)) < 0)
			return -EINVAL;
	}
	*ret_text = (struct slice){ s->text.p + from, s->at - from };
	s->at++;
	return 0;
}

static int scan_number(struct scan *s, struct slice *ret_text)
{
	size_t from = s->at;

	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return -EINVAL;
	if (take(s, '.') && !take_digits(s))
		return -EINVAL;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '-'))
			take(s, '+');
		if (!take_digits(s))
			return -EINVAL;
	}
	*ret_text = (struct slice){ s->text.p + from, s->at - from };
	return 0;
}

static int scan_word(struct scan *s, struct slice word)
{
	if (!slice_starts(slice_from(s->text, s->at), word))
		return -EINVAL;
	s->at += word.len;
	return 0;
}

/* A value, or how an array or object begins: then *ret_opens. */
static int scan_value(struct scan *s, struct json_value *ret_value, bool *ret_opens)
{
	struct json_value v = { 0 };
	int err = 0, c = peek(s);

	*ret_opens = c == '{' || c == '[';
	if (*ret_opens || c == '"')
		s->at++;
	switch (c) {
	case '{':
	case '[':
		v.type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
		break;
	case '"':
		v.type = JSON_STRING;
		err = scan_string(s, &v.text);
		break;
	case 't':
		v.type = JSON_TRUE;
		err = scan_word(s, SLICE("true"));
		break;
	case 'f':
		v.type = JSON_FALSE;
		err = scan_word(s, SLICE("false"));
		break;
	case 'n':
		v.type = JSON_NULL;
		err = scan_word(s, SLICE("null"));
		break;
	default:
		v.type = JSON_NUMBER;
		err = scan_number(s, &v.text);
	}
	*ret_value = v;
	return err;
}

static bool name_is(struct slice text, struct slice name)
{
	char buf[JSON_NAME_MAX];
	size_t len = json_unescape(text, buf, sizeof(buf));

	return len <= sizeof(buf) && slice_eq((struct slice){ buf, len }, name);
}

/* The element's number as it stands in a path: without zeros in front. */
static bool number_is(uint32_t number, struct slice name)
{
	uint64_t n = 0;

	if (!name.len || name.len > 9 || (name.len > 1 && name.p[0] == '0'))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(name.p[i] - '0');
	}
	return n == number;
}

/* Up to where the next value of the innermost array or object begins. *ret_on_path: the path leads to it. */
static int scan_name(struct scan *s, bool *ret_on_path)
{
	struct frame *f = &s->frames[s->depth - 1];
	struct slice wanted = f->on_path ? s->path->names[s->depth - 1] : SLICE(""), name;

	f->len++;
	if (!f->object) {
		*ret_on_path = f->on_path && number_is(f->len - 1, wanted);
		return 0;
	}
	skip_space(s);
	if (!take(s, '"') || scan_string(s, &name))
		return -EINVAL;
	skip_space(s);
	if (!take(s, ':'))
		return -EINVAL;
	*ret_on_path = f->on_path && name_is(name, wanted);
	if (*ret_on_path && f->seen)
		return -ENOTUNIQ;
	f->seen |= *ret_on_path;
	return 0;
}

static int push(struct scan *s, enum json_type type, bool on_path)
{
	if (s->depth == JSON_DEPTH_MAX)
		return -EOVERFLOW;
	s->frames[s->depth] = (struct frame){ .object = type == JSON_OBJECT,
					      .on_path = on_path && s->depth < s->path->len,
					      .wanted = on_path && s->depth == s->path->len };
	s->depth++;
	return 0;
}

/* Behind a value: out of all that ends here. Returns whether another value follows, or -EINVAL. */
static int leave(struct scan *s)
{
	while (s->depth) {
		struct frame *f = &s->frames[s->depth - 1];

		skip_space(s);
		if (f->len && take(s, ','))
			return true;
		if (!take(s, f->object ? '}' : ']'))
			return f->len ? -EINVAL : true;
		if (f->wanted)
			s->value.len = f->len;
		s->depth--;
	}
	skip_space(s);
	return s->at == s->text.len ? false : -EINVAL;
}

int json_find(struct slice text, const struct json_path *path, struct json_value *ret_value)
{
	struct scan s = { .text = text, .path = path };
	bool twice = false;
	int err;

	do {
		struct json_value v;
		bool on_path = true, opens;

		if (s.depth && (err = scan_name(&s, &on_path)) && err != -ENOTUNIQ)
			return err;
		/* The text may still turn out to be no JSON. */
		twice |= s.depth && err == -ENOTUNIQ;
		skip_space(&s);
		if ((err = scan_value(&s, &v, &opens)))
			return err;
		if (on_path && s.depth == path->len) {
			s.value = v;
			s.found = true;
		}
		if (opens && (err = push(&s, v.type, on_path)))
			return err;
	} while ((err = leave(&s)) > 0);
	if (err)
		return err;
	if (twice)
		return -ENOTUNIQ;
	if (!s.found)
		return -ENOENT;
	*ret_value = s.value;
	return 0;
}

/* One character behind a backslash, moving *at behind it. */
static uint32_t unescape_one(struct slice text, size_t *at)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	char c = text.p[(*at)++];
	const char *name = strchr(names, c);
	int32_t high, low;

	if (c != 'u')
		return (unsigned char)(name ? values[name - names] : c);
	high = read_unit(slice_from(text, *at));
	*at += 4;
	if (high < 0xd800 || high > 0xdfff)
		return (uint32_t)high;
	if (high > 0xdbff || !slice_starts(slice_from(text, *at), SLICE("\\u")))
		return 0xfffd;
	low = read_unit(slice_from(text, *at + 2));
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*at += 6;
	return 0x10000 + (uint32_t)((high - 0xd800) << 10 | (low - 0xdc00));
}

/* Table 3-6 of the Unicode standard. */
static size_t encode(uint32_t c, char buf[4])
{
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len; i-- > 1; c >>= 6)
		buf[i] = (char)(0x80 | (c & 0x3f));
	buf[0] = (char)(lead[len] | c);
	return len;
}

size_t json_unescape(struct slice text, char *buf, size_t size)
{
	size_t written = 0, len = 0, at = 0;

	while (at < text.len) {
		struct slice part = { text.p + at, 1 };
		char encoded[4];

		if (part.p[0] == '\\') {
			at++;
			part = (struct slice){ encoded, 0 };
			part.len = encode(unescape_one(text, &at), encoded);
		} else {
			size_t whole = utf8_len(part.p, text.len - at);

			part.len = whole ? whole : 1;
			at += part.len;
		}
		if (written == len && part.len <= size - written) {
			memcpy(buf + written, part.p, part.len);
			written += part.len;
		}
		len += part.len;
	}
	return len;
}
