/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.0 and HTTP/1.1 as they stand on the wire: RFC 9112 (framing) and RFC 9110 (fields). */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "parser.h"

/* Longest start line that is looked for where none is known to be (RFC 9112 section 3 asks for 8,000). */
#define START_LINE_MAX 8192
/* Longest chunk-size line, and longest last chunk with its trailer fields. */
#define FRAMING_MAX 8192

/* What a response has to know of its request; 0 is left for "no request known". */
enum hint {
	HINT_OTHER = 1,
	HINT_HEAD,
	HINT_CONNECT,
};

/* What comes next in one direction. */
enum phase {
	PHASE_HEAD,
	PHASE_CHUNK,     /* the first chunk-size line of a body */
	PHASE_CHUNK_END, /* the line end after a chunk's data and the next chunk-size line */
	PHASE_CUT,       /* the rest of a message whose head was cut */
};

struct stream {
	uint32_t searched; /* leading bytes of an incomplete head that do not hold its end */
	uint8_t phase;     /* enum phase */
	bool bodyless;     /* PHASE_CUT: as far as known, the message ends with its head */
};

struct http1 {
	struct stream streams[2]; /* by enum flow */
};
static_assert(sizeof(struct http1) <= PARSER_STATE_MAX, "a connection has no room for the state");

struct start_line {
	struct slice method;
	struct slice target;
	int status;
	int minor;  /* of HTTP/1.minor */
	size_t len; /* line end included; 0: incomplete */
};

/* What the fields of a head say of its message's end and of the connection. */
struct fields {
	bool close;
	bool held; /* Expect: 100-continue (RFC 9110 section 10.1.1) */
	bool keep_alive;
	bool coded;   /* there is a transfer coding ... */
	bool chunked; /* ... and the final one is chunked */
	bool encoded; /* a content coding, or another transfer coding than chunked */
	bool has_length;
	bool bad_length;
	uint64_t length;
};

enum {
	TARGET = 1 << 0, /* what servers take in a target: all but white space and controls */
	TOKEN = 1 << 1,  /* RFC 9110 section 5.6.2 */
	TOKEN_TARGET = TOKEN | TARGET,
};

static const unsigned char char_class[256] = {
	['!'] = TOKEN_TARGET,          ['"'] = TARGET,
	['#' ... '\''] = TOKEN_TARGET, ['(' ... ')'] = TARGET,
	['*' ... '+'] = TOKEN_TARGET,  [','] = TARGET,
	['-' ... '.'] = TOKEN_TARGET,  ['/'] = TARGET,
	['0' ... '9'] = TOKEN_TARGET,  [':' ... '@'] = TARGET,
	['A' ... 'Z'] = TOKEN_TARGET,  ['[' ... ']'] = TARGET,
	['^' ... 'z'] = TOKEN_TARGET,  ['{'] = TARGET,
	['|'] = TOKEN_TARGET,          ['}'] = TARGET,
	['~'] = TOKEN_TARGET,          [0x80 ... 0xff] = TARGET,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	c = ascii_lower(c);
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Line ends count too: they are inside a field value that is folded (RFC 9112 section 5.2). */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice at_most(struct slice s, size_t len)
{
	return (struct slice){ s.p, s.len < len ? s.len : len };
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.p[0]))
		s = slice_from(s, 1);
	return s;
}

/* All of s as a number, for lengths: -EPROTO when it is none or has more than 63 bits. */
static int read_number(struct slice s, unsigned base, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (s.len == 0)
		return -EPROTO;
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.p[i]);
		unsigned digit = (unsigned char)c - (is_digit(c) ? '0' : 'a' - 10);

		if (!is_hex(c) || digit >= base || number > ((uint64_t)INT64_MAX - digit) / base)
			return -EPROTO;
		number = number * base + digit;
	}
	*ret_number = number;
	return 0;
}

