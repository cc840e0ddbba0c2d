/* SPDX-License-Identifier: Apache-2.0 */
/* A judgement for people and for programs. Each writes to out; errors are left to its ferror(). */
#pragma once

#include <stdio.h>

#include "compare/judge.h"

/* Tables. */
void report_text(const struct judgement *judgement, FILE *out);

/* One JSON object; docs in spanhook(1). Returns 0 or -ENOMEM. */
int report_json(const struct judgement *judgement, FILE *out);

/* A page by itself: it needs no other file and no network. */
void report_html(const struct judgement *judgement, FILE *out);

/* What all starts of a recording are whole numbers of, when it is not nanoseconds. */
const char *clock_unit(const struct recording *recording);

/* What lies behind what only one side has, NULL: nothing that can be said in general. */
const char *report_reason(const char *attribute);
