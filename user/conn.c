/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <errno.h>

#include "base/pool.h"
#include "base/table.h"
#include "cause.h"
#include "detect.h"
#include "end.h"
#include "epoll.h"
#include "exchange.h"
#include "link.h"
#include "prepared.h"
#include "request.h"
#include "stats.h"
#include "stream.h"
#include "target.h"
#include "unread.h"

#define IDLE_NS         (600ULL * 1000000000) /* the kernel announces a socket anew after half of this */
#define RESET_LINGER_NS 100000000ULL          /* a process may read what came before a reset this long ... */
#define CLOSE_LINGER_NS 5000000000ULL /* ... and what came before the end of a connection it half-closed */
#define UNIX_LINGER_NS  5000000000ULL /* the close of a unix socket is not seen: after its peer's end ... */
#define MAYBE_ENDED_NS  100000000ULL  /* a message that seems complete is when nothing came for this long */
#define LOST_MESSAGE_NS 1000000000ULL /* ... and one whose end was lost */
#define SWEEP           512           /* connections looked at for idleness each tick */
#define WHOLES_MAX      256           /* connections found in one round whose every byte is needed */
#define DETECT_MAX      8192          /* bytes after which no protocol will be recognised any more */

/* include/net/tcp_states.h and include/net/sock.h */
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_CLOSE = 7, TCP_CLOSE_WAIT = 8 };
enum { SEND_SHUTDOWN = 2, BOTH_SHUTDOWN = 3 };

static struct pool pool;
static struct table by_sock;
static struct conn *timed;
static uint32_t sweep_at;
static uint64_t wholes[WHOLES_MAX];
static uint32_t wholes_len;

int conns_init(const struct config *config)
{
	int err;

	timed = NULL;
	sweep_at = wholes_len = 0;
	if ((err = pool_init(&pool, sizeof(struct conn), config->connections_max)) ||
	    (err = table_init(&by_sock, config->connections_max)) ||
	    (err = ends_init(config->connections_max)) || (err = requests_init(config)))
		return err;
	return streams_init(config->connections_max / 4 + 16);
}

void conns_fini(void)
{
	streams_fini();
	requests_fini();
	ends_fini();
	table_free(&by_sock);
	pool_free(&pool);
}

const struct conn *conn_received(uint64_t sock, uint32_t pos)
{
	const struct conn *c = table_get(&by_sock, sock);

	return c && c->streams[RX].next_pos == pos ? c : NULL;
}

static void timed_add(struct conn *c)
{
	if (c->timed)
		return;
	c->timed = true;
	c->timer_next = timed;
	timed = c;
}

static void timed_remove(struct conn *c)
{
	for (struct conn **at = &timed; c->timed && *at; at = &(*at)->timer_next) {
		if (*at != c)
			continue;
		*at = c->timer_next;
		c->timed = false;
		return;
	}
}

static void conn_free(struct conn *c)
{
	timed_remove(c);
	for (unsigned dir = 0; dir < DIRECTIONS; dir++)
		stream_release(&c->streams[dir]);
	end_remove(c);
	table_remove(&by_sock, c->sock, c);
	cause_conn_gone(c);
	if (c->gone)
		prepared_end(c->sock);
	unread_end(c);
	epoll_unref(c->epoll);
	work_unref(c->asked_for);
	work_unref(c->supposed);
	process_unref(c->process);
	c->sock = 0;
	pool_put(&pool, c);
	stat_set(STAT_connections, by_sock.used);
}

/* Ends every request in flight with this error, and forgets the connection. */
static void conn_end(struct conn *c, const char *error_type, uint64_t now_ns)
{
	exchange_fail(c, error_type, now_ns);
	conn_free(c);
}

static struct conn *conn_new(uint64_t sock)
{
	struct conn *c = pool_get(&pool);

	if (!c || table_put(&by_sock, sock, c)) {
		if (c)
			pool_put(&pool, c);
		loss_add(DROP_connections_full, 1);
		return NULL;
	}
	c->sock = sock;
	c->pending_end = &c->pending;
	c->last_dir = DIRECTIONS;
	stat_set(STAT_connections, by_sock.used);
	return c;
}

