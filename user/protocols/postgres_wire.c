/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL manual, chapter 55.7: message formats. */
#include "postgres_wire.h"

/* This much of a statement tells a request whose end is not there yet, if it is a long one. */
#define TEXT_MIN  64
#define LONG_TEXT 256
/* Messages in a row that are as good as all. */
#define CHAIN_MAX          16
#define AUTHENTICATION_MAX 12 /* SASLFinal */

static const char *const requests[128] = {
	['B'] = "zz2h2v2h", ['C'] = "kz",   ['D'] = "kz", ['E'] = "z4", ['F'] = "42h2v2",
	['H'] = "",         ['P'] = "zz2w", ['Q'] = "z",  ['S'] = "",   ['X'] = "",
	['c'] = "",         ['d'] = "*",    ['f'] = "z",  ['p'] = "*",
};

static const char *const responses[128] = {
	['1'] = "",   ['2'] = "",    ['3'] = "",    ['A'] = "4zz", ['C'] = "t",   ['D'] = "2v",
	['E'] = "f",  ['G'] = "12h", ['H'] = "12h", ['I'] = "",    ['K'] = "44*", ['N'] = "f",
	['R'] = "a*", ['S'] = "zz",  ['T'] = "2c",  ['V'] = "n",   ['W'] = "12h", ['Z'] = "s",
	['c'] = "",   ['d'] = "*",   ['n'] = "",    ['s'] = "",    ['t'] = "2w",  ['v'] = "44*",
};

const char *postgres_form(enum flow flow, struct slice s, size_t max, size_t *ret_body_len)
{
	unsigned char type = (unsigned char)s.p[0];
	const char *form = (flow == FLOW_REQUEST ? requests : responses)[type & 127];
	uint32_t len = be32(s.p + 1);

	if (type > 127 || !form || len < 4 || len > max || (!form[0] && len != 4))
		return NULL;
	*ret_body_len = len - 4;
	return form;
}

/* What is left of a body whose form is compared. */
struct walk {
	struct slice rest; /* bytes that are there */
	size_t left;       /* bytes that belong to it */
	size_t count;      /* the last integer of 2 bytes */
};

static enum guess walk_bytes(struct walk *walk, size_t n)
{
	if (n > walk->left)
		return GUESS_NO;
	if (n > walk->rest.len)
		return GUESS_MORE;
	walk->rest = slice_from(walk->rest, n);
	walk->left -= n;
	return GUESS_YES;
}

/* Text: no controls but those that format it. */
static enum guess walk_string(struct walk *walk)
{
	for (size_t i = 0; i < walk->rest.len; i++) {
		unsigned char c = (unsigned char)walk->rest.p[i];

		if (c == '\0')
			return walk_bytes(walk, i + 1);
		if (c < ' ' && (c < '\t' || c > '\r'))
			return GUESS_NO;
	}
	return walk->rest.len < walk->left ? GUESS_MORE : GUESS_NO;
}

/* A command tag: capital letters, and maybe numbers behind them. */
static enum guess walk_tag(struct walk *walk)
{
	struct slice tag, rest = walk->rest;
	size_t at = 0;

	if (!take_string(&rest, &tag))
		return walk->left > POSTGRES_TAG_MAX ? GUESS_NO : walk_string(walk);
	while (at < tag.len && ((tag.p[at] >= 'A' && tag.p[at] <= 'Z') || (tag.p[at] == ' ' && at > 0)))
		at++;
	if (at < 2 || (at < tag.len && tag.p[at - 1] != ' '))
		return GUESS_NO;
	while (at < tag.len && ((tag.p[at] >= '0' && tag.p[at] <= '9') || tag.p[at] == ' '))
		at++;
	return at == tag.len ? walk_bytes(walk, at + 1) : GUESS_NO;
}

static enum guess walk_one_of(struct walk *walk, const char *letters)
{
	if (walk->rest.len > 0 && (!walk->rest.p[0] || !strchr(letters, walk->rest.p[0])))
		return GUESS_NO;
	return walk_bytes(walk, 1);
}

static enum guess walk_count(struct walk *walk)
{
	if (walk->rest.len >= 2)
		walk->count = be16(walk->rest.p);
	return walk_bytes(walk, 2);
}

/* -1 is the length of NULL. */
static enum guess walk_value(struct walk *walk)
{
	uint32_t len = walk->rest.len >= 4 ? be32(walk->rest.p) : 0;
	enum guess guess = walk_bytes(walk, 4);

	return guess == GUESS_YES && len != UINT32_MAX ? walk_bytes(walk, len) : guess;
}

static enum guess walk_column(struct walk *walk)
{
	enum guess guess = walk_string(walk);

	return guess == GUESS_YES ? walk_bytes(walk, 18) : guess;
}

static enum guess walk_repeated(struct walk *walk, enum guess (*one)(struct walk *walk))
{
	enum guess guess = GUESS_YES;

	for (size_t i = 0; i < walk->count && guess == GUESS_YES; i++)
		guess = one(walk);
	return guess;
}

static enum guess walk_fields(struct walk *walk)
{
	enum guess guess = GUESS_YES;

	while (guess == GUESS_YES && walk->rest.len > 0 && walk->rest.p[0] != '\0')
		guess = walk_string(walk);
	return guess == GUESS_YES ? walk_bytes(walk, 1) : guess;
}

