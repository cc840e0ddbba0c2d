/* SPDX-License-Identifier: Apache-2.0 */
/* What the code of an interpreter of Python shows of how it keeps contexts (PEP 567). x86-64. */
#pragma once

#include "../../bpf/event.h"
#include "result.h"

#define PYTHON_COPY     "PyContext_CopyCurrent"
#define PYTHON_MADE_MAX 4

struct python_code {
	struct python python;                      /* its addresses are as the file counts */
	struct symbol copy;                        /* PYTHON_COPY; its texts are the object's */
	struct result_point made[PYTHON_MADE_MAX]; /* where whatever makes a context has it ... */
	size_t made_len;                           /* ... each once; copies of the current one first */
};

/*
 * Reads it. Returns 0; -ENOENT: there is no interpreter in the file; or -ENOTSUP: it is none of Python 3.7
 * and later as compilers make it of the source.
 */
int python_code_read(const struct object *object, struct python_code *ret_code);
