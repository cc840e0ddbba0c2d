/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's frontend/backend protocol 3.0 to 3.2: PostgreSQL manual, chapter 55 (message flow and
 * formats). */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "postgres_wire.h"
#include "statement.h"

/* Which statement a portal executes. */
struct portal {
	uint64_t statement; /* key; 0: no portal */
	uint32_t name;      /* hashed */
};

#define PORTALS  3
#define NAME_MAX 32

struct postgres {
	struct portal portals[PORTALS]; /* that were bound last */
	char name[NAME_MAX];            /* of the statement that was bound last, as far as it fits */
	uint64_t rows;                  /* of the response in progress */
	uint32_t query_left;            /* bytes of a query, or of a function call, its last one included */
	bool query_cut;                 /* what is left of a query was not captured */
	uint8_t name_len;
	uint8_t portal;  /* the one that was bound last */
	bool encryption; /* was asked for and not answered */
	bool synced;     /* the request before was Sync */
	bool copied;     /* and copied data followed: the next Sync is the one that counts */
	bool open;       /* a response is in progress */
};
static_assert(sizeof(struct postgres) <= PARSER_STATE_MAX, "a connection has no room for the state");

/* A message's body. */
struct body {
	struct slice bytes; /* those that are there */
	size_t len;         /* of all of it */
	bool cut;           /* no more of it will be there */
};

/*
 * Reads the message. Returns how much of the body was used (message->skip is set to the rest), -EAGAIN when
 * more of it is needed (never when it is cut) or -EPROTO.
 */
typedef ssize_t read_fn(struct postgres *state, const struct body *body, struct message *message);

/* FNV-1a: names of statements and portals, within one connection. Never 0. */
static uint64_t hash_name(struct slice name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.p[i]) * 0x100000001b3;
	return hash | 1;
}

static bool is_complete(const struct body *body)
{
	return body->bytes.len == body->len;
}

/* The first n bytes of the body are used, or what is there of them. */
static ssize_t use(const struct body *body, size_t n, struct message *message)
{
	if (n > body->bytes.len) {
		n = body->bytes.len;
		message->flags |= MESSAGE_TRUNCATED;
	}
	message->skip = body->len - n;
	return (ssize_t)n;
}

/* The next statement of a query, which starts with the body's bytes. */
static ssize_t read_statement(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice text = body->bytes, rest = body->bytes;
	size_t n;

	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	take_string(&rest, &text);
	n = sql_statement_len(text);
	message->flags = MESSAGE_BEGIN | MESSAGE_END;
	message->text = (struct slice){ text.p, n };
	if (n == body->bytes.len) {
		if (is_complete(body))
			return -EPROTO;
		message->flags |= MESSAGE_TRUNCATED;
		message->text.len = n -= n > 0; /* a byte is left for the barrier */
		state->query_cut = true;
	}
	state->query_left = (uint32_t)(body->len - n);
	return (ssize_t)n;
}

static ssize_t read_query(struct postgres *state, const struct body *body, struct message *message)
{
	return body->len ? read_statement(state, body, message) : -EPROTO;
}

/* What is left of a query or a function call: statements, and then at least a byte as its barrier. */
static ssize_t read_rest(struct postgres *state, const struct parser_input *in, struct message *message)
{
	struct body body = { at_most(in->bytes, state->query_left), state->query_left, in->cut };
	ssize_t n;

	if (!state->query_cut && body.len > 1 && body.bytes.p[0] != '\0' &&
	    !(body.cut && in->bytes.len == 1)) {
		n = read_statement(state, &body, message);
		return n == -EAGAIN ? 0 : n;
	}
	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_BARRIER;
	message->skip = body.len - 1;
	state->query_left = 0;
	state->query_cut = false;
	return 1;
}

static ssize_t read_function_call(struct postgres *state, const struct body *body, struct message *message)
{
	if (body->len < 2)
		return -EPROTO;
	message->flags = MESSAGE_BEGIN | MESSAGE_END;
	message->method = SLICE("FunctionCall");
	message->skip = body->len - 1;
	state->query_left = 1;
	return 0;
}

static ssize_t read_parse(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice rest = body->bytes;

	(void)state;
	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_QUIET;
	if (take_string(&rest, &message->name)) {
		message->prepares = hash_name(message->name);
		message->text = rest;
		take_string(&rest, &message->text);
	}
	return use(body, body->len, message);
}

