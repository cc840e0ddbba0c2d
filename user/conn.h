/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry for each connection of a traced process: its addresses, its two byte streams and its
 * requests in flight. Everything here is reached from ring_poll(): nothing allocates or blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "config.h"
#include "parser.h"
#include "span.h"
#include "target.h"

#define STREAM_BUFFER_LEN 16384 /* a head that is longer, over all its pieces, is cut */

/* The bytes of one direction. */
struct stream {
	uint32_t next_pos;  /* position that is expected next */
	uint32_t start_pos; /* of the message that is being collected or is in progress */
	uint64_t start_ns;
	uint64_t last_ns;  /* when its last bytes moved */
	uint64_t skip;     /* body bytes of the message in progress that need not be seen */
	bool positioned;   /* next_pos is known */
	bool lost;         /* framing was lost: waiting for the plausible start of a message */
	bool open;         /* a message is in progress */
	bool ends;         /* ... and complete when skip is used up */
	bool maybe_ended;  /* its framing was lost, and its last bytes looked like its end */
	bool ended;        /* no byte will come any more */
	struct work *work; /* ... whose it is; NULL: nobody's. Referenced. */
	char *buffer;      /* start of a head that is not complete; NULL: none waits */
	uint32_t buffer_len;
};

enum { RX, TX, DIRECTIONS };

struct conn {
	uint64_t sock;
	uint64_t last_ns;
	struct address local, peer;
	uint32_t netns;
	uint64_t id, peer_id; /* unix: this end and the other one */
	uint64_t end_key;     /* of its addresses in the table of ends; 0: not in it */
	struct epoll
		*epoll;    /* that watched it when it was announced; NULL: none that is known. Referenced. */
	struct dest *dest; /* of a client: where it connects to, with all connections there */
	struct work *supposed; /* ... the request in whose turn it was opened, proven or not; referenced */
	struct work
		*connect_for; /* ... the request that it was opened for, until its first call; referenced */
	uint8_t connect_evidence; /* ... enum evidence; EVIDENCE_UNKNOWN: it is only supposed */
	struct work *asked_for; /* the request for which something that cannot be read was sent; referenced */
	bool asked_proven;      /* ... and nothing spoke against it */
	bool asking;            /* something was, and nothing came since */
	bool asked_by_many;     /* another request asked before the answer to one came */
	struct work
		*received_for; /* the request that what came last was for, not finished; NULL: not known */
	bool received_proven;  /* ... and nothing spoke against it */
	struct group *received_group; /* calls for whom it was, if that is not proven; referenced */
	struct conn *received_next, **received_at; /* in its list */
	uint64_t woken_sock; /* of the last event: what the thread that woke its thread had received, or
				`told` */
	uint32_t woken_pos;
	uint64_t cause_sock;     /* of the last event: what its thread had received from before */
	uint32_t context;        /* ... of Python, that its thread worked in; 0: not known */
	bool turn_on, turn_over; /* ... EVENT_TURN_ON, EVENT_TURN_OVER */
	bool slept;              /* ... the thread had waited since */
	bool sampled;            /* ... EVENT_SAMPLED */
	bool told, goroutine;    /* ... EVENT_TOLD, EVENT_GOROUTINE */
	bool polled;             /* ... an epoll instance watches the socket */
	bool nonblock;
	bool read;               /* its process has read from it */
	bool read_unpolled;      /* its process has read from it, and never by way of an epoll instance */
	bool called;             /* a call was made on it */
	bool busy;               /* a call is in flight */
	struct process *process; /* whose event came last; referenced */
	uint32_t pid, tid;       /* of the last event in a process's context */
	uint64_t connect_ns;     /* when this side began to connect; 0: not seen */
	bool fresh;              /* seen from its first byte on */
	bool client;             /* this side connected */
	bool accepted;           /* the peer connected */
	bool opaque;             /* carries what no parser can read */
	bool gone;               /* closed, not only idle or left out: nothing comes on it any more */
	bool turned;             /* the direction has changed since a message began */
	bool pipelined;          /* requests were once sent before the one before was answered */
	bool overlaps;    /* a request came after a response to others, but before they all had theirs */
	bool overlapped;  /* ... and surely not because the rest of their responses was lost */
	bool desynced;    /* responses to requests that come now cannot be told from others */
	bool owed;        /* requests were lost, and no response has come since */
	bool doubtful;    /* responses were lost, and maybe their requests too */
	bool caught_up;   /* whose thread sends has received all that is known to have come */
	bool requested;   /* a request was seen */
	bool lossy;       /* bytes were lost since all that was asked was last known to be answered */
	uint32_t begun;   /* requests that began in the event at hand */
	uint32_t orphans; /* responses without a request since the last request */
	uint8_t last_dir;
	uint8_t request_dir;         /* RX: this side serves */
	const struct parser *parser; /* NULL: protocol not known (yet) */
	const char *db_system;       /* of the last message that said one; NULL: none has */
	struct stream streams[DIRECTIONS];
	struct work *pending, **pending_end; /* unanswered requests, oldest first */
	uint32_t pending_len;                /* operations: neither quiet requests nor barriers */
	uint32_t others_len;
	struct work *latest;  /* the last request that is no barrier, if it is unanswered */
	uint64_t close_by_ns; /* closed by TCP, but its process may read on until then; 0: open */
	const char *close_error;
	struct conn *timer_next; /* in the list of streams that wait for their message's unknown end */
	bool timed;
	char path[EVENT_PATH_LEN]; /* unix */
	uint8_t path_len;
	uint8_t namespace_len;
	char namespace[63]; /* db.namespace; the longest name of PostgreSQL */
	bool group_failed;  /* a request of the group that is being answered failed */
	union {
		uint64_t align;
		char bytes[PARSER_STATE_MAX];
	} state; /* the parser's */
};

/* Reserves room. Returns 0 or -ENOMEM. */
int conns_init(const struct config *config);
void conns_fini(void);

/* Hot path: what the kernel saw. Those that return false had no use for the event, and counted why. */
bool conn_data(const struct event_data *e);
bool conn_announced(const struct event_conn *e);
void conn_state(const struct event_state *e);

/* Ends what can only end by time: call it every 50 ms or so. Returns whether anything waits for the next. */
bool conns_tick(uint64_t now_ns);

/* Hands over the connections found since the last call whose protocol can only be read when every byte is. */
void conns_take_whole(void (*take)(uint64_t sock));

/* Ends every request in flight, as incomplete: nothing more will be seen. */
void conns_end(uint64_t now_ns);

/* The connection of this socket, if nothing came on it after that position; else NULL. Hot path. */
const struct conn *conn_received(uint64_t sock, uint32_t pos);

/* Does what its process does for a request go from thread to thread? */
static inline bool conn_hops(const struct conn *c)
{
	return c->goroutine || (c->process && (c->process->hops || (c->process->shares && c->polled)));
}

/* FLOW_REQUEST or FLOW_RESPONSE of what moves in this direction; the parser must be known. */
static inline enum flow conn_flow(const struct conn *c, unsigned dir)
{
	return dir == c->request_dir ? FLOW_REQUEST : FLOW_RESPONSE;
}