static void set_owner(struct conn *c, const struct event *h, struct process *p)
{
	c->pid = h->pid;
	c->tid = h->tid;
	if (c->process == p)
		return;
	process_ref(p);
	process_unref(c->process);
	c->process = p;
}

static void set_cause(struct conn *c, const struct event *h, uint64_t cause_sock, uint64_t woken_sock,
		      uint32_t woken_pos)
{
	c->woken_sock = woken_sock;
	c->woken_pos = woken_pos;
	c->cause_sock = cause_sock;
	c->slept = h->flags & EVENT_SLEPT;
	c->turn_on = h->flags & EVENT_TURN_ON;
	c->turn_over = h->flags & EVENT_TURN_OVER;
	c->sampled = h->flags & EVENT_SAMPLED;
	c->told = h->flags & EVENT_TOLD;
	c->goroutine = h->flags & EVENT_GOROUTINE;
}

static void set_position(struct stream *s, uint32_t pos)
{
	s->next_pos = pos;
	s->positioned = true;
}

bool conn_announced(const struct event_conn *e)
{
	struct process *p = target_find(e->h.pid);
	struct conn *c;
	bool known;

	if (!p)
		return false;
	c = table_get(&by_sock, e->h.sock);
	/* A socket whose connection has ended may connect anew. */
	if (c && e->h.flags & EVENT_CLIENT && !e->local_port) {
		conn_end(c, c->close_error, c->last_ns);
		c = NULL;
	}
	known = c;
	if (!c && !(c = conn_new(e->h.sock)))
		return false;
	c->last_ns = e->h.time_ns;
	c->local = (struct address){ .family = e->family, .port = e->local_port };
	c->peer = (struct address){ .family = e->family, .port = e->peer_port };
	memcpy(c->local.ip, e->local_ip, sizeof(c->local.ip));
	memcpy(c->peer.ip, e->peer_ip, sizeof(c->peer.ip));
	c->netns = e->netns;
	c->id = e->id;
	c->peer_id = e->peer_id;
	c->path_len = (uint8_t)(e->path_len < EVENT_PATH_LEN ? e->path_len : EVENT_PATH_LEN);
	memcpy(c->path, e->path, c->path_len);
	/* A path ends at its NUL; an abstract name starts with one, shown as '@' as ss(8) does. */
	if (c->path_len && !c->path[0])
		c->path[0] = '@';
	else
		c->path_len = (uint8_t)strnlen(c->path, c->path_len);
	end_add(c);
	/* Whoever may share one that there is no room for. */
	if (e->epoll && !c->epoll && !(c->epoll = epoll_get(e->h.pid, e->epoll)))
		p->shares = true;
	if (known)
		return true;
	set_owner(c, &e->h, p);
	c->fresh = e->h.flags & EVENT_FRESH;
	c->client = e->h.flags & EVENT_CLIENT;
	c->accepted = e->h.flags & EVENT_ACCEPTED;
	if (c->client && !e->local_port) {
		c->connect_ns = e->h.time_ns;
		set_cause(c, &e->h, e->cause_sock, e->woken_sock, e->woken_pos);
		c->nonblock = e->h.flags & EVENT_NONBLOCK;
		link_connect(c);
		return true;
	}
	set_position(&c->streams[TX], e->tx_pos);
	set_position(&c->streams[RX], e->rx_pos);
	return true;
}

static void set_opaque(struct conn *c)
{
	c->opaque = true;
	stat_add(STAT_connections_unknown, 1);
	for (unsigned dir = 0; dir < DIRECTIONS; dir++)
		stream_release(&c->streams[dir]);
}

static void set_parser(struct conn *c, const struct parser *parser, unsigned dir, enum flow flow)
{
	c->parser = parser;
	c->request_dir = (uint8_t)(flow == FLOW_REQUEST ? dir : !dir);
	/* What moved the other way before was not seen: its next message has to be found first. */
	c->streams[!dir].lost = !c->fresh;
	if (!parser->whole)
		return;
	if (wholes_len < WHOLES_MAX)
		wholes[wholes_len++] = c->sock;
	else
		drop_add(DROP_wholes_full, 1);
}

