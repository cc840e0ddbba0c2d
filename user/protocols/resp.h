/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of RESP2 and RESP3, in which Redis speaks
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 */
#pragma once

#include <stdint.h>

#include "parser.h"

/* Longest line with a number: its type, 19 digits, a sign and the line end. */
#define RESP_NUMBER_LINE_MAX 23
/* Longest line without one. */
#define RESP_LINE_MAX 4096

/* A type, what follows it on its line, and the number that this is, of the types that have one. */
struct resp_header {
	char type;
	struct slice line;
	int64_t number; /* -1: null */
	size_t len;     /* line end included */
};

/*
 * Reads the line that an element starts with; s is not empty. GUESS_MORE: right as far as it goes. RESP3's
 * streamed strings and aggregates, which no server sends, are refused.
 */
enum guess resp_read(struct slice s, struct resp_header *ret_header);

bool resp_is_error(char type);

/* How many elements follow an aggregate's header; 0 for other types. */
uint64_t resp_elements(const struct resp_header *h);

/* The bytes that follow a string's header, line end included; 0 for other types. */
uint64_t resp_string_len(const struct resp_header *h);

/* The first word of an error's line, when it is a code as servers use them ("ERR", "WRONGTYPE"); else empty.
 */
struct slice resp_error_code(struct slice line);
