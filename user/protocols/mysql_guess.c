/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are of this protocol. */
#include "mysql.h"

#define GREETING_MAX 512
#define GUESSED_MAX  8000 /* payload bytes of a packet that tells the protocol */

enum guess mysql_greeting(struct slice s)
{
	struct packet p;
	struct slice version, fixed;
	size_t at = 1;

	if (!read_packet(s, &p))
		return GUESS_MORE;
	if (p.seq != 0 || p.len > GREETING_MAX || (p.head.len > 0 && !is_type(&p, 10)))
		return GUESS_NO;
	if (p.head.len == 0)
		return p.len > 0 ? GUESS_MORE : GUESS_NO;
	while (at < p.head.len && p.head.p[at] > ' ' && p.head.p[at] < 0x7f)
		at++;
	if (at == p.head.len)
		return p.head.len < p.len ? GUESS_MORE : GUESS_NO;
	if (at == 1 || p.head.p[at] != 0)
		return GUESS_NO;
	p.head = slice_from(p.head, 1);
	if (!take_terminated(&p.head, &version) || p.len < version.len + 44)
		return GUESS_NO;
	/* Connection, first part of the challenge, filler, capabilities, character set, status, ... */
	if (!take(&p.head, 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 6, &fixed))
		return GUESS_MORE;
	if (fixed.p[12] != 0 || !(int_at(fixed, 13, 2) & CLIENT_PROTOCOL_41))
		return GUESS_NO;
	for (size_t i = 21; i < fixed.len; i++)
		if (fixed.p[i] != 0)
			return GUESS_NO;
	return GUESS_YES;
}

/* The error of a server that greets nobody: "Too many connections". */
static enum guess refusal(const struct packet *p)
{
	if (p->seq != 0 || !is_type(p, 0xff) || p->len < ERR_LEN || p->len > 512)
		return GUESS_NO;
	if (!is_there(p, p->len))
		return GUESS_MORE;
	if (int_at(p->head, 1, 2) < 1000 || int_at(p->head, 1, 2) > 4999)
		return GUESS_NO;
	for (size_t i = 3; i < p->len; i++)
		if (byte_at(p->head, i) < ' ' || byte_at(p->head, i) > 0x7e)
			return GUESS_NO;
	return GUESS_YES;
}

/* What statements start with. */
static const struct slice keywords[] = {
	SLICE("select"), SLICE("insert"),    SLICE("update"),  SLICE("delete"),  SLICE("replace"),
	SLICE("with"),   SLICE("set"),       SLICE("show"),    SLICE("begin"),   SLICE("start"),
	SLICE("commit"), SLICE("rollback"),  SLICE("call"),    SLICE("create"),  SLICE("drop"),
	SLICE("alter"),  SLICE("truncate"),  SLICE("use"),     SLICE("explain"), SLICE("describe"),
	SLICE("load"),   SLICE("lock"),      SLICE("unlock"),  SLICE("analyze"), SLICE("optimize"),
	SLICE("grant"),  SLICE("savepoint"), SLICE("release"), SLICE("prepare"), SLICE("execute"),
	SLICE("flush"),  SLICE("do"),        SLICE("kill"),    SLICE("values"),  SLICE("deallocate"),
};

static bool is_sql(struct slice text)
{
	const struct slice no_attributes = { "\0\1", 2 };

	if (slice_starts(text, no_attributes))
		text = slice_from(text, no_attributes.len);
	if (text.len == 0 || memchr(text.p, 0, text.len))
		return false;
	text = skip_spaces(text);
	if (slice_starts(text, SLICE("/*")))
		return true;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (is_keyword(text, keywords[i]))
			return true;
	return false;
}

/* COM_STMT_EXECUTE: a statement's number, flags, and the number of iterations, which is 1. */
static bool is_execute(struct slice s)
{
	return s.len >= 10 && byte_at(s, 0) == 0x17 && byte_at(s, 4) == 0 && byte_at(s, 5) < 0x10 &&
	       int_at(s, 6, 4) == 1;
}

bool mysql_is_statement(struct slice s)
{
	struct packet p;

	return read_packet(s, &p) && p.seq == 0 &&
	       (is_execute(p.head) ||
		((is_type(&p, 0x03) || is_type(&p, 0x16)) && is_sql(slice_from(p.head, 1))));
}

static enum guess statement(struct slice s, const struct packet *p)
{
	if (p->seq != 0 || (p->head.len > 0 && !is_type(p, 0x03) && !is_type(p, 0x16) && !is_type(p, 0x17)))
		return GUESS_NO;
	if (!is_there(p, p->len))
		return GUESS_MORE;
	return mysql_is_statement(s) ? GUESS_YES : GUESS_NO;
}

/* The packet behind one of len payload bytes that starts a response: a column definition, or an EOF packet?
 */
static enum guess second(struct slice s, uint32_t len, bool definition)
{
	struct packet p;

	if (!read_packet(slice_from(s, HEADER_LEN + len), &p) || !is_there(&p, EOF_LEN))
		return GUESS_MORE;
	return p.seq == 2 && (definition ? slice_starts(p.head, SLICE("\3def")) : is_eof(&p)) ? GUESS_YES
											      : GUESS_NO;
}

/*
 * An error with its SQLSTATE; a plain OK; a number of columns, or a prepared statement, and the definition
 * that has to follow.
 */
static enum guess result(struct slice s, const struct packet *p)
{
	uint32_t columns;

	if (p->seq != 1 || p->len > 512)
		return GUESS_NO;
	if (!is_there(p, 12))
		return GUESS_MORE;
	if (is_type(p, 0xff))
		return p->len > ERR_LEN && p->head.p[3] == '#' ? GUESS_YES : GUESS_NO;
	if (p->len <= 2)
		return read_columns(p, &columns) ? second(s, p->len, columns > 0) : GUESS_NO;
	if (!is_type(p, 0x00))
		return GUESS_NO;
	if (p->len == 7)
		return byte_at(p->head, 1) < 0xfb && byte_at(p->head, 2) == 0 && int_at(p->head, 3, 2) & 3 &&
				       int_at(p->head, 5, 2) == 0
			       ? GUESS_YES
			       : GUESS_NO;
	return p->len == 12 && int_at(p->head, 9, 3) == 0 ? second(s, p->len, true) : GUESS_NO;
}

enum guess mysql_guess(struct slice head, enum flow *ret_flow)
{
	enum guess asks, answers, greets;
	struct packet p;

	if (head.len >= 3 && (int_at(head, 0, 3) == 0 || int_at(head, 0, 3) > GUESSED_MAX))
		return GUESS_NO;
	if (!read_packet(head, &p))
		return GUESS_MORE;
	greets = mysql_greeting(head);
	asks = statement(head, &p);
	answers = result(head, &p);
	if (greets == GUESS_NO)
		greets = refusal(&p);
	if (asks == GUESS_YES || answers == GUESS_YES || greets == GUESS_YES) {
		*ret_flow = asks == GUESS_YES ? FLOW_REQUEST : FLOW_RESPONSE;
		return GUESS_YES;
	}
	return asks == GUESS_MORE || answers == GUESS_MORE || greets == GUESS_MORE ? GUESS_MORE : GUESS_NO;
}