static void bind(struct postgres *state, struct slice portal, struct slice statement)
{
	uint32_t name = (uint32_t)hash_name(portal);
	size_t i = 0;

	while (i < PORTALS && (!state->portals[i].statement || state->portals[i].name != name))
		i++;
	if (i == PORTALS)
		i = (state->portal + 1U) % PORTALS;
	state->portal = (uint8_t)i;
	state->portals[i] = (struct portal){ hash_name(statement), name };
	statement = at_most(statement, NAME_MAX);
	state->name_len = (uint8_t)(slice_put(state->name, statement) - state->name);
}

static ssize_t read_bind(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice rest = body->bytes, portal, statement;

	if (take_string(&rest, &portal) && take_string(&rest, &statement)) {
		bind(state, portal, statement);
		return use(body, body->bytes.len - rest.len, message);
	}
	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	return is_complete(body) ? -EPROTO : use(body, body->bytes.len, message);
}

static ssize_t read_execute(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice rest = body->bytes, portal = rest;
	uint32_t name;

	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	take_string(&rest, &portal);
	name = (uint32_t)hash_name(portal);
	message->flags = MESSAGE_BEGIN | MESSAGE_END;
	message->prepared = 1; /* no statement has this key */
	for (size_t i = 0; i < PORTALS; i++)
		if (state->portals[i].statement && state->portals[i].name == name) {
			message->prepared = state->portals[i].statement;
			if (i == state->portal)
				message->name = (struct slice){ state->name, state->name_len };
		}
	return use(body, body->len, message);
}

/*
 * While data is copied to the server, it ignores Sync: of the one that was sent with the command and the one
 * that is sent after the data only the first is told, and one response ends both.
 */
static ssize_t read_sync(struct postgres *state, const struct body *body, struct message *message)
{
	if (!state->copied)
		message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_BARRIER;
	state->synced = true;
	return use(body, body->len, message);
}

static ssize_t read_copied(struct postgres *state, const struct body *body, struct message *message)
{
	state->copied = state->synced;
	return use(body, 0, message);
}

static read_fn *const read_requests[128] = {
	['B'] = read_bind,  ['E'] = read_execute, ['F'] = read_function_call, ['P'] = read_parse,
	['Q'] = read_query, ['S'] = read_sync,    ['c'] = read_copied,        ['f'] = read_copied,
};

/* The response goes on, or starts; ends: with this message. */
static void respond(struct postgres *state, bool ends, struct message *message)
{
	message->flags |= (state->open ? 0 : MESSAGE_BEGIN) | (ends ? MESSAGE_END : 0);
	state->open = !ends;
	if (ends)
		state->rows = 0;
}

static ssize_t read_data(struct postgres *state, const struct body *body, struct message *message)
{
	state->rows++;
	respond(state, false, message);
	return use(body, 0, message);
}

static ssize_t read_copy(struct postgres *state, const struct body *body, struct message *message)
{
	respond(state, false, message);
	return use(body, 0, message);
}

static ssize_t read_end(struct postgres *state, const struct body *body, struct message *message)
{
	respond(state, true, message);
	return use(body, 0, message);
}

/* The rows so far; nothing else says how many. */
static ssize_t read_suspended(struct postgres *state, const struct body *body, struct message *message)
{
	message->rows = state->rows;
	message->flags = MESSAGE_ROWS;
	respond(state, true, message);
	return use(body, body->len, message);
}

/* A command tag ends with the number of rows, or has none. */
static bool tag_rows(struct slice tag, uint64_t *ret_rows)
{
	uint64_t rows = 0;
	size_t at = tag.len;

	while (at > 0 && tag.p[at - 1] >= '0' && tag.p[at - 1] <= '9')
		at--;
	if (at == tag.len || at == 0 || tag.p[at - 1] != ' ')
		return false;
	for (; at < tag.len; at++)
		rows = rows * 10 + (uint64_t)(tag.p[at] - '0');
	*ret_rows = rows;
	return true;
}

static ssize_t read_complete(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice rest = body->bytes, tag;

	if (body->len > POSTGRES_TAG_MAX)
		return -EPROTO;
	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	if (take_string(&rest, &tag) && tag_rows(tag, &message->rows))
		message->flags = MESSAGE_ROWS;
	respond(state, true, message);
	return use(body, body->len, message);
}