/* Takes the first element off a comma-separated list, skipping empty ones (RFC 9110 section 5.6.1). */
static bool next_element(struct slice *list, struct slice *ret_element)
{
	while (list->len > 0) {
		const char *comma = memchr(list->p, ',', list->len);
		size_t len = comma ? (size_t)(comma - list->p) : list->len;

		*ret_element = trim((struct slice){ list->p, len });
		*list = slice_from(*list, len + 1);
		if (ret_element->len > 0)
			return true;
	}
	return false;
}

/* Is there a line end at `at`? Sets *ret_next to the offset behind it. LF alone: RFC 9112 section 2.2. */
static enum guess line_end(struct slice s, size_t at, size_t *ret_next)
{
	if (at < s.len && s.p[at] == '\r')
		at++;
	if (at >= s.len)
		return GUESS_MORE;
	if (s.p[at] != '\n')
		return GUESS_NO;
	*ret_next = at + 1;
	return GUESS_YES;
}

/* Steps over the empty lines that s starts with. GUESS_MORE: and all that follows may be one too. */
static enum guess empty_lines(struct slice s, size_t *ret_len)
{
	enum guess guess;

	*ret_len = 0;
	do
		guess = line_end(s, *ret_len, ret_len);
	while (guess == GUESS_YES);
	return guess;
}

/* Offset behind the first empty line that follows a line end at or after `from`; 0: there is none. */
static size_t head_end(struct slice s, size_t from)
{
	const char *lf;

	while ((lf = memchr(s.p + from, '\n', s.len - from))) {
		from = (size_t)(lf - s.p) + 1;
		if (line_end(s, from, &from) == GUESS_YES)
			return from;
	}
	return 0;
}

static size_t skip_class(struct slice s, size_t at, unsigned char class)
{
	while (at < s.len && char_class[(unsigned char)s.p[at]] & class)
		at++;
	return at;
}

/* "HTTP/1." and a digit at *at, which is moved behind them. */
static enum guess read_version(struct slice s, size_t *at, struct start_line *line)
{
	struct slice rest = slice_from(s, *at);
	struct slice prefix = SLICE("HTTP/1.");

	if (!slice_starts(rest, prefix))
		return slice_starts(prefix, rest) ? GUESS_MORE : GUESS_NO;
	if (rest.len == prefix.len)
		return GUESS_MORE;
	if (!is_digit(rest.p[prefix.len]))
		return GUESS_NO;
	line->minor = rest.p[prefix.len] - '0';
	*at += prefix.len + 1;
	return GUESS_YES;
}

/* RFC 9112 section 3. GUESS_MORE: right as far as it goes; *line holds the parts that were seen. */
static enum guess read_request_line(struct slice s, struct start_line *line)
{
	size_t start, at = skip_class(s, 0, TOKEN);
	enum guess guess;

	if (at == s.len)
		return GUESS_MORE;
	if (at == 0 || s.p[at] != ' ')
		return GUESS_NO;
	line->method = (struct slice){ s.p, at };

	start = at + 1;
	at = skip_class(s, start, TARGET);
	line->target = (struct slice){ s.p + start, at - start };
	if (at == s.len)
		return GUESS_MORE;
	if (at == start || s.p[at] != ' ')
		return GUESS_NO;

	at++;
	guess = read_version(s, &at, line);
	return guess == GUESS_YES ? line_end(s, at, &line->len) : guess;
}

/* RFC 9112 section 4; the reason may be missing, and the space before it too. */
static enum guess read_status_line(struct slice s, struct start_line *line)
{
	size_t at = 0, digits;
	enum guess guess = read_version(s, &at, line);

	if (guess != GUESS_YES)
		return guess;
	if (at == s.len)
		return GUESS_MORE;
	if (s.p[at++] != ' ')
		return GUESS_NO;

