/* SPDX-License-Identifier: Apache-2.0 */
/* Memcached's text and meta commands (doc/protocol.txt of memcached 1.6). Its binary protocol is another one.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "parser.h"
#include "statement.h"

/* Longest line that is read whole; only the keys of a retrieval make longer ones, whose rest is stepped over.
 */
#define HEAD_MAX 2048
#define KEY_MAX  250
/* memcached refuses larger values before it reads them. */
#define VALUE_MAX (INT32_MAX - 2)
#define WORDS_MAX 24

/* What a response has to know of the oldest unanswered command; 0 is left for "no command known". */
enum hint {
	HINT_OTHER = 1,
	HINT_QUIET_GET,   /* answers with a value, or not at all */
	HINT_QUIET_STORE, /* answers when it fails, or not at all */
};

enum phase {
	PHASE_START,
	PHASE_LINE, /* the rest of a long line */
	PHASE_LIST, /* values or lines, up to END */
	PHASE_CUT,
};

struct memcached {
	uint8_t phases[2]; /* enum phase, by enum flow */
	uint64_t values;   /* in the list so far */
	bool lines;        /* a list of other things */
};
static_assert(sizeof(struct memcached) <= PARSER_STATE_MAX, "a connection has no room for the state");

enum command_kind {
	COMMAND_LINE,  /* one line, answered with one or with a list */
	COMMAND_STORE, /* key, flags, expiry, length; then the value */
	COMMAND_GET,
	COMMAND_QUIT, /* not answered */
	COMMAND_META,
	COMMAND_META_STORE, /* key, length; then the value */
	COMMAND_META_GET,
	COMMAND_META_NOOP,
};

/* args: at least so many; a line with fewer does not tell the protocol. 0: the word alone does. */
static const struct command {
	struct slice name;
	uint8_t kind; /* enum command_kind */
	uint8_t args;
} commands[] = {
	{ SLICE("get"), COMMAND_GET, 1 },
	{ SLICE("gets"), COMMAND_GET, 1 },
	{ SLICE("gat"), COMMAND_GET, 2 },
	{ SLICE("gats"), COMMAND_GET, 2 },
	{ SLICE("set"), COMMAND_STORE, 4 },
	{ SLICE("add"), COMMAND_STORE, 4 },
	{ SLICE("replace"), COMMAND_STORE, 4 },
	{ SLICE("append"), COMMAND_STORE, 4 },
	{ SLICE("prepend"), COMMAND_STORE, 4 },
	{ SLICE("cas"), COMMAND_STORE, 5 },
	{ SLICE("delete"), COMMAND_LINE, 1 },
	{ SLICE("incr"), COMMAND_LINE, 2 },
	{ SLICE("decr"), COMMAND_LINE, 2 },
	{ SLICE("touch"), COMMAND_LINE, 2 },
	{ SLICE("mg"), COMMAND_META_GET, 1 },
	{ SLICE("ms"), COMMAND_META_STORE, 2 },
	{ SLICE("md"), COMMAND_META, 1 },
	{ SLICE("ma"), COMMAND_META, 1 },
	{ SLICE("me"), COMMAND_META, 1 },
	{ SLICE("mn"), COMMAND_META_NOOP, 0 },
	{ SLICE("version"), COMMAND_LINE, 0 },
	{ SLICE("stats"), COMMAND_LINE, 0 },
	{ SLICE("flush_all"), COMMAND_LINE, 0 },
	{ SLICE("verbosity"), COMMAND_LINE, 1 },
	{ SLICE("cache_memlimit"), COMMAND_LINE, 1 },
	{ SLICE("slabs"), COMMAND_LINE, 1 },
	{ SLICE("lru"), COMMAND_LINE, 1 },
	{ SLICE("lru_crawler"), COMMAND_LINE, 1 },
	{ SLICE("watch"), COMMAND_LINE, 0 },
	{ SLICE("shutdown"), COMMAND_QUIT, 0 },
	{ SLICE("quit"), COMMAND_QUIT, WORDS_MAX },
};

static const struct command unknown = { .kind = COMMAND_LINE, .args = WORDS_MAX };

enum reply_kind {
	REPLY_LINE,
	REPLY_ERROR,
	REPLY_VALUE, /* key, flags, length; then the value */
	REPLY_ITEM,  /* a line of a list */
	REPLY_END,
	REPLY_META_NONE, /* never to a quiet command; the next ones may be */
	REPLY_META,
	REPLY_META_FAIL,  /* that stores */
	REPLY_META_VALUE, /* length; then the value */
	REPLY_LOG,        /* what a watcher is told */
};

