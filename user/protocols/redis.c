/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: RESP2, RESP3 and inline commands. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "parser.h"
#include "redis_command.h"
#include "resp.h"

/* What is shown of a request: its first bytes. The rest is stepped over. */
#define HEAD_MAX 1024
/* Elements that a message may owe. */
#define LEFT_MAX (1LL << 40)
#define NAME_MAX 24

/* What a reply has to know of its command; 0 is left for "no command known". */
enum hint {
	HINT_OTHER = 1,
	HINT_SELECT,
	HINT_RESET,
	HINT_MONITOR,
	HINT_SYNC,
	/* One of the SUBSCRIBE family: which (enum pushed), and how many replies; 0: not known. */
	HINT_SUBSCRIBE = 0x80,
	HINT_SUBSCRIBE_WHICH = 0x70,
	HINT_SUBSCRIBE_COUNT = 0x0f,
};

/* What comes of subscriptions, by its name: confirmations of (un)subscriptions first. */
enum pushed {
	PUSHED_CONFIRMATIONS = 6,
	PUSHED_NOT = 9,
};

static const struct slice pushed_names[PUSHED_NOT] = {
	SLICE("subscribe"),   SLICE("psubscribe"),   SLICE("ssubscribe"),
	SLICE("unsubscribe"), SLICE("punsubscribe"), SLICE("sunsubscribe"),
	SLICE("message"),     SLICE("pmessage"),     SLICE("smessage"),
};

enum phase {
	PHASE_START,     /* of a message */
	PHASE_ELEMENTS,  /* `left` elements of it are to come */
	PHASE_SET_ASIDE, /* `left` elements of an attribute, which is no message */
	PHASE_CUT,
};

struct stream {
	uint64_t left;
	uint8_t phase; /* enum phase */
};

struct index {
	uint8_t len;
	char text[7];
};

struct redis {
	struct stream streams[2]; /* by enum flow */
	/* of requests: */
	struct index selected; /* the database last asked for */
	bool silent;           /* CLIENT REPLY OFF */
	bool silent_next;      /* CLIENT REPLY SKIP */
	/* of replies: */
	struct index database; /* the database last granted */
	bool subscribed;       /* RESP2: messages come between replies, and look like them */
	bool monitoring;
	bool confirming;   /* a (un)subscription's confirmation, whose number says how many are left */
	bool failed;       /* an error was seen in the reply */
	uint8_t confirmed; /* of the (un)subscriptions of the command that is next to be answered */
	uint8_t uncounted; /* hint of the last answered command, if more of its confirmations may come */
};
static_assert(sizeof(struct redis) <= PARSER_STATE_MAX, "a connection has no room for the state");

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_index(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.p[i]))
			return false;
	return s.len > 0 && s.len <= sizeof(((struct index *)0)->text);
}

/* The database that the connection uses from here on, unless the reply is an error: then it is the old one.
 */
static void select_database(struct redis *redis, struct slice text, struct message *message)
{
	redis->selected.len = 0;
	if (!is_index(text))
		return;
	memcpy(redis->selected.text, text.p, text.len);
	redis->selected.len = (uint8_t)text.len;
	if (redis->database.len > 0)
		message->namespace = (struct slice){ redis->selected.text, redis->selected.len };
}

/* CLIENT REPLY ON|OFF|SKIP. *silent: this command has no reply. */
static void client_reply(struct redis *redis, struct redis_args args, bool *silent)
{
	struct slice what, how;

	if (!redis_next_arg(&args, &what) || !slice_ieq(what, SLICE("reply")) || !redis_next_arg(&args, &how))
		return;
	if (slice_ieq(how, SLICE("on"))) {
		redis->silent = *silent = false;
	} else if (slice_ieq(how, SLICE("off"))) {
		redis->silent = *silent = true;
	} else if (slice_ieq(how, SLICE("skip"))) {
		redis->silent_next = !redis->silent;
		*silent = true;
	}
}

static enum pushed pushed_of(struct slice name)
{
	unsigned pushed = 0;

	while (pushed < PUSHED_NOT && !slice_ieq(name, pushed_names[pushed]))
		pushed++;
	return pushed;
}