	digits = at;
	while (at < s.len && at < digits + 3 && is_digit(s.p[at]))
		at++;
	if (at > digits && s.p[digits] == '0')
		return GUESS_NO;
	if (at < digits + 3)
		return at == s.len ? GUESS_MORE : GUESS_NO;
	line->status = (s.p[digits] - '0') * 100 + (s.p[digits + 1] - '0') * 10 + (s.p[digits + 2] - '0');

	if (at < s.len && s.p[at] == ' ')
		while (at < s.len && ((unsigned char)s.p[at] >= ' ' || s.p[at] == '\t') && s.p[at] != 0x7f)
			at++;
	return line_end(s, at, &line->len);
}

static enum guess read_start_line(enum flow flow, struct slice s, struct start_line *ret_line)
{
	*ret_line = (struct start_line){ 0 };
	return flow == FLOW_REQUEST ? read_request_line(s, ret_line) : read_status_line(s, ret_line);
}

/* RFC 9110 section 8.6: equal values may be repeated, in a list or in several fields. */
static void read_content_length(struct fields *fields, struct slice value)
{
	struct slice element;

	if (value.len == 0)
		fields->bad_length = true;
	while (next_element(&value, &element)) {
		uint64_t length;

		if (read_number(element, 10, &length) < 0 ||
		    (fields->has_length && length != fields->length)) {
			fields->bad_length = true;
			return;
		}
		fields->has_length = true;
		fields->length = length;
	}
}

static void read_transfer_encoding(struct fields *fields, struct slice value)
{
	struct slice coding;

	while (next_element(&value, &coding)) {
		fields->coded = true;
		fields->chunked = slice_ieq(coding, SLICE("chunked"));
		fields->encoded |= !fields->chunked;
	}
}

/* RFC 9110 section 8.4: identity is none. */
static void read_content_encoding(struct fields *fields, struct slice value)
{
	struct slice coding;

	while (next_element(&value, &coding))
		fields->encoded |= !slice_ieq(coding, SLICE("identity"));
}

static void read_connection(struct fields *fields, struct slice value)
{
	struct slice option;

	while (next_element(&value, &option)) {
		fields->close |= slice_ieq(option, SLICE("close"));
		fields->keep_alive |= slice_ieq(option, SLICE("keep-alive"));
	}
}

static void read_expect(struct fields *fields, struct slice value)
{
	fields->held = slice_ieq(value, SLICE("100-continue"));
}

static const struct known_field {
	struct slice name;
	void (*read)(struct fields *fields, struct slice value); /* or: */
	size_t text; /* offset of the slice in struct message that gets the value */
} known_fields[] = {
	{ SLICE("host"), .text = offsetof(struct message, host) },
	{ SLICE("connection"), .read = read_connection },
	{ SLICE("expect"), .read = read_expect },
	{ SLICE("content-encoding"), .read = read_content_encoding },
	{ SLICE("content-length"), .read = read_content_length },
	{ SLICE("transfer-encoding"), .read = read_transfer_encoding },
	{ SLICE("user-agent"), .text = offsetof(struct message, user_agent) },
	{ SLICE("x-request-id"), .text = offsetof(struct message, request_id) },
	{ SLICE("traceparent"), .text = offsetof(struct message, traceparent) },
	{ SLICE("tracestate"), .text = offsetof(struct message, tracestate) },
	{ SLICE("baggage"), .text = offsetof(struct message, baggage) },
};

static const struct known_field *find_field(struct slice name)
{
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++)
		if (known_fields[i].name.len == name.len && slice_ieq(known_fields[i].name, name))
			return &known_fields[i];
	return NULL;
}

/* The first of several fields of one name counts; but two traceparents leave the parent unknown. */
static void read_field(struct slice line, struct fields *fields, struct message *message)
{
	const char *colon = memchr(line.p, ':', line.len);
	const struct known_field *field;
	struct slice name, value, *text;

	if (!colon)
		return;
	name = (struct slice){ line.p, (size_t)(colon - line.p) };
	while (name.len > 0 && is_space(name.p[name.len - 1]))
		name.len--;
	field = find_field(name);
	if (!field)
		return;

	value = trim(slice_from(line, (size_t)(colon - line.p) + 1));
	if (field->read) {
		field->read(fields, value);
		return;
	}
	text = (struct slice *)((char *)message + field->text);
	if (!text->p)
		*text = value;
	else if (text == &message->traceparent)
		text->len = 0;
}