static const struct reply {
	struct slice name;
	uint8_t kind; /* enum reply_kind */
} replies[] = {
	{ SLICE("VALUE"), REPLY_VALUE },
	{ SLICE("END"), REPLY_END },
	{ SLICE("STORED"), REPLY_LINE },
	{ SLICE("HD"), REPLY_META },
	{ SLICE("VA"), REPLY_META_VALUE },
	{ SLICE("EN"), REPLY_META_NONE },
	{ SLICE("MN"), REPLY_META_NONE },
	{ SLICE("NS"), REPLY_META_FAIL },
	{ SLICE("EX"), REPLY_META_FAIL },
	{ SLICE("NF"), REPLY_META_FAIL },
	{ SLICE("ME"), REPLY_LINE },
	{ SLICE("NOT_STORED"), REPLY_LINE },
	{ SLICE("EXISTS"), REPLY_LINE },
	{ SLICE("NOT_FOUND"), REPLY_LINE },
	{ SLICE("DELETED"), REPLY_LINE },
	{ SLICE("TOUCHED"), REPLY_LINE },
	{ SLICE("OK"), REPLY_LINE },
	{ SLICE("VERSION"), REPLY_LINE },
	{ SLICE("STAT"), REPLY_ITEM },
	{ SLICE("ITEM"), REPLY_ITEM },
	{ SLICE("PREFIX"), REPLY_ITEM },
	{ SLICE("RESET"), REPLY_LINE },
	{ SLICE("BUSY"), REPLY_LINE },
	{ SLICE("BADCLASS"), REPLY_LINE },
	{ SLICE("NOSPARE"), REPLY_LINE },
	{ SLICE("NOTFULL"), REPLY_LINE },
	{ SLICE("UNSAFE"), REPLY_LINE },
	{ SLICE("SAME"), REPLY_LINE },
	{ SLICE("ERROR"), REPLY_ERROR },
	{ SLICE("CLIENT_ERROR"), REPLY_ERROR },
	{ SLICE("SERVER_ERROR"), REPLY_ERROR },
};

/* A line's words, of which the first ones are kept. */
struct line {
	struct slice words[WORDS_MAX];
	size_t words_len;  /* at most WORDS_MAX */
	struct slice last; /* word of all */
	struct slice text; /* without its line end */
	size_t len;        /* line end included; 0: it is not complete */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool read_number(struct slice s, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (s.len == 0 || s.len > 19)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]))
			return false;
		number = number * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (number > max)
		return false;
	*ret_number = number;
	return true;
}

static bool next_word(struct slice *rest, struct slice *ret_word)
{
	size_t len = 0;

	while (rest->len > 0 && rest->p[0] == ' ')
		*rest = slice_from(*rest, 1);
	while (len < rest->len && rest->p[len] != ' ')
		len++;
	*ret_word = (struct slice){ rest->p, len };
	*rest = slice_from(*rest, len);
	return len > 0;
}

/* GUESS_MORE: right as far as it goes; *ret_line holds that. */
static enum guess read_line(struct slice s, struct line *ret_line)
{
	struct slice rest, word;
	const char *lf;

	if (s.len > HEAD_MAX)
		s.len = HEAD_MAX;
	lf = memchr(s.p, '\n', s.len);
	rest = (struct slice){ s.p, lf ? (size_t)(lf - s.p) : s.len };
	if (rest.len > 0 && rest.p[rest.len - 1] == '\r')
		rest.len--;
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)rest.p[i] < ' ')
			return GUESS_NO;
	ret_line->text = rest;
	ret_line->len = lf ? (size_t)(lf - s.p) + 1 : 0;
	ret_line->words_len = 0;
	ret_line->last = (struct slice){ 0 };
	while (next_word(&rest, &word)) {
		if (ret_line->words_len < WORDS_MAX)
			ret_line->words[ret_line->words_len++] = word;
		ret_line->last = word;
	}
	return lf ? GUESS_YES : GUESS_MORE;
}

static const struct command *find_command(struct slice name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_eq(commands[i].name, name))
			return &commands[i];
	return &unknown;
}

/*
 * The length of the value that follows a command, line end included, as the server takes it; 0: none does. It
 * reads what follows a bad line as the next command.
 */
