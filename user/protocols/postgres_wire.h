/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of PostgreSQL's messages, and which bytes are such ones. */
#pragma once

#include "parser.h"

#define POSTGRES_HEADER_LEN 5 /* a type and the length of all but the type */
/* Longest message (PQ_LARGE_MESSAGE_LIMIT), and longest one that is believed where none is known to be. */
#define POSTGRES_MESSAGE_MAX (1U << 30)
#define POSTGRES_GUESS_MAX   ((1U << 24) - 1)
/* Longest start-up packet (MAX_STARTUP_PACKET_LENGTH), and longest command tag (COMPLETION_TAG_BUFSIZE). */
#define POSTGRES_STARTUP_MAX 10000
#define POSTGRES_TAG_MAX     64

/* What stands in the place of a version in a start-up packet. */
enum postgres_startup {
	STARTUP_MAJOR = 3,
	STARTUP_CANCEL = 1234 << 16 | 5678,
	STARTUP_SSL = 1234 << 16 | 5679,
	STARTUP_GSSENC = 1234 << 16 | 5680,
};

static inline uint32_t be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static inline size_t be16(const char *p)
{
	return be32((const char[4]){ 0, 0, p[0], p[1] });
}

static inline struct slice at_most(struct slice s, size_t len)
{
	return (struct slice){ s.p, s.len < len ? s.len : len };
}

/* Takes a string and its NUL off *s; false: the NUL is not there. */
static inline bool take_string(struct slice *s, struct slice *ret_string)
{
	const char *nul = s->len ? memchr(s->p, '\0', s->len) : NULL;

	if (!nul)
		return false;
	*ret_string = (struct slice){ s->p, (size_t)(nul - s->p) };
	*s = slice_from(*s, ret_string->len + 1);
	return true;
}

/*
 * What the body of the message whose header s starts with is made of, and its length; NULL: there is no such
 * one. max: the longest message. 1, 2, 4: an integer of as many bytes; z: a string that ends with NUL; t:
 * such a one, a command tag; f: fields, each a letter and a string, and NUL after all; k: the letter S or P;
 * s: the letter I, T or E; *: any bytes. As many as the integer of 2 bytes before says: h, w: integers of 2,
 * 4 bytes; v: values with their length before each; c: descriptions of columns.
 */
const char *postgres_form(enum flow flow, struct slice s, size_t max, size_t *ret_body_len);

/*
 * Is s a row of messages, of which the last one may not be complete? GUESS_MORE: none that tells is complete.
 * The first one that tells decides, whatever follows it; whole: all of s has to be messages.
 */
enum guess postgres_chain(enum flow flow, struct slice s, bool whole);

/* As the guess() of a parser. */
enum guess postgres_guess(struct slice head, enum flow *ret_flow);
