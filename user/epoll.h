/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoll instance of a traced process. Threads that take what is due from the same one go on with each
 * other's work: what one does after it has received something may be for what another one has. Hot path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct epoll;

/* Reserves room. Returns 0 or -ENOMEM. */
int epolls_init(void);
void epolls_fini(void);

/* The process's instance with this id, referenced; NULL when there is no room. */
struct epoll *epoll_get(uint32_t pid, uint64_t id);
void epoll_unref(struct epoll *epoll);

/* A thread has received from a client by way of it. Returns whether another one has, too. */
bool epoll_is_shared(struct epoll *epoll, uint32_t tid);
