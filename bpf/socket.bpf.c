// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hook source: what traced processes send and receive on stream sockets. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cause.bpf.h"
#include "emit.bpf.h"
#include "go.bpf.h"
#include "node.bpf.h"
#include "payload.bpf.h"
#include "python.bpf.h"
#include "sock.bpf.h"

#define MSG_PEEK     0x02
#define MSG_TRUNC    0x20
#define MSG_ERRQUEUE 0x2000
#define RCV_SHUTDOWN 1

/* A socket that lives longer is announced again, so that an agent that forgot it can learn it anew. */
#define ANNOUNCE_NS (300ULL * 1000000000)

/* Asks the runtime of the thread, whose own is, for what it sends this. Adds to flags what it tells. */
static __always_inline void ask_runtime(const struct cause *own, const struct sock_state *s,
					struct cause *ret_cause, __u16 *flags)
{
	struct told told = {};

	if (settings.runtimes[RUNTIME_node] && own && own->node)
		node_tells(&told);
	/* Of Go, the thread may never have received anything. */
	else if (settings.runtimes[RUNTIME_go] && runtime_generations[RUNTIME_go])
		goroutine_tells(&told, s->id, s->received_ns, s->accepted);
	if (told.goroutine)
		*flags |= EVENT_GOROUTINE;
	if (!told.sock)
		return;
	ret_cause->woken_sock = told.sock;
	ret_cause->woken_pos = told.pos;
	*flags |= EVENT_TOLD | EVENT_TURN_ON | EVENT_TURN_OVER;
	if (!told.mixed)
		*flags &= ~EVENT_TURN_OVER;
}

/* The thread, whose own is, has received this; sock 0: something that is for nobody. */
static __always_inline void tell_runtime(struct cause *own, const struct sock *sk, __u64 sock, __u32 pos)
{
	struct socket *socket = sk->sk_socket;

	if (settings.runtimes[RUNTIME_node] && own && own->node) {
		own->node_item = socket && socket->file ? turn_item(socket->file) : 0;
		node_received(sock, pos);
	} else if (settings.runtimes[RUNTIME_go] && runtime_generations[RUNTIME_go] && sock) {
		goroutine_received(sock, pos, is_accepted(sk));
	}
}

/* Tells the agent a socket's addresses and positions, by way of e. owner: process and thread id, as the
 * kernel packs them.
 */
static __always_inline void announce(struct sock *sk, struct sock_state *s, struct event_conn *e, __u64 owner,
				     __u32 tx_pos, __u32 rx_pos)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cause cause, *own = cause_of_thread(task);
	struct socket *socket = sk->sk_socket;

	__builtin_memset(e, 0, sizeof(*e));
	event_init(&e->h, EVENT_CONN, s->flags, s->id);
	e->h.pid = owner >> 32;
	e->h.tid = (__u32)owner;
	e->family = sk->__sk_common.skc_family;
	if (s->accepted)
		e->h.flags |= EVENT_ACCEPTED;
	e->netns = sk->__sk_common.skc_net.net->ns.inum;
	e->tx_pos = tx_pos;
	e->rx_pos = rx_pos;
	e->h.flags |= waiting_flags(sk);
	cause_get(task, own, s, &cause, &e->h.flags);
	ask_runtime(own, s, &cause, &e->h.flags);
	e->cause_sock = cause.sock;
	e->woken_sock = cause.woken_sock;
	e->woken_pos = cause.woken_pos;
	e->epoll = socket && socket->file ? turn_epoll(socket->file) : 0;
	if (e->family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

		e->id = (__u64)sk;
		e->peer_id = (__u64)peer;
		fill_path(e, sk, peer);
	} else {
		e->local_port = sk->__sk_common.skc_num;
		e->peer_port = __builtin_bswap16(sk->__sk_common.skc_dport);
		fill_addresses(sk, e->local_ip, e->peer_ip);
	}
	if (emit(&e->h, sizeof(*e)))
		s->announced_ns = e->h.time_ns;
}

static __always_inline struct sock_state *sock_state_create(struct sock *sk)
{
	struct sock_state *s = bpf_sk_storage_get(&sock_states, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!s) {
		lose(DROP_no_storage);
		return NULL;
	}
	if (!s->id) {
		s->id = bpf_get_socket_cookie(sk);
		s->last_dir = 0xff;
		s->accepted = is_accepted(sk);
	}
	return s;
}

/* A transfer that is sent piece by piece. */
struct pieces {
	struct event_data e; /* without its bytes */
	__u32 slot;          /* of its scratch */
	struct payload payload;
	__u32 at; /* bytes of it that were sent */
	__u32 len;
	__u32 want; /* bytes that may be captured of the rest */
};

