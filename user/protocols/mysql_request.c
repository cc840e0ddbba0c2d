/* SPDX-License-Identifier: Apache-2.0 */
/* What clients send: their login, and commands. */
#include <errno.h>

#include "base/decimal.h"
#include "mysql.h"

#define TEXT_MAX 4096 /* bytes of a statement, or of a login, that are looked at */

enum capability {
	CLIENT_CONNECT_WITH_DB = 1 << 3,
	CLIENT_COMPRESS = 1 << 5,
	CLIENT_SSL = 1 << 11,
	CLIENT_SECURE_CONNECTION = 1 << 15,
	CLIENT_PLUGIN_AUTH_LENENC = 1 << 21,
	CLIENT_ZSTD_COMPRESSION = 1 << 26,
};

enum body {
	BODY_NONE,
	BODY_QUERY,
	BODY_TEXT,
	BODY_STATEMENT, /* starts with the number of a prepared statement */
	BODY_SCHEMA,
	BODY_LOGIN,
};

static const struct command {
	struct slice name; /* empty: nothing is told of it */
	uint32_t min_len;  /* of the payload, the command itself included */
	uint32_t max_len;
	uint8_t body; /* enum body */
	uint8_t hint; /* enum hint; 0: the server does not answer */
	unsigned flags;
} commands[256] = {
	/* QUIT, SEND_LONG_DATA, CLOSE */
	[0x01] = { .min_len = 1, .max_len = 1 },
	[0x18] = { .min_len = 7, .max_len = UINT32_MAX },
	[0x19] = { .min_len = 5, .max_len = 5 },

	[0x02] = { SLICE("USE"), 1, 1024, BODY_SCHEMA, HINT_SCHEMA, 0 },
	[0x03] = { SLICE("QUERY"), 2, UINT32_MAX, BODY_QUERY, HINT_STATEMENT, 0 },
	[0x04] = { SLICE("FIELD LIST"), 2, 2048, BODY_NONE, HINT_FIELDS, 0 },
	[0x05] = { SLICE("CREATE DATABASE"), 2, 1024, BODY_NONE, HINT_OTHER, 0 },
	[0x06] = { SLICE("DROP DATABASE"), 2, 1024, BODY_NONE, HINT_OTHER, 0 },
	[0x07] = { SLICE("FLUSH"), 2, 2, BODY_NONE, HINT_OTHER, 0 },
	[0x08] = { SLICE("SHUTDOWN"), 1, 2, BODY_NONE, HINT_OTHER, 0 },
	[0x09] = { SLICE("STATISTICS"), 1, 1, BODY_NONE, HINT_WORDS, 0 },
	[0x0a] = { SLICE("PROCESSLIST"), 1, 1, BODY_NONE, HINT_OTHER, 0 },
	[0x0c] = { SLICE("KILL"), 5, 5, BODY_NONE, HINT_OTHER, 0 },
	[0x0d] = { SLICE("DEBUG"), 1, 1, BODY_NONE, HINT_OTHER, 0 },
	[0x0e] = { SLICE("PING"), 1, 1, BODY_NONE, HINT_OTHER, 0 },
	[0x11] = { SLICE("CHANGE USER"), 3, UINT32_MAX, BODY_LOGIN, HINT_LOGIN, MESSAGE_QUIET },
	/* Replication: events without end */
	[0x12] = { SLICE("BINLOG DUMP"), 11, 1024, BODY_NONE, HINT_OTHER,
		   MESSAGE_QUIET | MESSAGE_ONEWAY | MESSAGE_OPAQUE },
	[0x1e] = { SLICE("BINLOG DUMP"), 11, UINT32_MAX, BODY_NONE, HINT_OTHER,
		   MESSAGE_QUIET | MESSAGE_ONEWAY | MESSAGE_OPAQUE },
	[0x15] = { SLICE("REGISTER REPLICA"), 18, 1024, BODY_NONE, HINT_QUIET, MESSAGE_QUIET },
	[0x16] = { SLICE("PREPARE"), 2, UINT32_MAX, BODY_TEXT, HINT_PREPARE, MESSAGE_QUIET },
	[0x17] = { SLICE("EXECUTE"), 10, UINT32_MAX, BODY_STATEMENT, HINT_STATEMENT, 0 },
	[0x1a] = { SLICE("RESET STATEMENT"), 5, 5, BODY_NONE, HINT_QUIET, MESSAGE_QUIET },
	[0x1b] = { SLICE("SET OPTION"), 3, 3, BODY_NONE, HINT_QUIET, MESSAGE_QUIET },
	[0x1c] = { SLICE("FETCH"), 9, 9, BODY_NONE, HINT_FETCH, 0 },
	[0x1f] = { SLICE("RESET CONNECTION"), 1, 1, BODY_NONE, HINT_QUIET, MESSAGE_QUIET },
	/* MariaDB: STMT_BULK_EXECUTE */
	[0xfa] = { SLICE("EXECUTE"), 7, UINT32_MAX, BODY_STATEMENT, HINT_STATEMENT, 0 },
};

