/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "compare/record.h"

/*
 * Pairs the spans of two recordings, each with one of the same kind at most: sets .match in both.
 *
 * Rounds with less and less in common, each over what is left: the same ids; the same connection or thread;
 * the same trace; the same operation; see match.c. Within a round, of the spans that are alike in what it
 * asks for, the two whose starts are nearest to each other, less the usual distance, are paired first, if
 * they overlap in time. The result depends on the spans alone, not on their order in the files. O(n log n)
 * time. Returns 0 or -ENOMEM.
 */
int match(struct recording *ours, struct recording *theirs);