static uint8_t subscribe_hint(struct slice name, struct redis_args args)
{
	uint64_t n = args.left;
	struct slice word;

	if (args.is_inline)
		while (redis_next_arg(&args, &word))
			n++;
	return (uint8_t)(HINT_SUBSCRIBE | pushed_of(name) << 4 | (n <= HINT_SUBSCRIBE_COUNT ? n : 0));
}

/* A command whose text is known: what it means for its reply and those that follow. */
static void begin_command(struct redis *redis, struct slice text, bool cut, struct message *message)
{
	struct redis_args args = redis_args_of(text);
	bool silent = redis->silent || redis->silent_next;
	struct slice name, arg;

	message->flags |= MESSAGE_BEGIN;
	message->text = text;
	message->hint = HINT_OTHER;
	redis->silent_next = false;
	if (!redis_next_arg(&args, &name) && cut)
		message->flags |= MESSAGE_TRUNCATED;
	switch (redis_command(name)->kind) {
	case REDIS_SELECT:
		message->hint = HINT_SELECT;
		if (redis_next_arg(&args, &arg))
			select_database(redis, arg, message);
		break;
	case REDIS_RESET:
		message->hint = HINT_RESET;
		select_database(redis, SLICE("0"), message);
		redis->silent = silent = false;
		break;
	case REDIS_CLIENT:
		client_reply(redis, args, &silent);
		break;
	case REDIS_MONITOR:
		message->hint = HINT_MONITOR;
		break;
	case REDIS_SYNC:
		message->hint = HINT_SYNC;
		break;
	case REDIS_SUBSCRIBE:
		message->hint = subscribe_hint(name, args);
		break;
	default:
		break;
	}
	if (silent)
		message->flags |= MESSAGE_ONEWAY;
}

/*
 * Reads the head of a command that is an array: its first HEAD_MAX bytes, or all of it. Sets *ret_skip to
 * what is left of the last argument that the head reaches into, *ret_left to the number of those behind.
 * Returns the length of the head; 0: more bytes are needed; -EPROTO; -EMSGSIZE: cut in a place where the rest
 * is not known.
 */
static ssize_t read_array_head(const struct parser_input *in, uint64_t *ret_skip, uint64_t *ret_left)
{
	struct slice s = in->bytes;
	struct resp_header h = { 0 };
	enum guess guess = resp_read(s, &h);
	size_t at = h.len;

	*ret_skip = 0;
	*ret_left = resp_elements(&h);
	if (guess != GUESS_YES)
		return guess == GUESS_NO ? -EPROTO : in->cut ? -EMSGSIZE : 0;
	while (*ret_left > 0 && at + RESP_NUMBER_LINE_MAX <= HEAD_MAX) {
		guess = at < s.len ? resp_read(slice_from(s, at), &h) : GUESS_MORE;
		if (guess == GUESS_NO || (at < s.len && s.p[at] != '$') ||
		    (guess == GUESS_YES && h.number < 0))
			return -EPROTO;
		if (guess == GUESS_MORE)
			return in->cut ? -EMSGSIZE : 0;
		at += h.len;
		(*ret_left)--;
		if (resp_string_len(&h) > HEAD_MAX - at || (in->cut && resp_string_len(&h) > s.len - at)) {
			size_t end = s.len < HEAD_MAX ? s.len : HEAD_MAX;

			*ret_skip = resp_string_len(&h) - (end - at);
			return end == HEAD_MAX || in->cut ? (ssize_t)end : 0;
		}
		at += (size_t)resp_string_len(&h);
		if (at > s.len)
			return 0;
		if (s.p[at - 2] != '\r' || s.p[at - 1] != '\n')
			return -EPROTO;
	}
	return (ssize_t)at;
}

static ssize_t parse_array(struct redis *redis, const struct parser_input *in, struct message *message)
{
	struct stream *stream = &redis->streams[FLOW_REQUEST];
	uint64_t skip, left;
	ssize_t n = read_array_head(in, &skip, &left);

	if (n == -EMSGSIZE) {
		begin_command(redis, in->bytes, true, message);
		message->flags |= MESSAGE_TRUNCATED | MESSAGE_UNBOUNDED;
		stream->phase = PHASE_CUT;
		return (ssize_t)in->bytes.len;
	}
	/* Arrays without elements are no command. */
	if (n <= 0 || redis_args_of(in->bytes).left == 0)
		return n;
	begin_command(redis, (struct slice){ in->bytes.p, (size_t)n }, in->cut, message);
	message->skip = skip;
	message->flags |= left == 0 ? MESSAGE_END : 0;
	stream->left = left;
	stream->phase = left == 0 ? PHASE_START : PHASE_ELEMENTS;
	return n;
}