static uint64_t value_len(const struct command *command, const struct line *line)
{
	size_t at = command->kind == COMMAND_STORE ? 4 : 2;
	uint64_t len;

	if ((command->kind != COMMAND_STORE && command->kind != COMMAND_META_STORE) ||
	    line->words_len <= (at == 4 ? (size_t)command->args : at) || line->words[1].len > KEY_MAX ||
	    !read_number(line->words[at], VALUE_MAX, &len))
		return 0;
	if (at == 4) {
		struct slice expiry = line->words[3];
		uint64_t number;

		if (expiry.p[0] == '-')
			expiry = slice_from(expiry, 1);
		if (!read_number(line->words[2], UINT32_MAX, &number) ||
		    !read_number(expiry, INT64_MAX, &number))
			return 0;
	}
	return len + 2;
}

/* The word of a meta command or its response that starts with this flag; empty: there is none. */
static struct slice find_flag(const struct line *line, size_t from, char flag)
{
	for (size_t i = from; i < line->words_len; i++)
		if (line->words[i].p[0] == flag)
			return line->words[i];
	return (struct slice){ 0 };
}

/* FNV-1a, over what both sides of a connection say. */
static uint64_t hash(struct slice s)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.p[i]) * 0x100000001b3;
	return hash ? hash : 1;
}

static bool is_meta(const struct command *command)
{
	return command->kind >= COMMAND_META;
}

/* A meta command and its response share the opaque, or else the key, when the command asks for it. */
static void begin_meta(const struct command *command, const struct line *line, struct message *message)
{
	size_t flags = command->kind == COMMAND_META_STORE ? 3 : 2;
	struct slice opaque = find_flag(line, flags, 'O');

	if (opaque.len > 1)
		message->key = hash(slice_from(opaque, 1));
	else if (find_flag(line, flags, 'k').len > 0 && line->words_len > 1)
		message->key = hash(line->words[1]);
	if (find_flag(line, flags, 'q').len > 0) {
		message->flags |= MESSAGE_QUIET | MESSAGE_SHOWN;
		message->hint = command->kind == COMMAND_META_GET ? HINT_QUIET_GET : HINT_QUIET_STORE;
	}
}

static ssize_t parse_command(struct memcached *memcached, const struct parser_input *in,
			     struct message *message)
{
	uint8_t *phase = &memcached->phases[FLOW_REQUEST];
	const struct command *command;
	struct line line;
	enum guess guess = read_line(in->bytes, &line);
	bool long_line = guess == GUESS_MORE && in->bytes.len >= HEAD_MAX;

	if (guess == GUESS_NO || (guess == GUESS_MORE && in->cut && !long_line && line.words_len < 2))
		return -EPROTO;
	if (guess == GUESS_MORE && !in->cut && !long_line)
		return 0;
	command = line.words_len > 0 ? find_command(line.words[0]) : &unknown;
	message->flags = MESSAGE_BEGIN;
	message->text = line.text;
	message->hint = HINT_OTHER;
	if (is_meta(command))
		begin_meta(command, &line, message);
	if (command->kind == COMMAND_QUIT || (!is_meta(command) && slice_eq(line.last, SLICE("noreply"))))
		message->flags |= MESSAGE_ONEWAY;
	if (guess == GUESS_YES) {
		message->flags |= MESSAGE_END;
		message->skip = value_len(command, &line);
		return (ssize_t)line.len;
	}
	*phase = long_line ? PHASE_LINE : PHASE_CUT;
	if (!long_line)
		message->flags |= MESSAGE_TRUNCATED | MESSAGE_UNBOUNDED;
	return (ssize_t)(long_line ? HEAD_MAX : in->bytes.len);
}

static ssize_t parse_rest_of_line(uint8_t *phase, const struct parser_input *in, struct message *message)
{
	const char *lf = memchr(in->bytes.p, '\n', in->bytes.len);

	if (!lf)
		return in->cut ? -EPROTO : (ssize_t)in->bytes.len;
	message->flags = MESSAGE_END;
	*phase = PHASE_START;
	return lf - in->bytes.p + 1;
}

/* -EPROTO: no server sends such a line. */
static int read_reply(const struct line *line, enum reply_kind *ret_kind, uint64_t *ret_skip)
{
	struct slice word = line->words_len > 0 ? line->words[0] : (struct slice){ 0 };
	size_t i = 0;

	*ret_skip = 0;
	while (i < sizeof(replies) / sizeof(replies[0]) && !slice_eq(replies[i].name, word))
		i++;
	if (i < sizeof(replies) / sizeof(replies[0]))
		*ret_kind = replies[i].kind;
	else if (slice_starts(word, SLICE("key=")))
		*ret_kind = REPLY_ITEM;
	else if (slice_starts(word, SLICE("ts=")))
		*ret_kind = REPLY_LOG;
	else if (read_number(word, UINT64_MAX, ret_skip) || (word.len == 20 && is_digit(word.p[0])))
		*ret_kind = REPLY_LINE;
	else
		return -EPROTO;
	if (*ret_kind == REPLY_VALUE || *ret_kind == REPLY_META_VALUE) {
		size_t at = *ret_kind == REPLY_VALUE ? 3 : 1;

		if (line->words_len <= at || !read_number(line->words[at], VALUE_MAX, ret_skip))
			return -EPROTO;
		*ret_skip += 2;
	} else {
		*ret_skip = 0;
	}
	return 0;
}