void conns_take_whole(void (*take)(uint64_t sock))
{
	while (wholes_len)
		take(wholes[--wholes_len]);
}

/* Finds the protocol out. Returns whether the event's bytes can go to the parser. */
static bool recognise(struct conn *c, unsigned dir, uint32_t pos, uint32_t len, struct slice head,
		      uint64_t now_ns)
{
	struct stream *s = &c->streams[dir];
	const struct parser *parser;
	uint32_t kept = s->buffer_len;
	struct slice seen = head;
	enum guess guess;
	enum flow flow;

	if (!head.len)
		c->fresh = false;
	if (kept && c->fresh)
		seen = stream_keep(s, head);
	guess = detect(seen, &parser, &flow);
	/* In mid-stream a body may hold what looks like a message; the end that connected never serves. */
	if (guess == GUESS_YES && !c->fresh && c->accepted != ((flow == FLOW_REQUEST) == (dir == RX)))
		guess = GUESS_MORE;
	if (guess == GUESS_YES) {
		if (kept)
			s->buffer_len = kept;
		set_parser(c, parser, dir, flow);
		return true;
	}
	stat_add(STAT_unknown_bytes, len);
	if (!c->fresh)
		return false;
	if (guess == GUESS_NO || head.len < len || seen.len > DETECT_MAX) {
		set_opaque(c);
	} else if (!kept) {
		s->start_ns = now_ns;
		s->start_pos = pos;
		stream_keep(s, head);
	}
	return false;
}

/* Compares the event's position with the expected one. Returns whether its bytes are new. */
static bool check_position(struct conn *c, unsigned dir, const struct event_data *e)
{
	struct stream *s = &c->streams[dir];
	int32_t ahead = (int32_t)(e->pos - s->next_pos);

	if (!s->positioned)
		set_position(s, e->pos);
	else if (ahead < 0) {
		drop_add(DROP_out_of_order, 1);
		return false;
	} else if (ahead > 0) {
		loss_add(DROP_gap, 1);
		if (c->parser && !c->opaque) {
			stream_gap(c, dir, (uint32_t)ahead, e->h.time_ns);
		} else {
			c->fresh = false;
			c->desynced = c->owed = true;
			stream_release(s);
		}
	}
	s->next_pos = e->pos + e->len;
	return true;
}

/* A message whose own end was lost ended before the other side's next one began. */
static void turn(struct conn *c, unsigned dir)
{
	if (c->last_dir == !dir) {
		c->turned = true;
		stream_finish_lost(c, !dir);
	}
	c->last_dir = (uint8_t)dir;
}

static void peer_ended(struct conn *c, uint64_t now_ns)
{
	stream_end(c, RX, now_ns);
	/* A client's half-close still lets the server answer; a server that has ended answers no more. */
	if (c->parser && c->request_dir == TX)
		exchange_fail(c, "peer_closed", now_ns);
}

/* The request that is worked on once what was just received from a client has been read. */
static struct work *received_request(const struct conn *c)
{
	const struct stream *s = &c->streams[RX];

	if (c->begun || !s->work)
		return c->latest;
	return s->work;
}

/* Hands an event's bytes to the protocol and tells whom its thread works for from here on. */
static void transfer(struct conn *c, unsigned dir, const struct event_data *e, struct slice head,
		     struct slice tail)
{
	struct work *call = dir == RX && c->request_dir == TX ? c->pending : NULL;
	struct work *maybe = call ? call->call_of : NULL;
	struct received what = { 0 };

