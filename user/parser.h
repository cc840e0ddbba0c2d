/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol is to the rest of Spanhook: bytes of one direction of one connection in,
 * messages out. A parser never allocates, logs, blocks or sees a socket, and accepts any bytes.
 * One protocol is one file in protocols/ and one row in protocols.def.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

/* Bytes of protocol state a connection keeps; every parser's state_size fits (checked at build time). */
#define PARSER_STATE_MAX 128

enum flow {
	FLOW_REQUEST,  /* towards the server */
	FLOW_RESPONSE, /* towards the client */
};

enum guess {
	GUESS_NO,   /* surely another protocol; final */
	GUESS_YES,  /* surely this protocol; final */
	GUESS_MORE, /* too few bytes to tell */
};

enum message_flag {
	MESSAGE_BEGIN = 1 << 0,     /* a message starts with this step: its head fields are valid */
	MESSAGE_END = 1 << 1,       /* the message is complete once `skip` more bytes have passed */
	MESSAGE_INTERIM = 1 << 2,   /* a response that answers no request (pushed), or not yet (1xx) */
	MESSAGE_OPAQUE = 1 << 3,    /* after this message both directions carry another protocol */
	MESSAGE_TRUNCATED = 1 << 4, /* the head was cut: fields may be missing */
	MESSAGE_UNBOUNDED = 1 << 5, /* the head was cut so that the end of the message is not known */
	MESSAGE_ONEWAY = 1 << 6,    /* expects no response */
	MESSAGE_LAST = 1 << 7,      /* the sender says that the connection closes after this message */
	MESSAGE_HELD = 1 << 8,      /* the body is sent only when an interim response asks for it */
	MESSAGE_ERROR = 1 << 9,     /* of a response: the request failed */
	MESSAGE_ROWS = 1 << 10,     /* of a response: rows is valid */
	/*
	 * A request that is no operation of its own, and is no span unless it fails. A quiet response answers
	 * the oldest quiet request; any other one the oldest request that is not quiet, and all quiet ones
	 * before it.
	 */
	MESSAGE_QUIET = 1 << 11,
	/*
	 * A request that ends a group, and is never a span unless it is quiet and fails; the response to it
	 * ends whatever of the group is not answered (it was skipped after an error). Other responses never
	 * reach beyond a barrier.
	 */
	MESSAGE_BARRIER = 1 << 12,
	MESSAGE_SHOWN = 1 << 13,   /* of a quiet request: it is an operation of its own, and a span */
	MESSAGE_ENCODED = 1 << 14, /* the body is compressed, or otherwise not what it stands for */
};

/* A body that ends when its sender closes the connection. */
#define SKIP_TO_CLOSE UINT64_MAX

/*
 * One step of a message: all of it, its head, a piece of its body's framing, or its end.
 * The slices point into the input of the parse() call that filled them in; absent ones are empty. Method,
 * name, namespace and code may be constants instead, or stand in the state until the next call.
 */
struct message {
	unsigned flags;      /* enum message_flag */
	uint64_t key;        /* pairs a response with its request; 0: in order */
	uint64_t skip;       /* body bytes that follow the consumed ones and need not have been captured */
	uint8_t hint;        /* of a request: handed to parse() of its response as input.hint */
	int status;          /* of a response; 0: none */
	struct slice method; /* the request's operation, as it stood on the wire */
	struct slice target; /* the request's target, as it stood on the wire */
	struct slice host;
	struct slice user_agent;
	struct slice request_id;
	struct slice traceparent;
	struct slice tracestate;
	struct slice baggage;

	/* databases: */
	struct slice text;      /* the request's statement, as it stood on the wire; describe() reads it */
	struct slice name;      /* of the prepared statement that the request names */
	struct slice namespace; /* db.namespace of the connection from here on; may point into the state */
	/* db.system.name of the connection from here on, static; NULL: as before, at first the parser's. */
	const char *db_system;
	struct slice code; /* db.response.status_code of a response */
	uint64_t rows;     /* MESSAGE_ROWS: returned or affected */
	/*
	 * Prepared statements, by keys that the parser chooses (not 0) within the connection. prepares: this
	 * request's text, or the one of the request that this response answers, is what the key stands for
	 * from here on. latest: this request's text is what that key stands for, too. prepared: the request
	 * executes what the key stands for.
	 */
	uint64_t prepares;
	uint64_t latest;
	uint64_t prepared;
};

struct statement;

struct parser_input {
	struct slice bytes; /* starts where the last parse() of this flow stopped, its skip included */
	bool cut;           /* the bytes after these were not captured: return what can be told now */
	uint8_t hint; /* for FLOW_RESPONSE: the hint of the request that is next to be answered; 0: none */
};

struct parser {
	const char *name;      /* the span's protocol, as in network.protocol.name */
	const char *db_system; /* db.system.name if no message says another one; NULL: no database */
	/* Framing needs every byte: large transfers are captured in full as far as the kernel side can. */
	bool whole;
	size_t state_size; /* bytes; zeroed before the first use */

	/*
	 * Do a connection's (or, in mid-stream, a direction's) first bytes belong to this protocol?
	 * Strict: GUESS_YES is final. Sets *ret_flow with GUESS_YES only.
	 */
	enum guess (*guess)(struct slice head, enum flow *ret_flow);

	/*
	 * Parses the next step of one direction. Returns the bytes consumed (> 0, at most bytes.len;
	 * *ret_message is filled in), 0 when more bytes are needed (never when in->cut and bytes.len > 0),
	 * or -EPROTO when the bytes are out of step. On 0 and -EPROTO *ret_message is unspecified.
	 * After skip was set, the next call starts behind those bytes.
	 */
	ssize_t (*parse)(void *state, enum flow flow, const struct parser_input *in,
			 struct message *ret_message);

	/*
	 * After a gap or -EPROTO: the offset of the first plausible start of a message in bytes, or
	 * -ENOENT. Resets what state remembers of this flow's current message on success. parse()
	 * does not refuse the same bytes from that offset on.
	 */
	ssize_t (*resync)(void *state, enum flow flow, struct slice bytes);

	/*
	 * Framing was lost inside a message: do the last bytes of an event look like that message's end?
	 * NULL: never. The message goes on if more bytes come that do not start another one. Fills in what
	 * the end says of the response: MESSAGE_ERROR, MESSAGE_ROWS, code and rows.
	 */
	bool (*ends)(void *state, enum flow flow, struct slice tail, struct message *ret_message);

	/* Databases: what text, as parse() found it, asks for. raw: keep literals. As sql_describe(). */
	void (*describe)(struct slice text, bool raw, struct statement *ret_statement);
};

/* All parsers in the order of protocols.def, `parsers_len` of them. */
extern const struct parser *const parsers[];
extern const size_t parsers_len;
