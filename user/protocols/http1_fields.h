/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an HTTP/1 head: RFC 9110 sections 5, 8 and 10, RFC 9112 sections 5 to 7. */
#pragma once

#include "parser.h"

/* What the fields of a head say of its message's end and of the connection. */
struct http1_fields {
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

/*
 * Reads the field lines from *at on, and moves it behind them. Fills in *fields, and of *message the texts
 * that are fields. True: the empty line was among them.
 */
bool http1_read_fields(struct slice s, size_t *at, struct http1_fields *fields, struct message *message);
