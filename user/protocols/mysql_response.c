/* SPDX-License-Identifier: Apache-2.0 */
/* What servers send: results, and what goes before them. */
#include <errno.h>

#include "base/decimal.h"
#include "mysql.h"

struct slice mysql_code(struct mysql *my, uint64_t code)
{
	return (struct slice){ my->code, (size_t)(put_decimal(my->code, code) - my->code) };
}

static bool tells_rows(uint8_t hint)
{
	return hint == HINT_STATEMENT || hint == HINT_SCHEMA || hint == HINT_FETCH;
}

static bool is_quiet(uint8_t hint)
{
	return hint == HINT_QUIET || hint == HINT_PREPARE || hint == HINT_LOGIN;
}

/* A result is complete. */
static void end_result(struct mysql *my, uint64_t status, struct message *m)
{
	uint8_t hint = my->response.hint;

	my->response.phase = status & SERVER_MORE_RESULTS_EXISTS ? PHASE_RESULT : PHASE_START;
	if (my->response.phase == PHASE_RESULT)
		return;
	m->flags |= MESSAGE_END;
	if (tells_rows(hint)) {
		m->flags |= MESSAGE_ROWS;
		m->rows = my->response.rows;
	}
	if (hint == HINT_SCHEMA)
		m->namespace = (struct slice){ my->schema, my->schema_len };
	if (hint == HINT_LOGIN) {
		my->authenticating = false;
		if (my->compressed)
			m->flags |= MESSAGE_OPAQUE;
	}
}

/* An ERR packet. *m stays empty when it only reports progress (MariaDB). */
static ssize_t parse_error(struct mysql *my, const struct packet *p, struct message *m)
{
	uint64_t code;

	if (p->len < 3)
		return -EPROTO;
	if (!is_there(p, ERR_LEN))
		return 0;
	code = int_at(p->head, 1, 2);
	if (code == 0xffff)
		return consume(p, 0, m);
	my->response.phase = PHASE_START;
	my->authenticating = false;
	m->flags |= MESSAGE_END | MESSAGE_ERROR;
	m->code = mysql_code(my, code);
	return consume(p, ERR_LEN, m);
}

static ssize_t parse_ok(struct mysql *my, const struct packet *p, struct message *m)
{
	uint64_t affected, status;
	ssize_t n;

	if (!is_there(p, OK_LEN))
		return 0;
	if (!read_ok(p->head, &affected, &status))
		return -EPROTO;
	my->response.rows += affected;
	n = consume(p, OK_LEN, m);
	end_result(my, status, m);
	if (m->flags & MESSAGE_OPAQUE)
		m->skip = 0;
	return n;
}

/* A result of any kind. */
static ssize_t parse_result(struct mysql *my, const struct packet *p, struct message *m)
{
	if (is_type(p, 0xff))
		return parse_error(my, p, m);
	if (is_type(p, 0x00) || is_type(p, 0xfe))
		return parse_ok(my, p, m);
	if (is_type(p, 0xfb)) { /* LOCAL INFILE */
		my->response.phase = PHASE_RESULT;
		my->response.any_seq = true;
		return consume(p, 0, m);
	}
	if (!is_there(p, OK_LEN))
		return 0;
	if (!read_columns(p, &my->response.columns))
		return -EPROTO;
	my->response.phase = my->response.columns ? PHASE_COLUMNS : PHASE_ROWS;
	my->response.may_separate = true;
	return consume(p, OK_LEN, m);
}

static ssize_t parse_row(struct mysql *my, const struct packet *p, struct message *m)
{
	uint64_t affected, status;

	if (is_type(p, 0xff))
		return parse_error(my, p, m);
	if (!is_type(p, 0xfe) || p->len == PACKET_MAX) {
		my->response.phase = PHASE_ROWS;
		my->response.may_separate = false;
		my->response.rows++;
		return consume(p, 0, m);
	}
	if (!is_there(p, OK_LEN))
		return 0;
	if (!read_ok(p->head, &affected, &status))
		return -EPROTO;
	if (is_eof(p) && my->response.may_separate && !(status & SERVER_STATUS_CURSOR_EXISTS))
		my->response.may_separate = false;
	else
		end_result(my, status, m);
	return consume(p, OK_LEN, m);
}

/* The definitions of one list are complete. */
static void end_columns(struct mysql *my, struct message *m)
{
	if (my->response.hint != HINT_PREPARE) {
		my->response.phase = PHASE_ROWS;
	} else if (my->response.columns_next > 0) {
		my->response.columns = my->response.columns_next;
		my->response.columns_next = 0;
	} else {
		my->response.phase = PHASE_START;
		my->response.may_trail = true;
		m->flags |= MESSAGE_END;
	}
}

