/* SPDX-License-Identifier: Apache-2.0 */
/* What the code of Node.js shows of where it keeps its async ids. x86-64. */
#pragma once

#include "symbol.h"

/* node::AsyncHooksGetExecutionAsyncId(v8::Isolate *), src/node.h. */
#define NODE_EXECUTION "_ZN4node29AsyncHooksGetExecutionAsyncIdEPN2v87IsolateE"

struct node_code {
	struct symbol
		batch_over; /* node::Environment::RunAndClearNativeImmediates(); its texts are the object's */
	uint32_t ids;       /* offset in a node::Environment of the pointer to the ids (struct node_ids) */
};

/*
 * Reads it. Returns 0; -ENOENT: there is no Node.js in the file; or -ENOTSUP: it is none of version 12 and
 * later as compilers make it of the source.
 */
int node_code_read(const struct object *object, struct node_code *ret_code);