	c->begun = 0;
	if (dir == TX) {
		stream_data(c, dir, e->pos, e->len, head, tail, e->h.time_ns);
		return;
	}
	c->read_unpolled = !c->polled && (c->read_unpolled || !c->read);
	c->read = true;
	if (call)
		work_ref(call);
	if (maybe)
		work_ref(maybe);
	cause_receiving();
	stream_data(c, dir, e->pos, e->len, head, tail, e->h.time_ns);
	if (c->request_dir == RX)
		what.request = what.supposed = received_request(c);
	else if (call)
		what = (struct received){ .request = work_request(call->parent),
					  .maybe = maybe,
					  .supposed = call->supposed,
					  .group = call->group,
					  .call_ns = call->span.start_ns };
	what.many = c->request_dir == RX && c->pending_len > 1;
	cause_received(c, &what);
	work_unref(maybe);
	work_unref(call);
}

static void transfer_unread(struct conn *c, unsigned dir)
{
	if (dir == RX)
		unread_received(c);
	else
		unread_sent(c);
}

bool conn_data(const struct event_data *e)
{
	unsigned dir = e->h.flags & EVENT_TX ? TX : RX;
	struct slice head = { (const char *)e->data, e->head_len };
	struct slice tail = { (const char *)e->data + e->head_len, e->tail_len };
	struct process *p = target_find(e->h.pid);
	struct conn *c;

	if (!p)
		return false;
	p->events++;
	c = table_get(&by_sock, e->h.sock);
	if (!c && !(c = conn_new(e->h.sock)))
		return false;
	c->last_ns = e->h.time_ns;
	set_owner(c, &e->h, p);
	set_cause(c, &e->h, e->cause_sock, e->woken_sock, e->woken_pos);
	c->context = e->context;
	c->polled = e->h.flags & EVENT_POLLED;
	c->nonblock = e->h.flags & EVENT_NONBLOCK;
	if (e->len == 0) {
		peer_ended(c, e->h.time_ns);
		if (c->close_by_ns)
			conn_end(c, c->close_error, e->h.time_ns);
		return true;
	}
	stat_add(STAT_traffic_bytes, e->len);
	c->caught_up = dir == TX && e->cause_sock == c->sock && e->cause_pos == c->streams[RX].next_pos;
	if (!check_position(c, dir, e))
		return false;
	turn(c, dir);
	if (c->opaque) {
		stat_add(c->parser ? STAT_opaque_bytes : STAT_unknown_bytes, e->len);
		transfer_unread(c, dir);
		return true;
	}
	if (!c->parser && !recognise(c, dir, e->pos, e->len, head, e->h.time_ns)) {
		transfer_unread(c, dir);
		return true;
	}
	unread_end(c);
	transfer(c, dir, e, head, tail);
	if (c->streams[dir].lost && c->streams[dir].open)
		timed_add(c);
	if (c->close_by_ns && !c->pending)
		conn_free(c);
	return true;
}

static const char *connect_error(uint32_t error)
{
	switch (error) {
	case 0:
		return "connect_abandoned"; /* the process closed the socket before it was connected */
	case ECONNREFUSED:
		return "connect_refused";
	case ETIMEDOUT:
		return "connect_timeout";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "connect_unreachable";
	}
	return "connect_failed";
}

static const char *close_error(uint32_t error)
{
	switch (error) {
	case ECONNRESET:
	case EPIPE:
		return "connection_reset";
	case ETIMEDOUT:
		return "connection_timeout";
	}
	return "local_closed"; /* the process closed the connection before the response was complete */
}

static void connected(struct conn *c, const struct event_state *e)
{
	memcpy(c->local.ip, e->local_ip, sizeof(c->local.ip));
	c->local.port = e->local_port;
	set_position(&c->streams[TX], e->tx_pos);
	set_position(&c->streams[RX], e->rx_pos);
	end_add(c);
}

/* The kernel follows it no more, from a request on that is not seen: what came before it has ended. */
static void left(struct conn *c, uint64_t now_ns)
{
	if (c->parser)
		stream_finish_lost(c, !c->request_dir);
	conn_end(c, NULL, now_ns);
}

