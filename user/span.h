/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation: a request that a process answered (server), sent (client) or worked on (internal).
 * Spans come from a pool. The spine (one thread) fills them in; once handed to export they are
 * read-only, and every exporter holds a reference until it is done.
 */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum span_kind {
	SPAN_SERVER,
	SPAN_CLIENT,
	SPAN_INTERNAL,
};

/* How the parent is known, strongest first; the name in outputs is evidence_name(). */
enum evidence {
	EVIDENCE_UNKNOWN, /* no parent, and no proof that there is none */
	EVIDENCE_TRACEPARENT,
	EVIDENCE_SOCKET,
	EVIDENCE_REQUEST_ID,
	EVIDENCE_THREAD,
	EVIDENCE_TURN,
	EVIDENCE_WAKEUP,
	EVIDENCE_ANSWER,
	EVIDENCE_CONTEXT,
	EVIDENCE_ASYNC_ID,
	EVIDENCE_GOROUTINE,
	EVIDENCES,
};

/* Texts of a span, each with its own limit (span.c). */
enum span_text {
	TEXT_METHOD,
	TEXT_PATH,  /* without the query */
	TEXT_QUERY, /* secrets already REDACTED */
	TEXT_ROUTE, /* low-cardinality form of the path */
	TEXT_HOST,
	TEXT_USER_AGENT,
	TEXT_REQUEST_ID,
	TEXT_TRACESTATE,
	TEXT_PEER_SERVICE, /* service name of the other end, when it is traced too */
	TEXT_SOCKET_PATH,  /* of a unix socket */

	/* databases; TEXT_METHOD is the operation: */
	TEXT_SUMMARY, /* low cardinality: "SELECT orders" */
	TEXT_COLLECTION,
	TEXT_NAMESPACE,
	TEXT_STATEMENT,   /* literals replaced by ? */
	TEXT_DESTINATION, /* of a message: the stream's name */
	TEXT_STATUS_CODE, /* of the response */
	SPAN_TEXTS,
};

#define SPAN_TEXT_BYTES 1280

#define SPAN_ATTRIBUTES_MAX 12

enum attribute_type {
	ATTRIBUTE_INTEGER,
	ATTRIBUTE_DOUBLE,
	ATTRIBUTE_BOOL,
	ATTRIBUTE_TEXT,
};

/* A value that a span has beside those of its protocol. */
struct attribute {
	const char *name; /* outlives the span */
	enum attribute_type type;
	union {
		int64_t integer;
		double number;
		bool truth;
		struct {
			uint16_t at, len; /* in the span's texts */
		} text;
	};
};

struct address {
	sa_family_t family; /* AF_INET, AF_INET6, AF_UNIX; 0: not known */
	uint16_t port;      /* host byte order */
	uint8_t ip[16];     /* network byte order; the first 4 for AF_INET */
};

struct process; /* target.h */

struct span {
	_Atomic uint32_t refs;
	enum span_kind kind;
	enum evidence evidence;
	bool contradicted; /* weaker evidence named another parent */
	bool has_parent;   /* parent_id is valid */
	bool parent_local; /* the parent is a span of ours, exported before or after this one */
	bool incomplete;   /* bytes of it were lost: sizes and times are lower bounds */
	bool losses;       /* something was lost while it was open: its trace may lack spans */
	bool sampled;      /* of so many connections one was followed: its own (SAMPLED_ONE_OF) */
	bool orphan;    /* its parent is a span of ours that is not there; in copies of it (trace_page.c) */
	bool truncated; /* its head was longer than what is captured: texts may be missing */
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8];

	uint64_t start_ns;      /* CLOCK_MONOTONIC: first byte of the request */
	uint64_t first_byte_ns; /* first byte of the response; 0: none came */
	uint64_t end_ns;        /* last byte of the response, or the failure */
	uint64_t request_len;   /* body bytes, without heads and framing */
	uint64_t response_len;
	int status;             /* 0: none */
	const char *error_type; /* static string, OpenTelemetry error.type; NULL: no error */
	/* Static string: "http", "postgresql", "function"; "tcp" when connecting failed. */
	const char *protocol;
	const char *db_system; /* static string, db.system.name; NULL: no database */
	uint64_t rows;         /* returned or affected */
	bool has_rows;         /* rows is known */
	bool failed;           /* a database's response was an error; TEXT_STATUS_CODE says which */
	const char *function;  /* of an internal span: its function's name, which outlives the span */

	const struct process *process;
	uint32_t pid;
	uint32_t tid; /* thread that received or sent the request */
	struct address local;
	struct address peer;

	uint8_t attributes_len;
	uint16_t text_at[SPAN_TEXTS];
	uint16_t text_len[SPAN_TEXTS];
	uint16_t text_used;
	/* From here on only what the lengths say is set. */
	struct attribute attributes[SPAN_ATTRIBUTES_MAX];
	char text[SPAN_TEXT_BYTES];
};

/* "server", "client", "internal". */
const char *span_kind_name(enum span_kind kind);

/* "unknown", "traceparent", "socket", ... */
const char *evidence_name(enum evidence evidence);

/* The text, empty when absent. Points into the span. */
struct slice span_text(const struct span *span, enum span_text which);

/* Copies as much of text as the field's limit and the span's room allow; a cut sets truncated. */
void span_set_text(struct span *span, enum span_text which, struct slice text);

/* The next attribute, to be given its type and value; NULL when there is no room. */
struct attribute *span_add_attribute(struct span *span, const char *name);

/* A text of at most max bytes; a cut sets truncated. */
void span_add_text_attribute(struct span *span, const char *name, struct slice text, size_t max);

/* The text of an attribute that is one. Points into the span. */
struct slice span_attribute_text(const struct span *span, const struct attribute *a);

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; empty when not known. In buf. */
#define SPAN_ADDRESS_MAX 128
struct slice span_address(const struct span *span, const struct address *a, char buf[SPAN_ADDRESS_MAX]);

/*
 * Whom a client called: the service at the other end when it is traced too, else the Host that it asked for,
 * else the address, else what kind of database it was. In the span or in buf, or static; never empty.
 */
struct slice span_target(const struct span *span, char buf[SPAN_ADDRESS_MAX]);

/* "GET /orders/{id}", the operation alone, or the function. In buf, or outlives the span. */
#define SPAN_NAME_MAX 296
struct slice span_name(const struct span *span, char buf[SPAN_NAME_MAX]);

/* OpenTelemetry error.type; empty: none. Static or in the span. */
struct slice span_error(const struct span *span);

/* 5xx of a server, 4xx and 5xx of a client, or any error_type (OpenTelemetry HTTP conventions). */
bool span_failed(const struct span *span);

/* Any thread; the last one returns the span to its pool (work.c). */
void span_ref(struct span *span);
void span_unref(struct span *span);