/* Reads the field lines from *at on, and moves it behind them. True: the empty line was among them. */
static bool read_fields(struct slice s, size_t *at, struct fields *fields, struct message *message)
{
	const char *lf;

	while ((lf = memchr(s.p + *at, '\n', s.len - *at))) {
		size_t start = *at, next = (size_t)(lf - s.p) + 1;

		if (line_end(s, start, at) == GUESS_YES)
			return true;
		while (next < s.len && (s.p[next] == ' ' || s.p[next] == '\t')) {
			lf = memchr(s.p + next, '\n', s.len - next);
			if (!lf)
				return false;
			next = (size_t)(lf - s.p) + 1;
		}
		read_field((struct slice){ s.p + start, next - start }, fields, message);
		*at = next;
	}
	return false;
}

/*
 * The host that the target itself names, which then overrides Host (RFC 9112 sections 3.2.2 and
 * 3.3); empty for the origin and asterisk forms. User information is no part of it.
 */
static struct slice target_host(struct slice method, struct slice target)
{
	struct slice host, separator = SLICE("://");
	size_t scheme = 0, end = 0;

	if (target.p[0] == '/')
		return (struct slice){ 0 };
	if (slice_eq(method, SLICE("CONNECT")))
		return target;
	while (scheme < target.len && target.p[scheme] != ':' && target.p[scheme] != '/')
		scheme++;
	host = slice_from(target, scheme);
	if (!slice_starts(host, separator))
		return (struct slice){ 0 };
	host = slice_from(host, separator.len);
	while (end < host.len && !strchr("/?#", host.p[end]))
		end++;
	host.len = end;
	while (end > 0 && host.p[end - 1] != '@')
		end--;
	return slice_from(host, end);
}

static void begin_request(const struct start_line *line, struct message *message)
{
	message->method = line->method;
	message->target = line->target;
	message->hint = slice_eq(line->method, SLICE("HEAD"))      ? HINT_HEAD
			: slice_eq(line->method, SLICE("CONNECT")) ? HINT_CONNECT
								   : HINT_OTHER;
	if (line->len > 0) {
		struct slice host = target_host(line->method, line->target);

		if (host.len > 0)
			message->host = host;
	}
}

static bool opens_tunnel(int status, uint8_t hint)
{
	return status == 101 || (hint == HINT_CONNECT && status / 100 == 2);
}

static void begin_response(const struct start_line *line, uint8_t hint, struct message *message)
{
	message->status = line->status;
	if (opens_tunnel(line->status, hint))
		message->flags |= MESSAGE_OPAQUE;
	else if (line->status / 100 == 1)
		message->flags |= MESSAGE_INTERIM;
}

/* Does the message end with its head, as far as its fields are known (RFC 9112 section 6.3)? */
static bool is_bodyless(enum flow flow, const struct fields *fields, int status, uint8_t hint)
{
	if (flow == FLOW_RESPONSE && (status / 100 == 1 || status == 204 || status == 304 ||
				      hint == HINT_HEAD || opens_tunnel(status, hint)))
		return true;
	if (fields->coded || fields->bad_length)
		return false;
	return fields->length == 0 && (flow == FLOW_REQUEST || fields->has_length);
}

/*
 * Does the connection close after the message, as far as its head is known? HTTP/1.0 has to ask for the
 * opposite (RFC 9112 section 9.3), and has no transfer codings (section 6.1).
 */
static bool is_last(const struct start_line *line, const struct fields *fields, bool complete)
{
	return fields->close || (complete && line->minor == 0 && (!fields->keep_alive || fields->coded));
}