void conn_state(const struct event_state *e)
{
	struct conn *c = table_get(&by_sock, e->h.sock);
	uint64_t now_ns = e->h.time_ns;
	bool closed;

	if (!c)
		return;
	if (e->h.flags & EVENT_LEFT) {
		left(c, now_ns);
		return;
	}
	c->last_ns = now_ns;
	if (e->old_state == TCP_SYN_SENT && e->new_state != TCP_CLOSE) {
		connected(c, e);
		return;
	}
	if (e->old_state == TCP_SYN_SENT) {
		/* A request may have been sent along (TCP Fast Open). */
		if (!c->pending)
			exchange_connect_failed(c, connect_error(e->error), now_ns);
		conn_end(c, connect_error(e->error), now_ns);
		return;
	}
	/*
	 * Without a FIN or RST from the peer, only its own process can have closed it: in both directions
	 * (the end then waits for the peer's acknowledgement), or with SO_LINGER of zero.
	 */
	closed = e->closed ||
		 (e->new_state == TCP_CLOSE
			  ? !e->error && (e->old_state == TCP_ESTABLISHED || e->old_state == TCP_CLOSE_WAIT)
			  : e->old_state == TCP_ESTABLISHED && e->shutdown == BOTH_SHUTDOWN);
	if (e->shutdown & SEND_SHUTDOWN)
		stream_end(c, TX, now_ns);
	if (closed) {
		stream_end(c, RX, now_ns);
		exchange_fail(c, close_error(e->error), now_ns);
	}
	if (e->new_state != TCP_CLOSE)
		return;
	c->gone = true;
	if (closed || !c->pending) {
		conn_free(c);
		return;
	}
	/* What came before the end can still be read. */
	c->close_error = close_error(e->error);
	c->close_by_ns = now_ns + (e->error ? RESET_LINGER_NS : CLOSE_LINGER_NS);
	timed_add(c);
}

/* The close of a unix socket is not seen. */
static bool is_left_alone(const struct conn *c)
{
	return c->local.family == AF_UNIX && (c->streams[RX].ended || (c->process && c->process->exited));
}

static bool is_idle(const struct conn *c, uint64_t now_ns)
{
	uint64_t idle_ns = now_ns > c->last_ns ? now_ns - c->last_ns : 0;
	bool alone = is_left_alone(c);

	return idle_ns > (alone ? UNIX_LINGER_NS : IDLE_NS) && (alone || !c->pending);
}

static void sweep(uint64_t now_ns)
{
	for (uint32_t i = 0; i < SWEEP && i < pool.touched; i++) {
		struct conn *c;

		sweep_at = sweep_at + 1 < pool.touched ? sweep_at + 1 : 0;
		c = (struct conn *)(pool.memory + pool.object_size * sweep_at);
		if (!c->sock || table_get(&by_sock, c->sock) != c || !is_idle(c, now_ns))
			continue;
		c->gone |= is_left_alone(c);
		conn_end(c, "local_closed", c->last_ns);
	}
}

bool conns_tick(uint64_t now_ns)
{
	struct conn **at = &timed;

	while (*at) {
		struct conn *c = *at;
		bool waits = c->close_by_ns;

		if (c->close_by_ns && now_ns > c->close_by_ns) {
			conn_end(c, c->close_error, c->last_ns);
			continue;
		}
		for (unsigned dir = 0; dir < DIRECTIONS; dir++) {
			struct stream *s = &c->streams[dir];

			if (!s->lost || !s->open)
				continue;
			if (now_ns > s->last_ns + (s->maybe_ended ? MAYBE_ENDED_NS : LOST_MESSAGE_NS))
				stream_finish_lost(c, dir);
			else
				waits = true;
		}
		if (waits) {
			at = &c->timer_next;
		} else {
			*at = c->timer_next;
			c->timed = false;
		}
	}
	sweep(now_ns);
	return timed;
}

void conns_end(uint64_t now_ns)
{
	for (uint32_t i = 0; i < pool.touched; i++) {
		struct conn *c = (struct conn *)(pool.memory + pool.object_size * i);

		if (!c->sock || table_get(&by_sock, c->sock) != c)
			continue;
		conn_end(c, NULL, now_ns);
	}
}