/*
 * The next piece: as much as one event captures, or all that is left when no more may be. Returns 1 after the
 * last. Global, so that the verifier looks at it once and not on each way that leads here.
 */
__noinline int emit_piece(struct pieces *p)
{
	__u32 len;

	if (!p)
		return 1;
	len = p->len - p->at;
	if (p->want > CAPTURE_MAX)
		len = min_u32(len, CAPTURE_MAX);
	p->e.len = len;
	if (p->payload.buffer)
		emit_buffer(&p->e, p->slot, p->payload.buffer + p->at, p->want);
	else
		emit_vectors(&p->e, p->slot, &p->payload, p->at, p->want);
	p->e.pos += len;
	p->at += len;
	p->want -= min_u32(p->want, len);
	return p->at >= p->len;
}

static long next_piece(__u32 i, struct pieces *p)
{
	return emit_piece(p) != 0;
}

/* Is every byte of the socket needed? Asked when a transfer is not captured as a whole. */
static __always_inline void check_whole(struct sock_state *s)
{
	if (s->whole || !bpf_map_lookup_elem(&wholes, &s->id))
		return;
	s->whole = true;
	s->capture_left = WHOLE_LEN;
}

/*
 * Is this transfer on a connection that is not to be followed? One that is gets left between its requests.
 */
static __always_inline bool is_left_out(struct sock *sk, const struct tcp_sock *tp, struct sock_state *s,
					__u32 slot, __u16 dir)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);
	__u16 request_dir = s->accepted ? 0 : EVENT_TX;
	struct event_state *e;

	if (s->announced_ns && (s->last_dir == dir || dir != request_dir))
		return false;
	if (is_sampled(key_of(sk, tp, s), limits.one_of))
		return false;
	if (!s->announced_ns)
		return true;
	if (!scratch)
		return false;
	e = (struct event_state *)scratch->data;
	__builtin_memset(e, 0, sizeof(*e));
	event_init(&e->h, EVENT_STATE, EVENT_LEFT, s->id);
	if (!emit(&e->h, sizeof(*e)))
		return false;
	s->announced_ns = 0;
	s->flags &= ~EVENT_FRESH;
	return true;
}

static __always_inline void transfer(struct sock *sk, __u64 owner, __u32 slot, __u32 len, __u16 dir,
				     bool no_payload)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pieces pieces = { .slot = slot, .len = len };
	struct event_data *e = &pieces.e;
	struct sock_state *s;
	struct scratch *scratch;
	struct tcp_sock *tp = NULL;
	__u32 tx_pos, rx_pos;
	struct cause cause, *own;
	bool fresh;

	s = sock_state_create(sk);
	if (!s)
		return;

	/* Positions of the first byte of this transfer, and of the next in the other direction. */
	if (sk->__sk_common.skc_family == AF_UNIX) {
		tx_pos = s->tx_pos;
		rx_pos = s->rx_pos;
		if (dir)
			s->tx_pos += len;
		else
			s->rx_pos += len;
		fresh = !tx_pos && !rx_pos;
	} else {
		tp = bpf_skc_to_tcp_sock(sk);
		if (!tp)
			return;
		tx_pos = tp->write_seq - (dir ? len : 0);
		rx_pos = tcp_rx_pos(sk, tp) - (dir ? 0 : len);
		fresh = !s->announced_ns && tcp_is_fresh(sk, tp, dir ? 0 : len, dir ? len : 0);
	}
	if (limits.one_of > 1 && is_left_out(sk, tp, s, slot, dir)) {
		/* What the thread does next is not for what it received before. */
		if (!dir && len)
			cause_set(task, cause_of_thread(task), sk, s->id, rx_pos + len);
		return;
	}
	if (fresh && !s->announced_ns)
		s->flags |= EVENT_FRESH;

	if (s->last_dir != dir) {
		s->last_dir = dir;
		s->capture_left = s->whole ? WHOLE_LEN : limits.capture_len;
	}
	event_init_at(&e->h, EVENT_DATA, dir, s->id, owner, tp && dir ? tcp_sent_ns(tp) : bpf_ktime_get_ns());
	if (!s->announced_ns || e->h.time_ns - s->announced_ns > ANNOUNCE_NS) {
		scratch = bpf_map_lookup_elem(&scratches, &slot);
		if (scratch)
			announce(sk, s, (struct event_conn *)scratch->data, owner, tx_pos, rx_pos);
	}

	e->pos = dir ? tx_pos : rx_pos;
	e->len = len;
	own = cause_of_thread(task);
	cause_get(task, own, s, &cause, &e->h.flags);
	if (dir)
		ask_runtime(own, s, &cause, &e->h.flags);
	else
		s->received_ns = e->h.time_ns;
	e->cause_sock = cause.sock;
	e->cause_pos = cause.pos;
	e->woken_sock = cause.woken_sock;
	e->woken_pos = cause.woken_pos;
	e->context = context_current(own, owner >> 32);
	e->h.flags |= waiting_flags(sk);
	if (!dir) {
		if (len)
			cause_set(task, own, sk, s->id, rx_pos + len);
		tell_runtime(own, sk, len ? s->id : 0, rx_pos + len);
	}
	if (no_payload || !len || !payload_find(task, &pieces.payload, len)) {
		e->h.flags |= EVENT_NO_PAYLOAD;
		emit_without_bytes(e);
		return;
	}
	if (len > s->capture_left)
		check_whole(s);
	pieces.want = s->capture_left > limits.lead_len ? s->capture_left : limits.lead_len;
	s->capture_left -= min_u32(s->capture_left, len);
	if (!emit_piece(&pieces))
		bpf_loop(WHOLE_LEN / CAPTURE_MAX, next_piece, &pieces, 0);
}