static void keep_schema(struct mysql *my, struct slice name)
{
	my->schema_len = (uint8_t)(name.len < sizeof(my->schema) ? name.len : sizeof(my->schema));
	slice_put(my->schema, (struct slice){ name.p, my->schema_len });
}

/* "USE name": what it names; else empty. */
static struct slice used_schema(struct slice text)
{
	struct slice name = { 0 };
	char quote;

	text = skip_spaces(text);
	if (!is_keyword(text, SLICE("use")))
		return name;
	text = skip_spaces(slice_from(text, 3));
	quote = text.len > 0 && text.p[0] == '`' ? '`' : 0;
	name = slice_from(text, quote ? 1 : 0);
	for (size_t i = 0; i < name.len; i++)
		if (quote ? name.p[i] == quote : name.p[i] == ';' || is_space(name.p[i]))
			name.len = i;
	return name;
}

/* Bytes that a value of a type takes in the binary protocol; 0: a length comes first. */
static const uint8_t value_lens[256] = {
	[0x01] = 1, [0x02] = 2, [0x03] = 4, [0x04] = 4, [0x05] = 8, [0x08] = 8, [0x09] = 4, [0x0d] = 2,
};

/* The values of n query attributes, whose types and names are given: moves *values behind them. */
static bool take_attributes(struct slice names, struct slice nulls, size_t n, struct slice *values,
			    struct message *m)
{
	for (size_t i = 0; i < n; i++) {
		struct slice name, value;
		uint64_t type;

		if (!take_int(&names, 2, &type) || !take_string(&names, &name))
			return false;
		type &= 0xff;
		if (type == 0x06 || byte_at(nulls, i / 8) & 1 << i % 8)
			continue;
		if (value_lens[type] ? !take(values, value_lens[type], &value) : !take_string(values, &value))
			return false;
		if (slice_ieq(name, SLICE("traceparent")))
			m->traceparent = value;
		else if (slice_ieq(name, SLICE("tracestate")))
			m->tracestate = value;
	}
	return true;
}

/*
 * COM_QUERY with CLIENT_QUERY_ATTRIBUTES: a number of attributes, and 1 as the number of their sets. No
 * statement has such a second byte. Empty when its start is not found.
 */
static struct slice query_text(struct slice s, struct message *m)
{
	struct slice rest = s, names, nulls, name;
	uint64_t n, sets, bound, type;

	if (s.len < 2 || byte_at(s, 0) >= 0xfb || byte_at(s, 1) != 1 || !take_int(&rest, 1, &n) ||
	    !take_int(&rest, 1, &sets))
		return s;
	if (n == 0)
		return rest;
	if (!take(&rest, (n + 7) / 8, &nulls) || !take_int(&rest, 1, &bound) || bound != 1)
		return (struct slice){ 0 };
	names = rest;
	for (uint64_t i = 0; i < n; i++)
		if (!take_int(&rest, 2, &type) || !take_string(&rest, &name))
			return (struct slice){ 0 };
	return take_attributes(names, nulls, n, &rest, m) ? rest : (struct slice){ 0 };
}

/* COM_CHANGE_USER behind its command. */
static void read_change_user(struct slice s, struct message *m)
{
	struct slice user, auth;
	uint64_t len;

	if (take_terminated(&s, &user) && take_int(&s, 1, &len) && take(&s, len, &auth))
		take_terminated(&s, &m->namespace);
}

/* Keys of prepared statements. */
enum {
	KEY_UNKNOWN = 1, /* no statement has it */
	KEY_LAST,        /* the one that was prepared last */
};

/* MariaDB executes the statement that was prepared last by the number -1, before it knows its own. */
static void set_last_statement(const struct mysql *my, struct message *m)
{
	m->prepared = my->prepared_last ? KEY_LAST : KEY_UNKNOWN;
}

static void set_statement(struct mysql *my, uint64_t id, struct message *m)
{
	if (id == UINT32_MAX) {
		set_last_statement(my, m);
		return;
	}
	my->name[0] = '#';
	m->name = (struct slice){ my->name, (size_t)(put_decimal(my->name + 1, id) - my->name) };
	m->prepared = 1ULL << 32 | id;
}