static ssize_t parse_inline(struct redis *redis, const struct parser_input *in, struct message *message)
{
	struct redis_args args;
	struct slice line, word;
	size_t n = redis_read_line(in->bytes, &line);

	if (!redis_is_inline(line))
		return -EPROTO;
	if (n == 0 && !in->cut)
		return 0;
	args = redis_args_of(line);
	if (n > 0 && !redis_next_arg(&args, &word))
		return (ssize_t)n;
	begin_command(redis, line, in->cut, message);
	if (n > 0) {
		message->flags |= MESSAGE_END;
		return (ssize_t)n;
	}
	message->flags |= MESSAGE_TRUNCATED | MESSAGE_UNBOUNDED;
	redis->streams[FLOW_REQUEST].phase = PHASE_CUT;
	return (ssize_t)in->bytes.len;
}

/* What the first element of an aggregate says of it. GUESS_MORE: it is not complete. */
static enum guess read_pushed(struct slice s, enum pushed *ret_pushed)
{
	struct resp_header h = { 0 };
	enum guess guess = s.len > 0 ? resp_read(s, &h) : GUESS_MORE;
	struct slice name;

	*ret_pushed = PUSHED_NOT;
	if (guess != GUESS_YES || h.type != '$' || h.number > NAME_MAX)
		return guess == GUESS_MORE ? GUESS_MORE : GUESS_YES;
	name = slice_from(s, h.len);
	if (name.len < resp_string_len(&h))
		return GUESS_MORE;
	name.len = h.number > 0 ? (size_t)h.number : 0;
	*ret_pushed = pushed_of(name);
	return GUESS_YES;
}

/* Counts a confirmation. Is it the last one that the command `hint` is answered with? */
static bool confirms(struct redis *redis, uint8_t hint)
{
	redis->confirmed++;
	if (redis->confirmed < (hint & HINT_SUBSCRIBE_COUNT))
		return false;
	redis->confirmed = 0;
	return true;
}

/*
 * Does the reply with this header answer no command? In RESP2 only its content tells, when the connection has
 * subscriptions or no command is known to wait. *ret_ambiguous: it may be the confirmation of either of two
 * commands of one kind.
 */
static enum guess is_push(struct redis *redis, uint8_t hint, const struct resp_header *h, struct slice rest,
			  bool *ret_ambiguous)
{
	bool open = hint == 0 || hint & HINT_SUBSCRIBE || redis->subscribed;
	bool may_be_fed = hint == 0 || redis->monitoring;
	enum pushed pushed = PUSHED_NOT;
	enum guess guess;

	redis->confirming = false;
	if (h->type == '+')
		return may_be_fed && h->line.len > 0 && is_digit(h->line.p[0]) ? GUESS_YES : GUESS_NO;
	if (h->type != '>' && (h->type != '*' || !open || h->number < 2))
		return GUESS_NO;
	guess = resp_elements(h) > 0 ? read_pushed(rest, &pushed) : GUESS_YES;
	if (guess == GUESS_MORE)
		return GUESS_MORE;
	redis->confirming = h->type == '*' && pushed < PUSHED_CONFIRMATIONS;
	if (pushed < PUSHED_CONFIRMATIONS &&
	    (hint & ~HINT_SUBSCRIBE_COUNT) == (HINT_SUBSCRIBE | pushed << 4)) {
		*ret_ambiguous = (redis->uncounted & HINT_SUBSCRIBE_WHICH) == pushed << 4 && redis->uncounted;
		return confirms(redis, hint) ? GUESS_NO : GUESS_YES;
	}
	return pushed != PUSHED_NOT || h->type == '>' ? GUESS_YES : GUESS_NO;
}

