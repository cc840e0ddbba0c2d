/* SPDX-License-Identifier: Apache-2.0 */
/* What a program of Go shows of how its goroutines hand things to one another. x86-64. */
#pragma once

#include "symbol.h"

#define GO_SEND "runtime.send"

/* Calls that are seen. */
enum go_point {
	GO_SENDING,  /* runtime.send() has the receiver woken */
	GO_STARTING, /* runtime.newproc() is about to start a goroutine ... */
	GO_STARTED,  /* ... and has */
	GO_POINTS,
};

struct go_code {
	uint64_t points[GO_POINTS]; /* offsets in the file */
	bool inlined;               /* GO_SENDING is in what was inlined: the receiver is in a closure */
	uint32_t goid_offset; /* of a goroutine's id in its state, struct g of src/runtime/runtime2.go */
};

/*
 * Reads it. Returns 0; -ENOENT: it is no program of Go; or -ENOTSUP: it is none of Go 1.18
 * and later as its compiler makes it of the runtime's source.
 */
int go_code_read(const struct object *object, struct go_code *ret_code);
