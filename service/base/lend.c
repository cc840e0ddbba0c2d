/* SPDX-License-Identifier: Apache-2.0 */
#include "lend.h"

void lend_init(struct lend *lend)
{
	*lend = (struct lend){ 0 };
	pthread_mutex_init(&lend->lock, NULL);
	pthread_cond_init(&lend->given_back, NULL);
}

void *lend_take(struct lend *lend)
{
	void *connection = NULL;

	pthread_mutex_lock(&lend->lock);
	while (lend->lent == LEND_MAX)
		pthread_cond_wait(&lend->given_back, &lend->lock);
	lend->lent++;
	if (lend->idle_len)
		connection = lend->idle[--lend->idle_len];
	pthread_mutex_unlock(&lend->lock);
	return connection;
}

void lend_give(struct lend *lend, void *connection)
{
	pthread_mutex_lock(&lend->lock);
	lend->lent--;
	if (connection)
		lend->idle[lend->idle_len++] = connection;
	pthread_cond_signal(&lend->given_back);
	pthread_mutex_unlock(&lend->lock);
}

void lend_fini(struct lend *lend, void (*close)(void *connection))
{
	while (lend->idle_len)
		close(lend->idle[--lend->idle_len]);
	pthread_cond_destroy(&lend->given_back);
	pthread_mutex_destroy(&lend->lock);
}
