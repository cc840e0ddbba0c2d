/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client/server protocol of MySQL and MariaDB, version 10 with CLIENT_PROTOCOL_41. The names are those of
 * "Client/Server Protocol" in the MySQL source code documentation, and in MariaDB's documentation.
 */
#pragma once

#include <string.h>
#include <sys/types.h>

#include "parser.h"

#define HEADER_LEN         4        /* of a packet: 3 bytes of length, sequence number */
#define PACKET_MAX         0xffffff /* a packet of this length is continued by the next one */
#define SCHEMA_MAX         64       /* bytes of a schema's name */
#define OK_LEN             23       /* of an OK packet, without what it says in words */
#define EOF_LEN            5
#define ERR_LEN            9 /* without its message */
#define CLIENT_PROTOCOL_41 (1 << 9)

struct packet {
	uint32_t len; /* of its payload */
	uint8_t seq;
	struct slice head; /* of its payload, as far as it is there */
};

static inline uint8_t byte_at(struct slice s, size_t at)
{
	return (uint8_t)s.p[at];
}

static inline uint64_t int_at(struct slice s, size_t at, unsigned len)
{
	uint64_t n = 0;

	while (len-- > 0)
		n = n << 8 | byte_at(s, at + len);
	return n;
}

/* The take_ functions move *s behind what they read, and fail when it is not there. */
static inline bool take(struct slice *s, uint64_t len, struct slice *ret)
{
	if (len > s->len)
		return false;
	*ret = (struct slice){ s->p, len };
	*s = slice_from(*s, len);
	return true;
}

static inline bool take_int(struct slice *s, unsigned len, uint64_t *ret)
{
	struct slice bytes;

	if (!take(s, len, &bytes))
		return false;
	*ret = int_at(bytes, 0, len);
	return true;
}

/* int<lenenc> */
static inline bool take_lenenc(struct slice *s, uint64_t *ret)
{
	if (!take_int(s, 1, ret))
		return false;
	if (*ret < 0xfb)
		return true;
	return *ret != 0xfb && *ret != 0xff && take_int(s, *ret == 0xfc ? 2 : *ret == 0xfd ? 3 : 8, ret);
}

/* string<lenenc> */
static inline bool take_string(struct slice *s, struct slice *ret)
{
	uint64_t len;

	return take_lenenc(s, &len) && take(s, len, ret);
}

/* string<NUL> */
static inline bool take_terminated(struct slice *s, struct slice *ret)
{
	const char *nul = s->len ? memchr(s->p, 0, s->len) : NULL;
	struct slice terminator;

	return nul && take(s, (size_t)(nul - s->p), ret) && take(s, 1, &terminator);
}

static inline bool read_packet(struct slice s, struct packet *ret)
{
	if (s.len < HEADER_LEN)
		return false;
	ret->len = (uint32_t)int_at(s, 0, 3);
	ret->seq = byte_at(s, 3);
	ret->head = slice_from(s, HEADER_LEN);
	if (ret->head.len > ret->len)
		ret->head.len = ret->len;
	return true;
}

/* Are the first len bytes of the payload there, or all of it? */
static inline bool is_there(const struct packet *p, size_t len)
{
	return p->head.len >= (p->len < len ? p->len : len);
}

static inline bool is_type(const struct packet *p, uint8_t type)
{
	return p->head.len > 0 && byte_at(p->head, 0) == type;
}

static inline bool is_eof(const struct packet *p)
{
	return is_type(p, 0xfe) && p->len == EOF_LEN;
}

/* The packet is consumed with at most len bytes of its payload; the rest is skipped. */
static inline ssize_t consume(const struct packet *p, size_t len, struct message *m)
{
	if (len > p->head.len)
		len = p->head.len;
	m->skip = p->len - len;
	return (ssize_t)(HEADER_LEN + len);
}

/* An OK packet, with either header, or an EOF packet. */
static inline bool read_ok(struct slice s, uint64_t *ret_affected, uint64_t *ret_status)
{
	uint64_t header, id, warnings;

	*ret_affected = 0;
	if (!take_int(&s, 1, &header))
		return false;
	if (header == 0xfe && s.len == EOF_LEN - 1)
		return take_int(&s, 2, &warnings) && take_int(&s, 2, ret_status);
	return take_lenenc(&s, ret_affected) && take_lenenc(&s, &id) && take_int(&s, 2, ret_status) &&
	       take_int(&s, 2, &warnings);
}

