/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB. */
#include <assert.h>
#include <errno.h>

#include "base/decimal.h"
#include "mysql.h"
#include "statement.h"

#define CHAIN_MAX 16 /* packets that are looked at to tell whether bytes start with one */

static_assert(sizeof(struct mysql) <= PARSER_STATE_MAX, "a connection has no room for the state");

static ssize_t mysql_parse(void *state, enum flow flow, const struct parser_input *in,
			   struct message *ret_message)
{
	ssize_t n;

	if (in->bytes.len == 0)
		return 0;
	*ret_message = (struct message){ 0 };
	n = flow == FLOW_REQUEST ? mysql_parse_request(state, in, ret_message)
				 : mysql_parse_response(state, in, ret_message);
	return n == 0 && in->cut ? -EPROTO : n;
}

/* Commands up to the end of bytes. One alone that goes on behind it has to look like a statement. */
static bool starts_request(struct mysql *my, struct slice bytes)
{
	uint64_t at = 0;

	/* Servers read a header by itself. */
	if (bytes.len == HEADER_LEN)
		return !my->compressed && int_at(bytes, 0, 3) > 0 && int_at(bytes, 2, 2) == 0;
	for (unsigned i = 0; i < CHAIN_MAX && at < bytes.len; i++) {
		struct parser_input in = { .bytes = slice_from(bytes, at) };
		struct message m = { 0 };
		ssize_t n = byte_at(bytes, 3) == 0 ? mysql_parse_request(my, &in, &m) : -EPROTO;

		if (n < 0)
			return false;
		if (n == 0)
			break;
		at += (uint64_t)n + m.skip;
	}
	return at == bytes.len || mysql_is_statement(bytes);
}

/* The first packet of a response, and those that have to follow it. */
static bool starts_response(struct mysql *my, struct slice bytes)
{
	struct message m = { 0 };
	uint64_t at = 0;

	if (byte_at(bytes, 3) != 1)
		return false;
	for (unsigned i = 0; i < CHAIN_MAX && at < bytes.len && !(m.flags & MESSAGE_END); i++) {
		struct parser_input in = { .bytes = slice_from(bytes, at) };
		ssize_t n;

		m = (struct message){ 0 };
		n = mysql_parse_response(my, &in, &m);
		if (n < 0 || (n == 0 && at == 0))
			return false;
		if (n == 0)
			break;
		at += (uint64_t)n + m.skip;
	}
	return true;
}

/* Events start with packets, where it matters. */
static ssize_t mysql_resync(void *state, enum flow flow, struct slice bytes)
{
	struct mysql fresh = *(struct mysql *)state, trial;

	if (flow == FLOW_REQUEST)
		fresh.continued = fresh.prepared_last = false;
	else
		memset(&fresh.response, 0, sizeof(fresh.response));
	trial = fresh;
	if (bytes.len < HEADER_LEN ||
	    !(flow == FLOW_REQUEST ? starts_request(&trial, bytes) : starts_response(&trial, bytes)))
		return -ENOENT;
	*(struct mysql *)state = fresh;
	return 0;
}

/* Is this the last packet of a result, or an error? */
static bool is_end(struct mysql *my, const struct packet *p, struct message *m)
{
	uint64_t affected, status;

	if (is_type(p, 0xff) && p->len >= ERR_LEN && p->head.p[3] == '#') {
		m->flags = MESSAGE_ERROR;
		m->code = mysql_code(my, int_at(p->head, 1, 2));
		return true;
	}
	return is_type(p, 0xfe) && read_ok(p->head, &affected, &status) &&
	       !(status & SERVER_MORE_RESULTS_EXISTS);
}

static bool mysql_ends(void *state, enum flow flow, struct slice tail, struct message *ret_message)
{
	for (; flow == FLOW_RESPONSE && tail.len > HEADER_LEN; tail = slice_from(tail, 1)) {
		struct packet p;

		if (read_packet(tail, &p) && p.len == tail.len - HEADER_LEN && is_end(state, &p, ret_message))
			return true;
	}
	return false;
}

const struct parser mysql_parser = {
	.name = "mysql",
	.db_system = "mysql",
	.whole = true,
	.state_size = sizeof(struct mysql),
	.guess = mysql_guess,
	.parse = mysql_parse,
	.resync = mysql_resync,
	.ends = mysql_ends,
	.describe = sql_describe_mysql,
};