/* Takes a field off an error's *rest. False: it is not all there, or was the last. */
static bool take_field(struct slice *rest, char *ret_type, struct slice *ret_value)
{
	if (rest->len == 0 || rest->p[0] == '\0')
		return false;
	*ret_type = rest->p[0];
	*rest = slice_from(*rest, 1);
	return take_string(rest, ret_value);
}

static ssize_t read_error(struct postgres *state, const struct body *body, struct message *message)
{
	struct slice rest = body->bytes, value;
	char type;

	while (!message->code.p && take_field(&rest, &type, &value))
		if (type == 'C')
			message->code = value;
	if (!message->code.p && !is_complete(body) && !body->cut)
		return -EAGAIN;
	message->flags = MESSAGE_ERROR;
	respond(state, true, message);
	return use(body, message->code.p ? body->bytes.len - rest.len : body->len, message);
}

static ssize_t read_parsed(struct postgres *state, const struct body *body, struct message *message)
{
	if (state->open)
		return -EPROTO;
	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_QUIET;
	return use(body, body->len, message);
}

static ssize_t read_ready(struct postgres *state, const struct body *body, struct message *message)
{
	if (state->open || body->len != 1)
		return -EPROTO;
	if (!is_complete(body) && !body->cut)
		return -EAGAIN;
	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_BARRIER;
	return use(body, body->len, message);
}

static read_fn *const read_responses[128] = {
	['1'] = read_parsed, ['C'] = read_complete, ['D'] = read_data, ['E'] = read_error,
	['G'] = read_copy,   ['H'] = read_copy,     ['I'] = read_end,  ['V'] = read_end,
	['W'] = read_copy,   ['Z'] = read_ready,    ['d'] = read_copy, ['s'] = read_suspended,
};

/* A parameter's value in a start-up packet, after its version. */
static bool take_parameter(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	return take_string(rest, ret_name) && ret_name->len > 0 && take_string(rest, ret_value);
}

/* The database has the user's name unless it is named. */
static struct slice database_of(struct slice parameters)
{
	struct slice name, value, user = { 0 };

	while (take_parameter(&parameters, &name, &value)) {
		if (slice_eq(name, SLICE("database")))
			return value;
		if (slice_eq(name, SLICE("user")))
			user = value;
	}
	return user;
}

/* The packets that start a connection have no type. */
static ssize_t read_startup(struct postgres *state, const struct parser_input *in, struct message *message)
{
	struct slice s = in->bytes;
	uint32_t len, version;

	if (s.len < 8)
		return in->cut ? -EPROTO : 0;
	len = be32(s.p);
	version = be32(s.p + 4);
	if (len < 8 || len > POSTGRES_STARTUP_MAX)
		return -EPROTO;
	s = at_most(s, len);
	if (s.len < len && !in->cut)
		return 0;

	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_QUIET | (s.len < len ? MESSAGE_TRUNCATED : 0);
	message->skip = len - s.len;
	state->encryption = version == STARTUP_SSL || version == STARTUP_GSSENC;
	if (version == STARTUP_CANCEL) {
		message->flags |= MESSAGE_ONEWAY;
		message->method = SLICE("CancelRequest");
	} else if (state->encryption) {
		message->method = version == STARTUP_SSL ? SLICE("SSLRequest") : SLICE("GSSENCRequest");
	} else if (version >> 16 == STARTUP_MAJOR) {
		message->flags |= MESSAGE_BARRIER;
		message->method = SLICE("CONNECT");
		message->namespace = database_of(slice_from(s, 8));
	} else {
		return -EPROTO;
	}
	return (ssize_t)s.len;
}

/* One byte says whether the connection is encrypted from here on. */
static ssize_t read_encryption(struct postgres *state, char answer, struct message *message)
{
	state->encryption = false;
	message->flags = MESSAGE_BEGIN | MESSAGE_END | MESSAGE_QUIET | (answer == 'N' ? 0 : MESSAGE_OPAQUE);
	return 1;
}

static ssize_t postgres_parse(void *arg, enum flow flow, const struct parser_input *in,
			      struct message *ret_message)
{
	struct postgres *state = arg;
	struct slice s = in->bytes;
	read_fn *read;
	struct body body = { .cut = in->cut };
	ssize_t n;