/* The number of columns; MariaDB and MySQL 8 may add whether definitions follow. */
static inline bool read_columns(const struct packet *p, uint32_t *ret_columns)
{
	struct slice s = p->head;
	uint64_t columns, follow = 1;

	if (!take_lenenc(&s, &columns) || columns == 0 || columns > UINT16_MAX)
		return false;
	if (s.len > 0 && (!take_int(&s, 1, &follow) || follow > 1 || s.len > 0))
		return false;
	*ret_columns = follow ? (uint32_t)columns : 0;
	return true;
}

static inline bool is_keyword(struct slice s, struct slice keyword)
{
	char next = s.len > keyword.len ? ascii_lower(s.p[keyword.len]) : ' ';

	return s.len >= keyword.len && slice_ieq((struct slice){ s.p, keyword.len }, keyword) &&
	       !(next >= 'a' && next <= 'z') && !(next >= '0' && next <= '9') && next != '_';
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline struct slice skip_spaces(struct slice s)
{
	while (s.len > 0 && is_space(s.p[0]))
		s = slice_from(s, 1);
	return s;
}

enum server_status {
	SERVER_MORE_RESULTS_EXISTS = 0x0008,
	SERVER_STATUS_CURSOR_EXISTS = 0x0040,
};

/* What a response has to know of its request; 0 is left for "no request known". */
enum hint {
	HINT_OTHER = 1,
	HINT_QUIET,
	HINT_STATEMENT,
	HINT_SCHEMA, /* of success, the connection uses the schema named */
	HINT_FETCH,
	HINT_FIELDS,
	HINT_WORDS, /* a packet of plain text */
	HINT_PREPARE,
	HINT_LOGIN,
	HINTS,
};

/* What comes next of the server. */
enum phase {
	PHASE_START,   /* a response, or what goes before one */
	PHASE_RESULT,  /* another result of the response */
	PHASE_COLUMNS, /* column definitions */
	PHASE_ROWS,
};

struct mysql {
	struct {
		uint64_t rows;         /* of all results */
		uint32_t columns;      /* definitions to come ... */
		uint16_t columns_next; /* ... and those of the next list: a statement's parameters come first
					*/
		uint8_t phase;         /* enum phase */
		uint8_t hint;          /* enum hint */
		uint8_t seq;           /* of the next packet */
		bool any_seq;          /* the client sends packets in between */
		bool continued;
		bool may_separate; /* an EOF packet may come between column definitions and rows */
		bool may_trail; /* EOF packets may follow the definitions that the last response ended with */
	} response;
	bool continued;       /* the client's next packet continues its last one ... */
	bool continues_quiet; /* ... of which nothing is told */
	bool greeted;         /* the client's next packet is its login */
	bool authenticating;  /* packets that belong to a login may follow */
	bool compressed;      /* from the end of the login on */
	bool prepared_last;   /* the statement that was prepared last is known */
	uint8_t schema_len;
	char schema[SCHEMA_MAX]; /* that the connection uses if the server agrees */
	char name[1 + 10];       /* of a prepared statement: "#7" */
	char code[5];            /* of an error */
};

/* As the parse() of struct parser, for one flow each; 0 also when the input is cut. */
ssize_t mysql_parse_request(struct mysql *my, const struct parser_input *in, struct message *m);
ssize_t mysql_parse_response(struct mysql *my, const struct parser_input *in, struct message *m);

/* What a connection's first bytes, or a direction's in mid-stream, tell: as the guess() of struct parser. */
enum guess mysql_guess(struct slice head, enum flow *ret_flow);

/* Is this the start of a statement's text, or of the execution of a prepared one, in one packet? */
bool mysql_is_statement(struct slice s);

/* An error's number as text, which my holds. */
struct slice mysql_code(struct mysql *my, uint64_t code);

/* Is this the greeting of a server (Protocol::HandshakeV10), or the start of one? */
enum guess mysql_greeting(struct slice s);