static void namespace_is(const struct index *index, struct message *message)
{
	message->namespace = (struct slice){ index->text, index->len };
}

/* A reply that answers its command: what it means for those that follow. */
static void answer(struct redis *redis, uint8_t hint, bool error, struct message *message)
{
	redis->failed = error;
	redis->confirmed = 0;
	redis->uncounted = hint & HINT_SUBSCRIBE && !(hint & HINT_SUBSCRIBE_COUNT) ? hint : 0;
	if (error) {
		if (hint == HINT_SELECT || hint == HINT_RESET)
			namespace_is(&redis->database, message);
		return;
	}
	switch (hint) {
	case HINT_RESET:
		redis->subscribed = redis->monitoring = false;
		/* fall through */
	case HINT_SELECT:
		redis->database = redis->selected;
		namespace_is(&redis->database, message);
		break;
	case HINT_MONITOR:
		redis->monitoring = true;
		break;
	case HINT_SYNC:
		message->flags |= MESSAGE_OPAQUE | MESSAGE_END;
		break;
	default:
		break;
	}
}

/* A reply of which not even the first line was captured whole. */
static ssize_t parse_cut_reply(struct redis *redis, const struct parser_input *in, struct message *message)
{
	struct slice s = in->bytes;

	if (redis->subscribed || redis->monitoring || in->hint == 0 || in->hint & HINT_SUBSCRIBE ||
	    s.p[0] == '>' || s.p[0] == '|')
		return -EPROTO;
	message->flags = MESSAGE_BEGIN | MESSAGE_TRUNCATED | MESSAGE_UNBOUNDED;
	if (s.p[0] == '-') {
		message->flags |= MESSAGE_ERROR;
		message->code = resp_error_code(slice_from(s, 1));
	}
	redis->streams[FLOW_RESPONSE].phase = PHASE_CUT;
	return (ssize_t)s.len;
}

static ssize_t parse_reply(struct redis *redis, const struct parser_input *in, struct message *message)
{
	struct stream *stream = &redis->streams[FLOW_RESPONSE];
	struct slice s = in->bytes;
	struct resp_header h;
	bool ambiguous = false;
	enum guess guess;

	/* A master sends these while a replica waits. */
	if (s.p[0] == '\n' && in->hint == HINT_SYNC)
		return 1;
	guess = resp_read(s, &h);
	if (guess == GUESS_MORE && in->cut)
		return parse_cut_reply(redis, in, message);
	if (guess != GUESS_YES)
		return guess == GUESS_MORE ? 0 : -EPROTO;
	stream->left = resp_elements(&h);
	if (h.type == '|') {
		stream->phase = stream->left ? PHASE_SET_ASIDE : PHASE_START;
		return (ssize_t)h.len;
	}

	guess = is_push(redis, in->hint, &h, slice_from(s, h.len), &ambiguous);
	if (guess == GUESS_MORE)
		return 0;
	if (ambiguous)
		return -EPROTO;
	message->flags = MESSAGE_BEGIN;
	message->skip = resp_string_len(&h);
	if (guess == GUESS_YES)
		message->flags |= MESSAGE_INTERIM;
	else
		answer(redis, in->hint, resp_is_error(h.type), message);
	if (resp_is_error(h.type))
		message->flags |= MESSAGE_ERROR;
	if (h.type == '-')
		message->code = resp_error_code(h.line);
	message->flags |= stream->left ? 0 : MESSAGE_END;
	stream->phase = stream->left ? PHASE_ELEMENTS : PHASE_START;
	return (ssize_t)h.len;
}

/* An element in a reply. The first error in it, of a command of a transaction, is the reply's. */
static void read_element(struct redis *redis, const struct resp_header *h, struct message *message)
{
	if (redis->confirming && h->type == ':')
		redis->subscribed = !slice_eq(h->line, SLICE("0"));
	if (!resp_is_error(h->type) || redis->failed)
		return;
	redis->failed = true;
	message->flags |= MESSAGE_ERROR;
	if (h->type == '-')
		message->code = resp_error_code(h->line);
}

/*
 * Elements of an aggregate of any depth, up to the next string: since each aggregate says how many elements
 * it has, one number tells how many are left.
 */