/*
 * Does the response answer one of the quiet commands that come before the next other one? Where the client
 * could not tell either, none is meant.
 */
static bool is_of_quiet(enum reply_kind kind, uint8_t hint)
{
	return (hint == HINT_QUIET_GET && (kind == REPLY_META || kind == REPLY_META_VALUE)) ||
	       (hint == HINT_QUIET_STORE && (kind == REPLY_META_FAIL || kind == REPLY_ERROR));
}

static void begin_reply(enum reply_kind kind, const struct line *line, uint8_t hint, struct message *message)
{
	struct slice opaque, key;

	message->flags |= MESSAGE_BEGIN;
	if (kind >= REPLY_META_NONE && kind <= REPLY_META_VALUE) {
		opaque = find_flag(line, 1, 'O');
		key = find_flag(line, 1, 'k');
		if (opaque.len > 1)
			message->key = hash(slice_from(opaque, 1));
		else if (key.len > 1)
			message->key = hash(slice_from(key, 1));
	}
	if (kind == REPLY_LOG || (message->key == 0 && is_of_quiet(kind, hint)))
		message->flags |= MESSAGE_INTERIM;
	if (kind == REPLY_META_VALUE) {
		message->flags |= MESSAGE_ROWS;
		message->rows = 1;
	}
}

static ssize_t parse_reply(struct memcached *memcached, const struct parser_input *in,
			   struct message *message)
{
	uint8_t *phase = &memcached->phases[FLOW_RESPONSE];
	enum reply_kind kind;
	struct line line;
	enum guess guess = read_line(in->bytes, &line);

	if (guess == GUESS_MORE && !in->cut && in->bytes.len < HEAD_MAX)
		return 0;
	if (guess != GUESS_YES || read_reply(&line, &kind, &message->skip) < 0)
		return -EPROTO;
	if (*phase == PHASE_START) {
		memcached->values = 0;
		memcached->lines = false;
		begin_reply(kind, &line, in->hint, message);
	} else if (kind != REPLY_VALUE && kind != REPLY_ITEM && kind != REPLY_END && kind != REPLY_ERROR) {
		return -EPROTO;
	}
	*phase = kind == REPLY_VALUE || kind == REPLY_ITEM ? PHASE_LIST : PHASE_START;
	memcached->values += kind == REPLY_VALUE;
	memcached->lines |= kind == REPLY_ITEM;
	if (kind == REPLY_ERROR) {
		message->flags |= MESSAGE_ERROR;
		message->code = line.words[0];
	}
	if (kind == REPLY_END && !memcached->lines) {
		message->flags |= MESSAGE_ROWS;
		message->rows = memcached->values;
	}
	message->flags |= *phase == PHASE_START ? MESSAGE_END : 0;
	return (ssize_t)line.len;
}

static ssize_t memcached_parse(void *state, enum flow flow, const struct parser_input *in,
			       struct message *ret_message)
{
	struct memcached *memcached = state;
	uint8_t *phase = &memcached->phases[flow];

	if (in->bytes.len == 0)
		return 0;
	*ret_message = (struct message){ 0 };
	if (*phase == PHASE_CUT)
		return -EPROTO;
	if (*phase == PHASE_LINE)
		return parse_rest_of_line(phase, in, ret_message);
	return flow == FLOW_REQUEST ? parse_command(memcached, in, ret_message)
				    : parse_reply(memcached, in, ret_message);
}

/* Does a line, as far as it goes, tell the protocol? */
static enum guess guess_command(struct slice s)
{
	const struct command *command;
	struct line line;
	enum guess guess = read_line(s, &line);
	uint64_t number;