/* RFC 9112 section 6.3: where the message of a complete head ends. */
static int frame_body(struct stream *stream, enum flow flow, const struct fields *fields, uint8_t hint,
		      struct message *message)
{
	if (is_bodyless(flow, fields, message->status, hint)) {
		message->flags |= MESSAGE_END;
	} else if (fields->chunked) {
		stream->phase = PHASE_CHUNK;
	} else if (fields->coded ? flow == FLOW_REQUEST : fields->bad_length) {
		return -EPROTO;
	} else if (fields->coded || !fields->has_length) {
		message->skip = SKIP_TO_CLOSE;
		message->flags |= MESSAGE_END | MESSAGE_LAST;
	} else {
		message->skip = fields->length;
		message->flags |= MESSAGE_END;
	}
	return 0;
}

static ssize_t parse_head(struct stream *stream, enum flow flow, const struct parser_input *in,
			  struct message *message)
{
	struct slice s = in->bytes;
	struct fields fields = { 0 };
	struct start_line line;
	enum guess guess;
	bool complete;
	size_t at;

	if (flow == FLOW_REQUEST) {
		guess = empty_lines(s, &at);
		if (at > 0)
			return (ssize_t)at;
		if (guess == GUESS_MORE)
			return 0;
	}
	/* Back over a line end and a CR, which the last call has seen without what follows. */
	if (stream->searched > 2 && stream->searched <= s.len && !in->cut &&
	    !head_end(s, stream->searched - 2))
		return 0;

	guess = read_start_line(flow, s, &line);
	if (guess == GUESS_NO)
		return -EPROTO;
	at = line.len;
	complete = guess == GUESS_YES && read_fields(s, &at, &fields, message);
	if (!complete && (!in->cut || (line.target.len == 0 && line.status == 0)))
		return 0;

	message->flags |=
		MESSAGE_BEGIN | (fields.held ? MESSAGE_HELD : 0) | (fields.encoded ? MESSAGE_ENCODED : 0);
	if (flow == FLOW_REQUEST)
		begin_request(&line, message);
	else
		begin_response(&line, in->hint, message);
	if (!(message->flags & (MESSAGE_INTERIM | MESSAGE_OPAQUE)) && is_last(&line, &fields, complete))
		message->flags |= MESSAGE_LAST;

	if (!complete) {
		message->flags |= MESSAGE_TRUNCATED;
		message->flags |= message->flags & MESSAGE_OPAQUE ? MESSAGE_END : MESSAGE_UNBOUNDED;
		stream->phase = PHASE_CUT;
		stream->bodyless = is_bodyless(flow, &fields, line.status, in->hint);
		return (ssize_t)s.len;
	}
	return frame_body(stream, flow, &fields, in->hint, message) < 0 ? -EPROTO : (ssize_t)at;
}

/*
 * RFC 9112 section 7.1: the end of the chunk before and a chunk-size line; of the last chunk, the
 * trailer fields too.
 */
static ssize_t parse_chunk(struct stream *stream, struct slice s, struct message *message)
{
	size_t digits, at = 0;
	enum guess guess;
	uint64_t size;

	if (stream->phase == PHASE_CHUNK_END) {
		guess = line_end(s, 0, &at);
		if (guess != GUESS_YES)
			return guess == GUESS_MORE ? 0 : -EPROTO;
	}
	digits = at;
	while (at < s.len && is_hex(s.p[at]))
		at++;
	if (at == s.len)
		return 0;
	if (read_number((struct slice){ s.p + digits, at - digits }, 16, &size) < 0)
		return -EPROTO;
	if (s.p[at] == ';' || s.p[at] == ' ' || s.p[at] == '\t') {
		const char *lf = memchr(s.p + at, '\n', s.len - at);

		if (!lf)
			return 0;
		at = (size_t)(lf - s.p);
	}
	guess = line_end(s, at, &at);
	if (guess != GUESS_YES)
		return guess == GUESS_MORE ? 0 : -EPROTO;

	if (size > 0) {
		message->skip = size;
		stream->phase = PHASE_CHUNK_END;
		return (ssize_t)at;
	}
	at = head_end(s, at - 1);
	if (at > 0) {
		message->flags = MESSAGE_END;
		stream->phase = PHASE_HEAD;
	}
	return (ssize_t)at;
}