static ssize_t parse_elements(struct redis *redis, enum flow flow, const struct parser_input *in,
			      struct message *message)
{
	struct stream *stream = &redis->streams[flow];
	struct slice s = in->bytes;
	size_t at = 0;

	while (stream->left > 0 && at < s.len && message->skip == 0) {
		struct resp_header h;
		enum guess guess = resp_read(slice_from(s, at), &h);

		if (guess == GUESS_MORE)
			break;
		if (guess == GUESS_NO || (flow == FLOW_REQUEST && (h.type != '$' || h.number < 0)) ||
		    stream->left > LEFT_MAX)
			return -EPROTO;
		at += h.len;
		stream->left += resp_elements(&h) - (h.type != '|');
		message->skip = resp_string_len(&h);
		if (stream->phase == PHASE_ELEMENTS && flow == FLOW_RESPONSE)
			read_element(redis, &h, message);
	}
	if (stream->left > 0)
		return (ssize_t)at;
	message->flags |= stream->phase == PHASE_ELEMENTS ? MESSAGE_END : 0;
	stream->phase = PHASE_START;
	return (ssize_t)at;
}

static ssize_t redis_parse(void *state, enum flow flow, const struct parser_input *in,
			   struct message *ret_message)
{
	struct redis *redis = state;
	ssize_t n = -EPROTO;

	if (in->bytes.len == 0)
		return 0;
	*ret_message = (struct message){ 0 };
	switch (redis->streams[flow].phase) {
	case PHASE_START:
		n = flow == FLOW_RESPONSE   ? parse_reply(redis, in, ret_message)
		    : in->bytes.p[0] == '*' ? parse_array(redis, in, ret_message)
					    : parse_inline(redis, in, ret_message);
		break;
	case PHASE_ELEMENTS:
	case PHASE_SET_ASIDE:
		n = parse_elements(redis, flow, in, ret_message);
		break;
	default:
		break;
	}
	return n == 0 && in->cut ? -EPROTO : n;
}

static enum guess redis_guess(struct slice head, enum flow *ret_flow)
{
	enum guess guess;

	if (head.len == 0)
		return GUESS_MORE;
	guess = head.p[0] == '*' ? redis_guess_array(head) : redis_guess_inline(head);
	if (guess == GUESS_YES)
		*ret_flow = FLOW_REQUEST;
	return guess;
}

/* Do bytes start with a message, whose start is complete, and hold nothing else but messages? */
static bool is_in_step(const struct redis *redis, enum flow flow, struct slice bytes)
{
	struct redis copy = *redis;
	size_t at = 0;

	copy.streams[flow] = (struct stream){ 0 };
	while (at < bytes.len) {
		struct parser_input in = { .bytes = slice_from(bytes, at) };
		struct message m;
		ssize_t n = redis_parse(&copy, flow, &in, &m);

		if (n <= 0)
			return n == 0 && (at > 0 || flow == FLOW_REQUEST);
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
static ssize_t redis_resync(void *state, enum flow flow, struct slice bytes)
{
	struct redis *redis = state;
	size_t at = 0;

	while (at < bytes.len) {
		struct slice rest = slice_from(bytes, at);
		const char *lf = memchr(rest.p, '\n', rest.len);

		if ((flow == FLOW_RESPONSE || redis_guess_array(rest) == GUESS_YES) &&
		    is_in_step(redis, flow, rest)) {
			redis->streams[flow] = (struct stream){ 0 };
			redis->confirmed = redis->uncounted = 0;
			return (ssize_t)at;
		}
		if (!lf || flow == FLOW_RESPONSE)
			return -ENOENT;
		at += (size_t)(lf - rest.p) + 1;
	}
	return -ENOENT;
}

static bool redis_ends(void *state, enum flow flow, struct slice tail, struct message *ret_message)
{
	(void)state;
	(void)flow;
	(void)ret_message;
	return slice_ends(tail, SLICE("\r\n"));
}

const struct parser redis_parser = {
	.name = "redis",
	.db_system = "redis",
	.whole = true,
	.state_size = sizeof(struct redis),
	.guess = redis_guess,
	.parse = redis_parse,
	.resync = redis_resync,
	.ends = redis_ends,
	.describe = redis_describe,
};