	if (s.len == 0)
		return 0;
	*ret_message = (struct message){ 0 };
	if (flow == FLOW_REQUEST && state->query_left)
		return read_rest(state, in, ret_message);
	if (flow == FLOW_REQUEST && s.p[0] == '\0')
		return read_startup(state, in, ret_message);
	if (flow == FLOW_RESPONSE && state->encryption && !state->open &&
	    (s.p[0] == 'S' || s.p[0] == 'G' || s.p[0] == 'N'))
		return read_encryption(state, s.p[0], ret_message);
	if (s.len < POSTGRES_HEADER_LEN)
		return in->cut ? -EPROTO : 0;
	if (!postgres_form(flow, s, POSTGRES_MESSAGE_MAX, &body.len))
		return -EPROTO;

	body.bytes = at_most(slice_from(s, POSTGRES_HEADER_LEN), body.len);
	read = (flow == FLOW_REQUEST ? read_requests : read_responses)[(unsigned char)s.p[0]];
	n = read ? read(state, &body, ret_message) : use(&body, 0, ret_message);
	if (n < 0)
		return n == -EAGAIN ? 0 : n;
	if (flow == FLOW_REQUEST && s.p[0] != 'S' && s.p[0] != 'd' && s.p[0] != 'c' && s.p[0] != 'f')
		state->synced = false;
	if (flow == FLOW_REQUEST && s.p[0] != 'c' && s.p[0] != 'f')
		state->copied = false;
	return POSTGRES_HEADER_LEN + n;
}

/* Part of a response whose start came before; the end of a command that returns rows is such one. */
static bool goes_on(struct slice s)
{
	struct slice body = slice_from(s, POSTGRES_HEADER_LEN);

	if (s.p[0] == 'C')
		return slice_starts(body, SLICE("SELECT ")) || slice_starts(body, SLICE("FETCH "));
	return s.p[0] == 'D' || s.p[0] == 'd' || s.p[0] == 'c' || s.p[0] == 's';
}

static ssize_t postgres_resync(void *arg, enum flow flow, struct slice bytes)
{
	struct postgres *state = arg;

	for (size_t at = 0; at + POSTGRES_HEADER_LEN <= bytes.len; at++) {
		struct slice s = slice_from(bytes, at);
		size_t len;
		bool starts = postgres_form(flow, s, POSTGRES_GUESS_MAX, &len);

		if (!starts || (flow == FLOW_RESPONSE && goes_on(s)) ||
		    postgres_chain(flow, s, true) != GUESS_YES)
			continue;
		if (flow == FLOW_REQUEST) {
			state->query_left = 0;
			state->query_cut = false;
			state->synced = state->copied = false;
		} else {
			state->open = state->encryption = false;
			state->rows = 0;
		}
		return (ssize_t)at;
	}
	return -ENOENT;
}

/* The last message in s, if it has this type. */
static bool last_message(struct slice s, char type, struct slice *ret_body)
{
	for (size_t at = 0; at + POSTGRES_HEADER_LEN <= s.len; at++)
		if (s.p[at] == type && be32(s.p + at + 1) == s.len - at - 1) {
			*ret_body = slice_from(s, at + POSTGRES_HEADER_LEN);
			return true;
		}
	return false;
}

static bool postgres_ends(void *arg, enum flow flow, struct slice tail, struct message *ret_message)
{
	struct postgres fresh = { .open = true };
	struct slice found;
	bool ready = last_message(tail, 'Z', &found) && found.len == 1;
	struct body body = { 0 };

	(void)arg;
	if (flow == FLOW_REQUEST)
		return false;
	if (ready)
		tail.len -= POSTGRES_HEADER_LEN + 1;
	if (last_message(tail, 'C', &body.bytes)) {
		body.len = body.bytes.len;
		read_complete(&fresh, &body, ret_message);
	} else if (last_message(tail, 'E', &body.bytes)) {
		body.len = body.bytes.len;
		read_error(&fresh, &body, ret_message);
	} else if (ready && slice_ends(tail, SLICE("\0\0"))) {
		ret_message->flags = MESSAGE_ERROR; /* whose start lies before */
	} else if (!ready && !last_message(tail, 's', &found)) {
		return false;
	}
	ret_message->skip = 0;
	ret_message->flags &= MESSAGE_ERROR | MESSAGE_ROWS;
	return true;
}

const struct parser postgres_parser = {
	.name = "postgresql",
	.db_system = "postgresql",
	.whole = true,
	.state_size = sizeof(struct postgres),
	.guess = postgres_guess,
	.parse = postgres_parse,
	.resync = postgres_resync,
	.ends = postgres_ends,
	.describe = sql_describe,
};
