/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tape: a file with all that the spine was given, in the order in which it was: giving it the same again
 * makes the same spans, byte for byte. Little-endian; a start, then records of any number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Changes with every layout below or in bpf/event.h. */
#define TAPE_VERSION 3

enum tape_kind {
	TAPE_EVENT = 1, /* a record of the ring */
	TAPE_TARGET,    /* uint32_t: a process that was asked for */
	TAPE_NAMES,     /* struct tape_names: a process was looked up */
	TAPE_ROUND,     /* uint64_t: after events, or none; CLOCK_MONOTONIC in ns */
	TAPE_END,       /* uint64_t: tracing ended; CLOCK_MONOTONIC in ns */
	TAPE_FUNCTION,  /* function_tape.c: the next function that is traced */
	TAPE_HOPS,      /* uint32_t: a process that target_hops() was told of */
};

struct tape_start {
	char magic[8]; /* "spanhook" */
	uint32_t version;
	uint32_t event_size;     /* of struct event_data, to tell other layouts */
	uint64_t wall_offset_ns; /* from CLOCK_MONOTONIC to the Unix epoch */
	uint64_t seed[4];        /* of all ids */
};

struct tape_names {
	uint32_t pid;
	uint32_t ignored;
	char command[16];
	char service[64];
};

/* Begins to record. Returns 0 or -errno. */
int tape_create(const char *path, uint64_t wall_offset_ns, const uint64_t seed[4]);

/* Appends, when something is being recorded. len is at most TAPE_RECORD_MAX. No system call: flush often
 * enough.
 */
#define TAPE_RECORD_MAX 65536
void tape_add(enum tape_kind kind, const void *data, size_t len);

/* Writes what was added, which must be done for every TAPE_ROOM bytes. Returns 0 or -errno: recording is
 * over, and the events that were not written, or are added from then on, are counted as dropped. */
#define TAPE_ROOM (2 << 20)
int tape_flush(void);
void tape_close(void);

/* One recording that is read. */
struct tape {
	const char *p;
	size_t len, at;
};

/* Returns 0, -errno, or -EPROTO when it is no recording of this version. */
int tape_open(const char *path, struct tape *ret_tape, struct tape_start *ret_start);
void tape_free(struct tape *r);

/*
 * The next record: 1, or 0 at the end; the data, aligned to 8 bytes, stays valid until tape_free().
 * -EPROTO: the file is cut or broken here.
 */
int tape_next(struct tape *r, enum tape_kind *ret_kind, const void **ret_data, size_t *ret_len);