static void read_body(struct mysql *my, const struct command *command, struct slice body, struct message *m)
{
	struct slice schema;

	switch (command->body) {
	case BODY_QUERY:
		m->text = query_text(body, m);
		schema = used_schema(m->text);
		if (schema.len > 0) {
			keep_schema(my, schema);
			m->hint = HINT_SCHEMA;
		}
		break;
	case BODY_TEXT:
		m->text = body;
		m->latest = KEY_LAST;
		my->prepared_last = body.len > 0;
		break;
	case BODY_STATEMENT:
		set_statement(my, int_at(body, 0, 4), m);
		break;
	case BODY_SCHEMA:
		keep_schema(my, body);
		break;
	case BODY_LOGIN:
		read_change_user(body, m);
		my->authenticating = true;
		break;
	}
}

/* NULL: it is none, or not with this length. */
static const struct command *find_command(const struct packet *p)
{
	const struct command *command = &commands[byte_at(p->head, 0)];

	return p->len >= command->min_len && p->len <= command->max_len ? command : NULL;
}

/* Bytes of a command's payload that are looked at. */
static size_t command_len(const struct command *command)
{
	if (command->body == BODY_STATEMENT)
		return 5;
	return command->name.len > 0 ? TEXT_MAX : 1;
}

static ssize_t parse_command(struct mysql *my, const struct packet *p, bool cut, struct message *m)
{
	const struct command *command;
	size_t len;
	ssize_t n;

	/* What follows a login is not to be seen. */
	if (p->len == 0 || my->compressed)
		return -EPROTO;
	/* Nothing is known of a command that was cut behind its header. */
	if (p->head.len == 0) {
		my->prepared_last &= !cut;
		return cut ? consume(p, 0, m) : 0;
	}
	command = find_command(p);
	if (!command)
		return -EPROTO;
	len = command_len(command);
	if (!is_there(p, len)) {
		if (!cut || command->body == BODY_STATEMENT)
			return 0;
		m->flags |= MESSAGE_TRUNCATED;
	}
	my->continued = p->len == PACKET_MAX;
	my->continues_quiet = command->name.len == 0;
	if (command->name.len == 0)
		return consume(p, len, m);

	m->flags |= MESSAGE_BEGIN | (my->continued ? 0 : MESSAGE_END) | command->flags;
	m->method = command->name;
	m->hint = command->hint;
	len = p->head.len < len ? p->head.len : len;
	read_body(my, command, slice_from((struct slice){ p->head.p, len }, 1), m);
	n = consume(p, len, m);
	if (m->flags & MESSAGE_OPAQUE)
		m->skip = 0;
	return n;
}

/* HandshakeResponse41, or the SSLRequest that may go before it. */
static ssize_t parse_login(struct mysql *my, const struct packet *p, struct message *m)
{
	struct slice s = p->head, fixed, user, auth;
	uint64_t capabilities, len;

	if (!is_there(p, TEXT_MAX))
		return 0;
	if (s.len > TEXT_MAX)
		s.len = TEXT_MAX;
	if (!take_int(&s, 4, &capabilities) || !take(&s, 28, &fixed) || !(capabilities & CLIENT_PROTOCOL_41))
		return -EPROTO;
	m->flags |= MESSAGE_BEGIN | MESSAGE_END | MESSAGE_QUIET;
	m->method = SLICE("CONNECT");
	m->hint = HINT_LOGIN;
	my->greeted = false;
	if (p->len == 32 && capabilities & CLIENT_SSL) {
		m->flags |= MESSAGE_OPAQUE | MESSAGE_ONEWAY;
		return consume(p, TEXT_MAX, m);
	}
	my->authenticating = true;
	my->compressed = capabilities & (CLIENT_COMPRESS | CLIENT_ZSTD_COMPRESSION);
	if (capabilities & CLIENT_CONNECT_WITH_DB && take_terminated(&s, &user) &&
	    (capabilities & CLIENT_PLUGIN_AUTH_LENENC  ? take_string(&s, &auth)
	     : capabilities & CLIENT_SECURE_CONNECTION ? take_int(&s, 1, &len) && take(&s, len, &auth)
						       : take_terminated(&s, &auth)))
		take_terminated(&s, &m->namespace);
	return consume(p, TEXT_MAX, m);
}

ssize_t mysql_parse_request(struct mysql *my, const struct parser_input *in, struct message *m)
{
	struct packet p;

	if (!read_packet(in->bytes, &p))
		return 0;
	if (my->continued) {
		my->continued = p.len == PACKET_MAX;
		m->flags = my->continued || my->continues_quiet ? 0 : MESSAGE_END;
		return consume(&p, 0, m);
	}
	if (p.seq == 0)
		return parse_command(my, &p, in->cut, m);
	if (my->greeted)
		return parse_login(my, &p, m);
	/* Of a login, or of a file that the server asked for. */
	return my->authenticating || my->response.any_seq ? consume(&p, 0, m) : -EPROTO;
}
