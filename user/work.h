/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span while the spine works on it: what pairing and linking must remember and no exporter sees.
 * Lives from the first byte of its request until the last exporter lets go of its span.
 */
#pragma once

#include "span.h"

struct body;
struct conn;

struct work {
	struct span span; /* first: a span of ours is the work it lies in */

	/* exchange: */
	struct conn *conn;      /* NULL once finished */
	struct work *pending;   /* next unanswered request of the connection */
	uint64_t key;           /* pairs with the response; 0: in order */
	uint32_t request_pos;   /* stream position of the request's first byte */
	uint8_t hint;           /* what the parser of the response must know of the request */
	unsigned flags;         /* enum message_flag, as the request began */
	bool linked;            /* link knows of it */
	bool hidden;            /* is not to be exported */
	struct body *bodies[2]; /* by enum flow; NULL: not kept */

	uint64_t losses; /* as many were known when it began */

	/* link: */
	struct work *parent;                 /* referenced; NULL: none known */
	const struct process *peer_process;  /* referenced: who is at the other end */
	struct work *waiters, **waiters_end; /* finished, but their trace id hangs on this one */
	struct work *next; /* in one list at a time: waiters or done; returned to the pool */
	struct work *unsettled_next, *unsettled_prev;
	uint64_t settle_by_ns;
	uint8_t unsettled_list;
	bool settled; /* trace_id and parent are final */
	bool unsettled_listed;
	bool finished;
	struct thread *turns;  /* of a server: list of the threads that are in its turn now */
	uint32_t calls;        /* ... calls made for it that are not over */
	bool opened;           /* ... it counts among its thread's open requests */
	bool taken;            /* ... a call was made for it */
	struct conn *received; /* ... list of the connections on which something for it came last */
	bool answered;         /* ... its answer has begun */
	bool quiet;            /* ... and among its process's quiet ones (quiet.h) ... */
	bool waiting;          /* ... of which no answer has begun */
	struct work *waiting_next, *waiting_prev;
	uint64_t last_turn;          /* ... number of the receive that something for it came with last */
	bool polled;                 /* ... an epoll instance watches its connection */
	struct work *call_of;        /* ... among whose calls it counts; referenced */
	struct work *supposed;       /* ... whose it is if its thread puts nothing off; referenced */
	struct work *held_next;      /* in one list of its thread's: unclaimed or unordered (hold.c) */
	struct work *if_ordered;     /* ... its parent, should its thread put nothing off; referenced */
	uint8_t if_ordered_evidence; /* ... enum evidence then */
	uint8_t undecided;           /* ... enum undecided: why its parent was not proven at once */
	struct group *group;         /* ... of calls that are for the same unknown request */
	struct work *group_next;
	struct context *context; /* ... of Python, that it was made in, while its parent hangs on that */
	struct work *parent_if_blocking; /* ... its parent, should its thread wait for the answer right there;
					    referenced */
	uint64_t position_key;           /* in the table of requests by position; 0: not there */
	uint64_t request_id_key;
	struct work *within; /* of a client: the function call that it was made in; referenced */

	/* function: */
	const struct function *function; /* whose call it is; NULL: none's */
	uint32_t let_go;                 /* how often it had been let go when it was called */
	struct work *request; /* ... the request that it is made for, as long as anybody asks; referenced;
						   NULL: not known */

	bool joined;     /* of a server: the client's work at the other end is known */
	bool has_header; /* traceparent came with the request */
	bool forwarded;  /* a client's header is the one its process had received */
	uint8_t header_trace_id[16];
	uint8_t header_span_id[8];
};

/* Reserves room for max works. Returns 0 or -ENOMEM. */
int work_init(uint32_t max);
void work_fini(void);

/* A work with one reference, zeroed but for its span's texts and attributes; NULL when all are in flight
 * (counted as a drop). Spine only. */
struct work *work_new(void);
static inline void work_ref(struct work *w)
{
	span_ref(&w->span);
}
/* The request that a span's parent stands for: itself, or the one that its function is called for. */
static inline struct work *work_request(struct work *parent)
{
	return parent && parent->function ? parent->request : parent;
}

static inline void work_unref(struct work *w)
{
	if (w)
		span_unref(&w->span);
}