static ssize_t parse_column(struct mysql *my, const struct packet *p, struct message *m)
{
	struct slice catalog = SLICE("\3def");

	if (is_type(p, 0xff))
		return parse_error(my, p, m);
	if (my->response.hint == HINT_PREPARE && is_eof(p))
		return consume(p, 0, m);
	if (!is_there(p, catalog.len))
		return 0;
	if (!slice_starts(p->head, catalog))
		return -EPROTO;
	if (--my->response.columns == 0)
		end_columns(my, m);
	return consume(p, 0, m);
}

/* COM_STMT_PREPARE_OK */
static ssize_t parse_prepared(struct mysql *my, const struct packet *p, struct message *m)
{
	uint32_t columns, parameters;

	if (!is_there(p, 13))
		return 0;
	m->prepares = 1ULL << 32 | int_at(p->head, 1, 4);
	columns = (uint32_t)int_at(p->head, 5, 2);
	parameters = (uint32_t)int_at(p->head, 7, 2);
	/* MySQL 8 may add that no definitions follow. */
	if (p->len == 13 && byte_at(p->head, 12) == 0)
		columns = parameters = 0;
	my->response.phase = PHASE_COLUMNS;
	my->response.columns = parameters ? parameters : columns;
	my->response.columns_next = parameters ? (uint16_t)columns : 0;
	if (my->response.columns == 0)
		end_columns(my, m);
	return consume(p, 13, m);
}

/* MariaDB says so in its version, whatever comes before and after: "5.5.5-10.11.6-MariaDB-0+deb12u1". */
static bool is_mariadb(struct slice greeting)
{
	static const char name[] = "MariaDB";
	struct slice version, rest = slice_from(greeting, HEADER_LEN + 1);

	return take_terminated(&rest, &version) && memmem(version.p, version.len, name, sizeof(name) - 1);
}

/* What the server says unasked: its greeting, or an error before it closes the connection. */
static ssize_t parse_unasked(struct mysql *my, struct slice s, const struct packet *p, struct message *m)
{
	enum guess guess;

	if (is_type(p, 0xff))
		return p->len < 3 ? -EPROTO : consume(p, 0, m);
	guess = mysql_greeting(s);
	if (guess != GUESS_YES)
		return guess == GUESS_MORE ? 0 : -EPROTO;
	my->greeted = true;
	m->db_system = is_mariadb(s) ? "mariadb" : NULL;
	return consume(p, 0, m);
}

/* A packet of a login that goes on: AuthSwitchRequest, AuthMoreData, AuthNextFactor. */
static bool is_login_round(const struct packet *p)
{
	return is_type(p, 0xfe) || ((is_type(p, 0x01) || is_type(p, 0x02)) && p->len > 1);
}

static ssize_t parse_start(struct mysql *my, const struct packet *p, uint8_t hint, struct message *m)
{
	ssize_t n;

	if (my->response.may_trail && is_eof(p) && p->seq == my->response.seq)
		return consume(p, 0, m);
	if (hint == HINT_LOGIN && is_login_round(p))
		return consume(p, 0, m);
	my->response.hint = hint;
	my->response.rows = 0;
	my->response.may_separate = my->response.may_trail = false;
	if ((hint == HINT_FETCH || hint == HINT_FIELDS) && !is_type(p, 0xff)) {
		n = parse_row(my, p, m);
	} else if (hint == HINT_WORDS && !is_type(p, 0xff)) {
		m->flags |= MESSAGE_END;
		n = consume(p, 0, m);
	} else if (hint == HINT_PREPARE && is_type(p, 0x00) && p->len >= 12) {
		n = parse_prepared(my, p, m);
	} else {
		n = parse_result(my, p, m);
	}
	if (n <= 0 || (is_type(p, 0xff) && !m->flags))
		return n;
	m->flags |= MESSAGE_BEGIN | (is_quiet(hint) ? MESSAGE_QUIET : 0);
	return n;
}

ssize_t mysql_parse_response(struct mysql *my, const struct parser_input *in, struct message *m)
{
	ssize_t (*const steps[])(struct mysql *, const struct packet *, struct message *) = {
		[PHASE_RESULT] = parse_result,
		[PHASE_COLUMNS] = parse_column,
		[PHASE_ROWS] = parse_row,
	};
	uint8_t phase = my->response.phase;
	struct packet p;
	ssize_t n;

	if (!read_packet(in->bytes, &p) || (!my->response.continued && !is_there(&p, 1)))
		return 0;
	if ((phase != PHASE_START || my->response.continued) && !my->response.any_seq &&
	    p.seq != my->response.seq)
		return -EPROTO;
	if (my->response.continued)
		n = consume(&p, 0, m);
	else if (p.len == 0)
		return -EPROTO;
	else if (phase != PHASE_START)
		n = steps[phase](my, &p, m);
	else if (p.seq == 0)
		return parse_unasked(my, in->bytes, &p, m);
	else
		n = parse_start(my, &p, in->hint, m);
	if (n <= 0)
		return n;
	my->response.continued = p.len == PACKET_MAX;
	my->response.seq = (uint8_t)(p.seq + 1);
	if (phase == PHASE_RESULT && !is_type(&p, 0xfb))
		my->response.any_seq = false;
	return n;
}