static ssize_t http1_parse(void *state, enum flow flow, const struct parser_input *in,
			   struct message *ret_message)
{
	struct stream *stream = &((struct http1 *)state)->streams[flow];
	ssize_t n = -EPROTO;

	if (in->bytes.len == 0)
		return 0;
	*ret_message = (struct message){ 0 };
	if (stream->phase == PHASE_HEAD)
		n = parse_head(stream, flow, in, ret_message);
	else if (stream->phase != PHASE_CUT)
		n = parse_chunk(stream, at_most(in->bytes, FRAMING_MAX), ret_message);
	if (n == 0 && (in->cut || (stream->phase != PHASE_HEAD && in->bytes.len >= FRAMING_MAX)))
		n = -EPROTO;
	stream->searched = n == 0 ? (uint32_t)in->bytes.len : 0;
	return n;
}

static enum guess http1_guess(struct slice head, enum flow *ret_flow)
{
	enum guess request, response;
	struct start_line line;
	size_t empty;

	head = at_most(head, START_LINE_MAX);
	response = read_start_line(FLOW_RESPONSE, head, &line);
	request = empty_lines(head, &empty);
	if (request == GUESS_NO)
		request = read_start_line(FLOW_REQUEST, slice_from(head, empty), &line);
	if (request == GUESS_YES)
		*ret_flow = FLOW_REQUEST;
	if (response == GUESS_YES)
		*ret_flow = FLOW_RESPONSE;
	if (request == GUESS_YES || response == GUESS_YES)
		return GUESS_YES;
	if (head.len == START_LINE_MAX || (request == GUESS_NO && response == GUESS_NO))
		return GUESS_NO;
	return GUESS_MORE;
}

/* Offset behind the first CRLF that ends at or after `at`; s.len: there is none. */
static size_t next_line(struct slice s, size_t at)
{
	const char *lf;

	while ((lf = memchr(s.p + at, '\n', s.len - at))) {
		at = (size_t)(lf - s.p) + 1;
		if (at > 1 && s.p[at - 2] == '\r')
			return at;
	}
	return s.len;
}

static ssize_t http1_resync(void *state, enum flow flow, struct slice bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		struct parser_input in = { .bytes = slice_from(bytes, at) };
		struct stream fresh = { 0 };
		struct message message = { 0 };
		struct start_line line;

		if (read_start_line(flow, at_most(in.bytes, START_LINE_MAX), &line) == GUESS_YES) {
			if (parse_head(&fresh, flow, &in, &message) >= 0) {
				((struct http1 *)state)->streams[flow] = (struct stream){ 0 };
				return (ssize_t)at;
			}
			at += head_end(in.bytes, 0);
		} else {
			at = next_line(bytes, at);
		}
	}
	return -ENOENT;
}

static bool http1_ends(void *state, enum flow flow, struct slice tail, struct message *ret_message)
{
	const struct stream *stream = &((struct http1 *)state)->streams[flow];

	(void)ret_message;
	if (stream->phase == PHASE_CHUNK || stream->phase == PHASE_CHUNK_END)
		return slice_ends(tail, SLICE("\r\n0\r\n\r\n")) || slice_eq(tail, SLICE("0\r\n\r\n"));
	return stream->phase == PHASE_CUT && stream->bodyless && slice_ends(tail, SLICE("\r\n\r\n"));
}

const struct parser http1_parser = {
	.name = "http",
	.state_size = sizeof(struct http1),
	.guess = http1_guess,
	.parse = http1_parse,
	.resync = http1_resync,
	.ends = http1_ends,
};
