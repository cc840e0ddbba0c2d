/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that threads borrow: a few of them serve many threads. */
#pragma once

#include <pthread.h>
#include <stddef.h>

enum { LEND_MAX = 8 };

struct lend {
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	void *idle[LEND_MAX];
	size_t idle_len;
	size_t lent; /* those that are being made included */
};

void lend_init(struct lend *lend);

/* Waits until there is a connection, or room for one: then it is NULL, and the caller's to make. */
void *lend_take(struct lend *lend);

/* Gives back what lend_take() gave, or what was made instead; NULL when there is nothing any more. */
void lend_give(struct lend *lend, void *connection);

/* Hands every connection to `close`, when no thread has one any more. */
void lend_fini(struct lend *lend, void (*close)(void *connection));