/* The kind of an authentication request. */
static enum guess walk_authentication(struct walk *walk)
{
	if (walk->rest.len >= 4 && be32(walk->rest.p) > AUTHENTICATION_MAX)
		return GUESS_NO;
	return walk_bytes(walk, 4);
}

static enum guess walk_item(struct walk *walk, char item)
{
	switch (item) {
	case '1':
		return walk_bytes(walk, 1);
	case '2':
		return walk_count(walk);
	case '4':
		return walk_bytes(walk, 4);
	case 'h':
		return walk_bytes(walk, 2 * walk->count);
	case 'w':
		return walk_bytes(walk, 4 * walk->count);
	case 'v':
		return walk_repeated(walk, walk_value);
	case 'a':
		return walk_authentication(walk);
	case 'c':
		return walk_repeated(walk, walk_column);
	case 'f':
		return walk_fields(walk);
	case 'k':
		return walk_one_of(walk, "SP");
	case 'n':
		return walk_value(walk);
	case 's':
		return walk_one_of(walk, "ITE");
	case 't':
		return walk_tag(walk);
	case 'z':
		return walk_string(walk);
	default:
		return walk_bytes(walk, walk->left);
	}
}

/* Has the body this form? GUESS_MORE: as far as it is there. */
static enum guess has_form(const char *form, struct slice bytes, size_t len)
{
	struct walk walk = { at_most(bytes, len), len, 0 };
	enum guess guess = GUESS_YES;

	for (; *form && guess == GUESS_YES; form++)
		guess = walk_item(&walk, *form);
	return guess == GUESS_YES && walk.left > 0 ? GUESS_NO : guess;
}

/*
 * Does the message that s starts with tell the protocol, as far as it is there? whole: all that is there of a
 * long text has to be right, not only its start.
 */
static enum guess tells(enum flow flow, struct slice s, bool first, bool whole, size_t *ret_len)
{
	const char *form = postgres_form(flow, s, POSTGRES_GUESS_MAX, ret_len);
	struct slice body = slice_from(s, POSTGRES_HEADER_LEN);
	bool long_text = flow == FLOW_REQUEST && (s.p[0] == 'Q' || s.p[0] == 'P') && *ret_len >= LONG_TEXT &&
			 body.len >= TEXT_MIN;
	enum guess guess;

	if (!form)
		return GUESS_NO;
	guess = has_form(form, long_text && !whole ? at_most(body, TEXT_MIN) : body, *ret_len);
	if (long_text && guess == GUESS_MORE)
		return GUESS_YES;
	/* A header alone tells little, and so does what may be any bytes. */
	return guess == GUESS_YES && ((!form[0] && first) || strchr(form, '*')) ? GUESS_MORE : guess;
}

enum guess postgres_chain(enum flow flow, struct slice s, bool whole)
{
	enum guess chain = GUESS_MORE;
	int n = 0;

	for (; n < CHAIN_MAX && s.len >= POSTGRES_HEADER_LEN && (whole || chain == GUESS_MORE); n++) {
		size_t len = 0;
		enum guess guess = tells(flow, s, n == 0, whole, &len);

		if (guess == GUESS_NO)
			return GUESS_NO;
		if (guess == GUESS_YES)
			chain = GUESS_YES;
		s = slice_from(s, POSTGRES_HEADER_LEN + len);
	}
	/* A length's first byte is zero up to POSTGRES_GUESS_MAX. */
	if (n < CHAIN_MAX && (whole || chain == GUESS_MORE) && s.len > 0 && s.len < POSTGRES_HEADER_LEN &&
	    (!(flow == FLOW_REQUEST ? requests : responses)[s.p[0] & 127] || (s.len > 1 && s.p[1])))
		return GUESS_NO;
	return chain;
}

static enum guess guess_startup(struct slice s)
{
	uint32_t len = s.len >= 4 ? be32(s.p) : 8, version;

	if (len < 8 || len > POSTGRES_STARTUP_MAX || (s.len > 1 && s.p[1] != '\0'))
		return GUESS_NO;
	if (s.len < 8)
		return GUESS_MORE;
	version = be32(s.p + 4);
	if (version == STARTUP_SSL || version == STARTUP_GSSENC) {
		if (len != 8)
			return GUESS_NO;
	} else if (version != STARTUP_CANCEL) {
		/* The first parameter's name. */
		if (version >> 16 != STARTUP_MAJOR || len < 10 ||
		    (s.len > 8 && s.p[8] != '_' && (ascii_lower(s.p[8]) < 'a' || ascii_lower(s.p[8]) > 'z')))
			return GUESS_NO;
		if (s.len >= len && (s.p[len - 1] || s.p[len - 2]))
			return GUESS_NO;
	}
	return s.len >= len ? GUESS_YES : GUESS_MORE;
}

enum guess postgres_guess(struct slice head, enum flow *ret_flow)
{
	enum guess request, response;

	if (head.len == 0)
		return GUESS_MORE;
	*ret_flow = FLOW_REQUEST;
	if (head.p[0] == '\0')
		return guess_startup(head);
	request = postgres_chain(FLOW_REQUEST, head, false);
	response = postgres_chain(FLOW_RESPONSE, head, false);
	if (request == GUESS_NO) {
		*ret_flow = FLOW_RESPONSE;
		return response;
	}
	return response == GUESS_NO ? request : GUESS_MORE;
}
