/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of Redis: what matters of them to a connection, and how they are shown. */
#pragma once

#include "parser.h"
#include "statement.h"

enum redis_kind {
	REDIS_PLAIN,
	REDIS_GROUP, /* the first argument belongs to the name */
	REDIS_SELECT,
	REDIS_RESET,
	REDIS_CLIENT, /* a group */
	REDIS_MONITOR,
	REDIS_SYNC,
	REDIS_SUBSCRIBE,
	REDIS_STREAM,  /* adds to a stream */
	REDIS_STREAMS, /* reads streams */
};

enum redis_command_flag {
	REDIS_SECRET = 1 << 0, /* its arguments are never shown */
	REDIS_STARTS = 1 << 1, /* an inline one tells the protocol: it is no word of another one */
};

struct redis_command {
	struct slice name;
	uint8_t kind;  /* enum redis_kind */
	uint8_t flags; /* enum redis_command_flag */
};

/* The command of that name; a plain one when it is not known. */
const struct redis_command *redis_command(struct slice name);

/* The arguments of a command, as far as they were captured. */
struct redis_args {
	struct slice rest;
	bool is_inline;
	uint64_t left; /* of an array */
};

/* text: an array or an inline command, its end may be missing. */
struct redis_args redis_args_of(struct slice text);

/* False: there is none, or it was not captured whole. *ret_arg is then what there is of it. */
bool redis_next_arg(struct redis_args *args, struct slice *ret_arg);

/* parser.describe(): operation "CONFIG SET", text "CONFIG SET ? ?", and the stream that is written or read.
 */
void redis_describe(struct slice text, bool raw, struct statement *ret_statement);

/* The length of the line that s starts with, its end included, 0: incomplete; *ret_line is without its end.
 */
size_t redis_read_line(struct slice s, struct slice *ret_line);

/* Might somebody type such a line? Control characters are never a part of one. */
bool redis_is_inline(struct slice line);

/* Does s, not empty, start with a command as clients send it: an array that starts with a word? */
enum guess redis_guess_array(struct slice s);

/* With an inline command whose word is no other protocol's? IRC's PING has an argument. */
enum guess redis_guess_inline(struct slice s);
