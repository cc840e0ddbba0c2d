/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of traced functions → internal spans: nested as the calls are, below the request that their thread
 * works for. Hot path but for what is said to be none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "work.h"

enum value_type {
	VALUE_SIGNED,
	VALUE_UNSIGNED,
	VALUE_DOUBLE,
	VALUE_BOOL,
	VALUE_CHAR,
	VALUE_ENUM,
	VALUE_POINTER,
	VALUE_STRING,
};

struct enumerator {
	int64_t value;
	char *name;
};

/* What one of a function's reads is. */
struct value {
	const char *name; /* of the attribute; NULL: read for the rule alone */
	enum value_type type;
	uint8_t size;             /* bytes of the type */
	struct enumerator *names; /* of an enum, by value */
	size_t names_len;
};

/* Says of a result whether it is an error. */
struct error_rule {
	enum comparison {
		COMPARE_NEVER,
		COMPARE_LESS,
		COMPARE_LESS_EQUAL,
		COMPARE_GREATER,
		COMPARE_GREATER_EQUAL,
		COMPARE_EQUAL,
		COMPARE_NOT_EQUAL,
	} comparison;
	int64_t bound;
	bool is_errno; /* the result is a negative errno */
	uint8_t read;  /* which of the function's reads is the result */
	char text[48]; /* error.type of a result that is no errno: "return < 0" */
};

struct function {
	uint32_t number;
	char name[128];
	struct function_reads reads;
	struct value values[READS_MAX]; /* of each read */
	struct error_rule rule;
	unsigned steps; /* of its probes: on instructions that the kernel executes step by step */
};

/* Reserves room; not for the hot path. Returns 0 or -ENOMEM. */
int functions_init(void);
void functions_fini(void);

/* The next number's function, zeroed; NULL when there are FUNCTIONS_MAX. Not for the hot path. */
struct function *function_new(void);

/* Takes back the last one. */
void function_drop(struct function *f);

/* The function of a number below functions_len(). */
struct function *function_at(uint32_t number);
uint32_t functions_len(void);

/* An entry, a return, or the end of all calls of a thread. Returns false when there was no use for it, which
 * is counted. */
bool function_event(const struct event_call *e);

/* So many returns were lost in the kernel by the time of an event: what is believed to be open may not be. */
void function_returns_lost(uint32_t n);

/* The innermost call that the thread is surely in now, borrowed; NULL: none. */
struct work *function_within(uint32_t pid, uint32_t tid);

/* Ends the calls of processes that have ended and whose last events were lost. */
void functions_tick(void);

/* Nothing more will be seen: ends every call, as incomplete. */
void functions_end(uint64_t now_ns);