	if (guess == GUESS_NO || (guess == GUESS_MORE && s.len >= HEAD_MAX))
		return GUESS_NO;
	if (line.words_len == 0 || line.text.p[0] == ' ')
		return line.text.len == 0 && guess == GUESS_MORE ? GUESS_MORE : GUESS_NO;
	command = find_command(line.words[0]);
	if (guess == GUESS_MORE) {
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (line.words_len == 1 && slice_starts(commands[i].name, line.words[0]))
				return GUESS_MORE;
		return command->args < WORDS_MAX ? GUESS_MORE : GUESS_NO;
	}
	if (line.words_len <= command->args || line.len < line.text.len + 2)
		return GUESS_NO;
	if (command->args > 0 && line.words[1].len > KEY_MAX)
		return GUESS_NO;
	switch (command->kind) {
	case COMMAND_STORE:
	case COMMAND_META_STORE:
		return value_len(command, &line) > 0 ? GUESS_YES : GUESS_NO;
	case COMMAND_LINE:
		if (command->args == 0)
			return line.words_len == 1 ? GUESS_YES : GUESS_NO;
		return command->args == 1 || read_number(line.words[2], INT64_MAX, &number) ? GUESS_YES
											    : GUESS_NO;
	case COMMAND_META_NOOP:
	case COMMAND_QUIT:
		return line.words_len == 1 ? GUESS_YES : GUESS_NO;
	default:
		return GUESS_YES;
	}
}

static enum guess memcached_guess(struct slice head, enum flow *ret_flow)
{
	enum guess guess = head.len > 0 ? guess_command(head) : GUESS_MORE;

	if (guess == GUESS_YES)
		*ret_flow = FLOW_REQUEST;
	return guess;
}

/* Do bytes start with a message, whose first line is complete, and hold nothing else but messages? */
static bool is_in_step(enum flow flow, struct slice bytes)
{
	struct memcached memcached = { 0 };
	size_t at = 0;

	while (at < bytes.len) {
		struct parser_input in = { .bytes = slice_from(bytes, at) };
		struct message m;
		ssize_t n = memcached_parse(&memcached, flow, &in, &m);

		if (n <= 0)
			return n == 0 && at > 0;
		at += (size_t)n;
		if (m.skip > bytes.len - at)
			return true;
		at += (size_t)m.skip;
		if (m.skip >= 2 && (bytes.p[at - 2] != '\r' || bytes.p[at - 1] != '\n'))
			return false;
	}
	return true;
}

/* A command is looked for at the start of any line; a reply, which is not as distinct, has to come first. */
static ssize_t memcached_resync(void *state, enum flow flow, struct slice bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		struct slice rest = slice_from(bytes, at);
		const char *lf = memchr(rest.p, '\n', rest.len);

		if ((flow == FLOW_RESPONSE || guess_command(rest) == GUESS_YES) && is_in_step(flow, rest)) {
			((struct memcached *)state)->phases[flow] = PHASE_START;
			return (ssize_t)at;
		}
		if (!lf || flow == FLOW_RESPONSE)
			return -ENOENT;
		at += (size_t)(lf - rest.p) + 1;
	}
	return -ENOENT;
}

static bool memcached_ends(void *state, enum flow flow, struct slice tail, struct message *ret_message)
{
	(void)ret_message;
	if (((struct memcached *)state)->phases[flow] == PHASE_LIST)
		return slice_ends(tail, SLICE("\r\nEND\r\n"));
	return slice_ends(tail, SLICE("\r\n"));
}

static void put(struct statement *statement, struct slice s)
{
	size_t room = sizeof(statement->text) - statement->text_len;
	size_t n = s.len < room ? s.len : room;

	memcpy(statement->text + statement->text_len, s.p, n);
	statement->text_len = (uint16_t)(statement->text_len + n);
}

static void memcached_describe(struct slice text, bool raw, struct statement *ret_statement)
{
	struct slice word;
	size_t len;

	ret_statement->operation_len = ret_statement->collection_len = ret_statement->destination_len = 0;
	ret_statement->summary_len = 0;
	ret_statement->text_len = 0;
	if (!next_word(&text, &word))
		return;
	len = word.len < sizeof(ret_statement->operation) ? word.len : sizeof(ret_statement->operation);
	memcpy(ret_statement->operation, word.p, len);
	memcpy(ret_statement->summary, word.p, len);
	ret_statement->operation_len = ret_statement->summary_len = (uint8_t)len;
	put(ret_statement, (struct slice){ word.p, len });
	while (next_word(&text, &word)) {
		put(ret_statement, SLICE(" "));
		put(ret_statement, raw ? word : SLICE("?"));
	}
}

const struct parser memcached_parser = {
	.name = "memcached",
	.db_system = "memcached",
	.whole = true,
	.state_size = sizeof(struct memcached),
	.guess = memcached_guess,
	.parse = memcached_parse,
	.resync = memcached_resync,
	.ends = memcached_ends,
	.describe = memcached_describe,
};
