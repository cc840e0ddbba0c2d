/* SPDX-License-Identifier: Apache-2.0 */
/* What was seen at each stage is what was passed on and what was dropped there, by reason. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_PARTS 6

struct account {
	const char *stage;          /* as in bpf/drops.def, or a word like those */
	const char *what;           /* is counted */
	int seen;                   /* enum stat_id */
	int passed[ACCOUNT_PARTS];  /* enum stat_id, each plus one; 0: no more */
	int dropped[ACCOUNT_PARTS]; /* enum drop_id, each plus one */
};

extern const struct account accounts[];
extern const size_t accounts_len;

/* What was passed on, and what was dropped. */
uint64_t account_passed(const struct account *a);
uint64_t account_dropped(const struct account *a);

/* What is on its way, or was lost without being counted: 0 when all is at rest. */
int64_t account_open(const struct account *a);