/*
 * Where a program can be missed, another one stands in for it: that runs after it, for each call, and sees
 * those of which the thread bears no mark that they were seen.
 */
enum role {
	FIRST,
	STAND_IN,
};

/* Is the call this program's to see? */
static __always_inline bool is_mine(enum role role)
{
	struct cause *c;

	if (!HOOKS_ARE_PREEMPTIBLE)
		return role == FIRST;
	c = bpf_task_storage_get(&causes, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (role == FIRST) {
		if (c)
			c->seen = true;
		else /* no room for the mark: the other one may have more luck */
			count_by(&stood_in, 0, -1);
		return c;
	}
	if (c && c->seen) {
		c->seen = false;
		return false;
	}
	count(&stood_in, 0);
	if (!c)
		lose(DROP_no_storage);
	return c;
}

static __always_inline int sent(struct sock *sk, enum role role, __u32 slot, int ret)
{
	__u64 owner = bpf_get_current_pid_tgid();

	if (!is_target(owner >> 32))
		return 0;
	preemption_off();
	if (is_mine(role) && ret > 0 && is_stream(sk))
		transfer(sk, owner, slot, ret, EVENT_TX, false);
	preemption_on();
	return 0;
}

/* Do the bytes that were received, ret of them, belong to the stream? */
static __always_inline bool is_of_stream(const struct sock *sk, int ret, int flags)
{
	/* What is looked at is received again, and what the error queue holds is no part of it. */
	if (ret < 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE)) || !is_stream(sk))
		return false;
	/* Zero is its end only when the peer has shut down; else a buffer of no bytes. */
	return ret > 0 || (sk->sk_shutdown & RCV_SHUTDOWN);
}

static __always_inline int received(struct sock *sk, enum role role, __u32 slot, int ret, int flags)
{
	__u64 owner = bpf_get_current_pid_tgid();

	if (!is_target(owner >> 32))
		return 0;
	preemption_off();
	if (is_mine(role)) {
		/* tcp(7): MSG_TRUNC discards the bytes instead of copying them. */
		if (is_of_stream(sk, ret, flags))
			transfer(sk, owner, slot, ret, 0, flags & MSG_TRUNC);
		else if (!(flags & MSG_PEEK))
			tell_runtime(cause_of_thread(bpf_get_current_task_btf()), sk, 0, 0);
	}
	preemption_on();
	return 0;
}

/*
 * Variant tracepoint. Kernel 6.3, commit 6e6eda44b939: fires once for each send and receive on any socket, in
 * the caller's context.
 */
