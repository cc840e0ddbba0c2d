/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which request a thread works for. A thread that waits for one thing at a time works for the request that it
 * received last. A thread with an event loop does so only in the turn of that request: from its receive, or
 * the receive of the answer to one of its calls, until the thread receives something else. What is kept here
 * serves to know when even that does not prove anything. Hot path.
 */
#pragma once

#include "conn.h"
#include "group.h"
#include "work.h"

enum undecided {
#define UNDECIDED(reason, help) UNDECIDED_##reason,
#include "undecided.def"
#undef UNDECIDED
	UNDECIDED_REASONS,
};

/* For how many calls each reason was left. */
extern _Atomic uint64_t cause_undecided[UNDECIDED_REASONS];

/* Does a thread with an event loop do all that a receive leads to before it receives something else? */
enum order {
	ORDER_OPEN, /* not known yet */
	ORDER_PROVEN,
	ORDER_NONE, /* no: it puts work off */
};

/* Calls of a thread that wait for their parent, referenced. */
struct held {
	struct work *first, **end;
	uint32_t len;
};

/* A thread of a traced process. */
struct thread {
	uint32_t tid;
	uint32_t open; /* unanswered requests that it received */
	uint64_t last_ns;
	uint64_t turn;         /* number of its receive among all of them */
	uint64_t current_sock; /* what it received from last */
	struct work *current;  /* whose turn it is, not finished; NULL: nobody's that is known */
	struct thread *current_next, **current_at; /* in the list of those whose turn is current's */
	struct work *supposed; /* whose turn it is if it puts nothing off, proven or not; referenced */
	bool many;             /* it received several requests at once */
	bool answering;        /* the turn is that of an answer to a call of current */
	bool loops;            /* it received requests from sockets that an epoll instance watches */
	uint32_t batch;        /* requests that it received something for since it asked its loop for more */
	uint64_t batch_turn;   /* number of its first receive since then ... */
	uint64_t before_turn;  /* ... and of the first one of the batch before */
	uint32_t in_order; /* weight of the answers that it sent at once, having received for others too */
	enum order order;
	uint64_t call_ns; /* as in struct received, of what it received last */
	uint32_t at_once; /* answers that may have been sent in the turn of the answer to a call for them */
	bool not_at_once; /* one surely was not */
	struct group *group;  /* calls for the request whose turn it is, which is not known; referenced */
	bool told;            /* its runtime tells what it works for */
	bool in_turn;         /* it was seen to send before it was back in its loop */
	bool answers;         /* it has answered requests that other threads received */
	bool makes_calls;     /* it has made calls */
	uint64_t answered_ns; /* when it began to send an answer last */
	uint64_t woken_sock;  /* what it was counted for last as woken for a request that is not known ... */
	uint32_t woken_pos;
	struct held unclaimed;    /* calls without a parent since then (hold.c) */
	struct held unordered;    /* calls that have one if it puts nothing off */
	struct call_stack *calls; /* its open function calls; NULL: none (function.c) */
};

/* A place that a process calls: connections to it may be few, and calls may wait for them in the process. */
struct dest {
	uint64_t key;
	uint32_t refs;       /* connections to it */
	uint32_t idle;       /* ... that have no call in flight */
	uint64_t freed_turn; /* in which a connection became idle when none was */
	bool exhausted;      /* none was left at some time since: calls may be queued in the process */
};

/* Reserves room for so many requests in flight. Returns 0 or -ENOMEM. */
int causes_init(uint32_t max);
void causes_fini(void);

/* The thread if it is known, else NULL. */
struct thread *thread_find(uint32_t tid);

/* The thread, made known when need be; NULL when there is no room. */
struct thread *thread_get(uint32_t tid, uint64_t now_ns);

/* The connection's thread receives: a new turn begins. */
void cause_receiving(void);

/* What was received is for this. */
struct received {
	struct work *request;  /* NULL: nobody that is known */
	struct work *maybe;    /* ... but maybe this; NULL: nobody */
	struct work *supposed; /* the same if the thread puts nothing off */
	struct group *group;   /* calls for the same request, which is not known; NULL: none */
	uint64_t call_ns;      /* when the call was made that it answers; 0: it is no answer */
	bool many;             /* several requests at once */
};

/* The connection's thread has received from it: what it does next is for that. */
void cause_received(struct conn *c, const struct received *what);

/* The thread begins to send the answer to a request that it received itself. */
void cause_answering(struct thread *t, const struct work *request);

/* A request has come in, begins to be answered, or is over. */
void cause_opened(struct work *request);
void cause_answered(struct work *request);
void cause_closed(struct work *request);

/* A call for this request was made, or is over. */
void cause_call_begun(struct work *request);
void cause_call_ended(struct work *request);

/* The connection's thread makes a call. */
void cause_calling(struct conn *c);

/* Does the thread make calls? */
bool cause_calls(uint32_t tid);

/* The connection has no call in flight any more. */
void cause_conn_idle(struct conn *c);

/* The process has begun to make another connection to this place. */
void cause_connecting(struct conn *c);

/* The connection is no more. */
void cause_conn_gone(struct conn *c);

/* The request for which a thread does what it does. */
struct verdict {
	struct work *request; /* proven; NULL: none is */
	enum evidence evidence;
	enum undecided reason;
	/*
	 * The request if reason is all that speaks against it: `queue`: if another one queued for the
	 * connection in the process, this one queues; `order`: it is, if the thread puts nothing off;
	 * `batch`, `others`: it is, if nothing of these was continued.
	 */
	struct work *maybe;
	struct group *group; /* calls for the same request, which is not known; NULL: none */
};

/* The request for which the connection's thread does what it does now, if nothing else can explain it. */
struct verdict cause_of(const struct conn *c);

/* Do other threads go on with what one did for this, while several requests are open? Then that shows
 * nothing. */
bool work_hops(const struct work *w);

/* Is it known that the thread answers in the turn of the last call that it needed, whatever else it puts off?
 */
bool cause_answers_at_once(const struct thread *t);

/* Does the thread send the answer to r in the turn of what it received last? */
bool cause_answers_in_turn(const struct thread *t, const struct work *r);

/*
 * The same for what a thread does to no connection. sock: what it had received from before; flags: what
 * enum event_flag says of the time since.
 */
struct work *cause_of_thread(uint32_t pid, uint32_t tid, uint64_t sock, unsigned flags,
			     enum evidence *ret_evidence);

/*
 * The same, if it should turn out that the thread waits for the answer to what it sends now without an event
 * loop.
 */
struct work *cause_if_blocking(const struct conn *c);

/* The request that the thread works for if it puts nothing off, NULL: none; only to find out whether it does.
 */
struct work *cause_supposed(const struct conn *c);

/* Forgets threads that have not been seen for long. */
void causes_tick(uint64_t now_ns);
