/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKERS 8

/* A pool: one thread reads, a queue hands on, workers call; they answer themselves or hand the result back.
 */
struct job {
	int fd;
	long id;
	struct job *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **end;
} queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first },
  results = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &results.first };
static int results_fd = -1; /* >= 0: the acceptor's thread answers */

static void *work(void *arg)
{
	int calls[BACKENDS] = { 0 };
	uint64_t one = 1;

	(void)arg;
	for (;;) {
		struct job *job;

		pthread_mutex_lock(&queue.lock);
		while (!queue.first)
			pthread_cond_wait(&queue.more, &queue.lock);
		job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&queue.lock);

		for (int i = 0; i < 3; i++)
			call(&calls[i], i, job->id);
		if (results_fd < 0) {
			send_response(job->fd);
			free(job);
			continue;
		}
		job->next = NULL;
		pthread_mutex_lock(&results.lock);
		*results.end = job;
		results.end = &job->next;
		pthread_mutex_unlock(&results.lock);
		if (write(results_fd, &one, sizeof(one)) < 0)
			die("eventfd");
	}
	return NULL;
}

static void answer_results(void)
{
	struct job *job;
	uint64_t count;

	if (read(results_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&results.lock);
	job = results.first;
	results.first = NULL;
	results.end = &results.first;
	pthread_mutex_unlock(&results.lock);
	while (job) {
		struct job *next = job->next;

		send_response(job->fd);
		free(job);
		job = next;
	}
}

void run_pool(struct sockaddr_in address, bool hand_back)
{
	int listener = listen_on(address, SOCK_NONBLOCK), epoll = epoll_create1(0);
	struct epoll_event events[64];
	pthread_t thread;

	watch(epoll, listener, &listener, EPOLLIN);
	if (hand_back) {
		results_fd = eventfd(0, EFD_NONBLOCK);
		watch(epoll, results_fd, &results_fd, EPOLLIN);
	}
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			die("pthread_create");
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			int done;

			if (events[i].data.ptr == &listener) {
				accept_client(epoll, listener);
				continue;
			}
			if (events[i].data.ptr == &results_fd) {
				answer_results();
				continue;
			}
			done = read_some(c->fd, &c->r, "\r\n\r\n");
			if (done < 0) {
				close(c->fd);
				free(c);
			} else if (done) {
				struct job *job = calloc(1, sizeof(*job));

				*job = (struct job){ c->fd, take_id(&c->r), NULL };
				pthread_mutex_lock(&queue.lock);
				*queue.end = job;
				queue.end = &job->next;
				pthread_cond_signal(&queue.more);
				pthread_mutex_unlock(&queue.lock);
			}
		}
	}
}
