/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.0 and HTTP/1.1 as they stand on the wire: RFC 9112 (framing) and RFC 9110 (fields). */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "http1_fields.h"
#include "http1_line.h"
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

static struct slice at_most(struct slice s, size_t len)
{
	return (struct slice){ s.p, s.len < len ? s.len : len };
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

static void begin_request(const struct http1_line *line, struct message *message)
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

static void begin_response(const struct http1_line *line, uint8_t hint, struct message *message)
{
	message->status = line->status;
	if (opens_tunnel(line->status, hint))
		message->flags |= MESSAGE_OPAQUE;
	else if (line->status / 100 == 1)
		message->flags |= MESSAGE_INTERIM;
}

/* Does the message end with its head, as far as its fields are known (RFC 9112 section 6.3)? */
static bool is_bodyless(enum flow flow, const struct http1_fields *fields, int status, uint8_t hint)
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
static bool is_last(const struct http1_line *line, const struct http1_fields *fields, bool complete)
{
	return fields->close || (complete && line->minor == 0 && (!fields->keep_alive || fields->coded));
}

/* RFC 9112 section 6.3: where the message of a complete head ends. */
static int frame_body(struct stream *stream, enum flow flow, const struct http1_fields *fields, uint8_t hint,
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
	struct http1_fields fields = { 0 };
	struct http1_line line;
	enum guess guess;
	bool complete;
	size_t at;

	if (flow == FLOW_REQUEST) {
		guess = http1_empty_lines(s, &at);
		if (at > 0)
			return (ssize_t)at;
		if (guess == GUESS_MORE)
			return 0;
	}
	/* Back over a line end and a CR, which the last call has seen without what follows. */
	if (stream->searched > 2 && stream->searched <= s.len && !in->cut &&
	    !http1_head_end(s, stream->searched - 2))
		return 0;

	guess = http1_read_line(flow, s, &line);
	if (guess == GUESS_NO)
		return -EPROTO;
	at = line.len;
	complete = guess == GUESS_YES && http1_read_fields(s, &at, &fields, message);
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
		guess = http1_line_end(s, 0, &at);
		if (guess != GUESS_YES)
			return guess == GUESS_MORE ? 0 : -EPROTO;
	}
	digits = at;
	while (at < s.len && http1_is_hex(s.p[at]))
		at++;
	if (at == s.len)
		return 0;
	if (http1_read_number((struct slice){ s.p + digits, at - digits }, 16, &size) < 0)
		return -EPROTO;
	if (s.p[at] == ';' || s.p[at] == ' ' || s.p[at] == '\t') {
		const char *lf = memchr(s.p + at, '\n', s.len - at);

		if (!lf)
			return 0;
		at = (size_t)(lf - s.p);
	}
	guess = http1_line_end(s, at, &at);
	if (guess != GUESS_YES)
		return guess == GUESS_MORE ? 0 : -EPROTO;

	if (size > 0) {
		message->skip = size;
		stream->phase = PHASE_CHUNK_END;
		return (ssize_t)at;
	}
	at = http1_head_end(s, at - 1);
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
	struct http1_line line;
	size_t empty;

	head = at_most(head, START_LINE_MAX);
	response = http1_read_line(FLOW_RESPONSE, head, &line);
	request = http1_empty_lines(head, &empty);
	if (request == GUESS_NO)
		request = http1_read_line(FLOW_REQUEST, slice_from(head, empty), &line);
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
		struct http1_line line;

		if (http1_read_line(flow, at_most(in.bytes, START_LINE_MAX), &line) == GUESS_YES) {
			if (parse_head(&fresh, flow, &in, &message) >= 0) {
				((struct http1 *)state)->streams[flow] = (struct stream){ 0 };
				return (ssize_t)at;
			}
			at += http1_head_end(in.bytes, 0);
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