SEC("?tp_btf/sock_send_length")
int BPF_PROG(socket__send, struct sock *sk, int ret, int flags)
{
	return sent(sk, FIRST, SCRATCH_send, ret);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(socket__send_stand_in, struct sock *sk, int ret, int flags)
{
	return sent(sk, STAND_IN, SCRATCH_send, ret);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(socket__recv, struct sock *sk, int ret, int flags)
{
	return received(sk, FIRST, SCRATCH_recv, ret, flags);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(socket__recv_stand_in, struct sock *sk, int ret, int flags)
{
	return received(sk, STAND_IN, SCRATCH_recv, ret, flags);
}

/*
 * Variant fexit, before 6.3: the operations of stream sockets, which are called through pointers and so are
 * never inlined. Sendfile and splice come by a way of their own until Linux 6.5, commit dc97391e6610.
 */
#define SENDMSG(point)                                                                                       \
	SEC("?fexit/" #point)                                                                                \
	int BPF_PROG(socket__##point, struct socket *socket, struct msghdr *msg, __u64 size, int ret)        \
	{                                                                                                    \
		return sent(socket->sk, FIRST, SCRATCH_##point, ret);                                        \
	}
#define RECVMSG(point)                                                                                       \
	SEC("?fexit/" #point)                                                                                \
	int BPF_PROG(socket__##point, struct socket *socket, struct msghdr *msg, __u64 size, int flags,      \
		     int ret)                                                                                \
	{                                                                                                    \
		return received(socket->sk, FIRST, SCRATCH_##point, ret, flags);                             \
	}

SENDMSG(inet_sendmsg)
SENDMSG(inet6_sendmsg)
SENDMSG(unix_stream_sendmsg)
RECVMSG(inet_recvmsg)
RECVMSG(inet6_recvmsg)
RECVMSG(unix_stream_recvmsg)

SEC("?fexit/generic_splice_sendpage")
int BPF_PROG(socket__generic_splice_sendpage, struct pipe_inode_info *pipe, struct file *out, long long *pos,
	     __u64 len, unsigned int flags, long ret)
{
	struct socket *socket = bpf_sock_from_file(out);

	return socket ? sent(socket->sk, FIRST, SCRATCH_generic_splice_sendpage, ret) : 0;
}

static __always_inline void select_listener(struct sock *sk, __u32 pid, __u32 tid)
{
	const struct target *known;
	struct event_process e = {};
	__u16 port = sk->__sk_common.skc_num;

	if (pid == settings.self_pid || !bpf_map_lookup_elem(&ports, &port))
		return;
	known = bpf_map_lookup_elem(&targets, &pid);
	if (known && known->flags & TARGET_ASKED)
		return;
	/* With --exe it may be there only until it is looked at, which may be just now: see hook_remove(). */
	if (!target_add(pid, (known ? known->flags : 0) | TARGET_ASKED))
		return;
	event_init(&e.h, EVENT_PROCESS, 0, 0);
	e.h.pid = pid;
	e.h.tid = tid;
	e.change = PROCESS_SELECTED;
	emit(&e.h, sizeof(e));
}

/*
 * Kernel 4.16, commit 563e0bb0dc74. Runs in the process for connect(), listen() and close(), else in
 * whatever context handles the packet: only sockets that have our state matter then.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket__state, struct sock *sk, int old_state, int new_state)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct sock_state *s;
	struct event_conn conn;
	struct event_state e = {};
	struct tcp_sock *tp;
	__u8 peer_ip[16];

	if (new_state == TCP_LISTEN && settings.watch_ports)
		select_listener(sk, id >> 32, (__u32)id);
	if (new_state == TCP_SYN_SENT && sk->sk_protocol == IPPROTO_TCP && is_target(id >> 32)) {
		s = sock_state_create(sk);
		if (s) {
			s->flags |= EVENT_FRESH | EVENT_CLIENT;
			announce(sk, s, &conn, id, 0, 0);
		}
		return 0;
	}
	if (old_state != TCP_SYN_SENT && new_state != TCP_FIN_WAIT1 && new_state != TCP_LAST_ACK &&
	    new_state != TCP_CLOSE)
		return 0;
	s = bpf_sk_storage_get(&sock_states, sk, 0, 0);
	if (!s || !s->announced_ns)
		return 0;
	event_init(&e.h, EVENT_STATE, 0, s->id);
	e.old_state = old_state;
	e.new_state = new_state;
	e.shutdown = sk->sk_shutdown;
	e.closed = sk->__sk_common.skc_flags & (1 << SOCK_DEAD);
	e.error = sk->sk_err;
	e.local_port = sk->__sk_common.skc_num;
	fill_addresses(sk, e.local_ip, peer_ip);
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		e.tx_pos = tp->write_seq;
		e.rx_pos = tp->copied_seq;
	}
	emit(&e.h, sizeof(e));
	return 0;
}

/* Lists the sockets that targets have open already; run once when targets are added. */
SEC("iter/task_file")
int socket__existing(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct event_conn conn;
	struct sock_state *s;
	struct tcp_sock *tp;
	struct sock *sk;
	__u32 pid, tx_pos = 0, rx_pos = 0;

	/* Threads share their files: the first one speaks for all. */
	if (!task || !file || task->pid != task->tgid)
		return 0;
	pid = task->tgid;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_stream(sk))
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN && settings.watch_ports &&
	    sk->__sk_common.skc_family != AF_UNIX)
		select_listener(sk, pid, pid);
	if (!bpf_map_lookup_elem(&targets, &pid))
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN)
		return 0;
	s = sock_state_create(sk);
	if (!s || s->announced_ns)
		return 0;
	if (sk->__sk_common.skc_family != AF_UNIX) {
		tp = bpf_skc_to_tcp_sock(sk);
		if (!tp)
			return 0;
		tx_pos = tp->write_seq;
		rx_pos = tcp_rx_pos(sk, tp);
	}
	announce(sk, s, &conn, (__u64)pid << 32 | pid, tx_pos, rx_pos);
	return 0;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
