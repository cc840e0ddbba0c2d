/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel's socket tells: its kind, positions, times, addresses, and how its process waits for it. */
#pragma once

#include "cause.bpf.h"
#include "sample.h"

#define AF_INET     2
#define AF_INET6    10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define O_NONBLOCK  00004000

/* Bits of sk_flags, include/net/sock.h. */
#define SOCK_DEAD 0 /* no process holds it any more */
#define SOCK_DONE 1 /* the peer's FIN has arrived */

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_FIN_WAIT1 = 4,
	TCP_CLOSE = 7,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
};

static __always_inline bool is_stream(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	if (sk->sk_type != SOCK_STREAM)
		return false;
	return family == AF_UNIX ||
	       ((family == AF_INET || family == AF_INET6) && sk->sk_protocol == IPPROTO_TCP);
}

/* Position of the next byte that the process will receive. */
static __always_inline __u32 tcp_rx_pos(const struct sock *sk, const struct tcp_sock *tp)
{
	__u32 pos = tp->copied_seq;

	/* A FIN takes a sequence number; tcp_recvmsg() steps over it together with the last data. */
	if ((sk->__sk_common.skc_flags & (1 << SOCK_DONE)) && pos == tp->rcv_nxt)
		pos--;
	return pos;
}

/*
 * Of a unix connection, the number of the client's inode, which both ends can read and which the next
 * connection does not have again, as it has the addresses of sockets that were freed. If none of the ends is
 * the client by its name, or the client has closed before its server looked, the addresses have to do.
 */
static __always_inline __u32 unix_key(const struct sock *sk, struct sock_state *s)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	/* To pointers that it knows, the verifier allows no arithmetic. */
	struct sock *own = BPF_CORE_READ(sk, sk_socket, sk);
	bool accepted = s->accepted;

	if (s->unix_key)
		return s->unix_key;
	if (accepted != !!BPF_CORE_READ((struct unix_sock *)peer, addr))
		s->unix_key = BPF_CORE_READ(accepted ? peer : own, sk_socket, file, f_inode, i_ino);
	if (!s->unix_key)
		s->unix_key = ((__u64)own ^ (__u64)peer) >> 6;
	return s->unix_key;
}

/* The same at both ends; tp: NULL for a unix socket. */
static __always_inline __u32 key_of(const struct sock *sk, const struct tcp_sock *tp, struct sock_state *s)
{
	if (!tp)
		return unix_key(sk, s);
	return sample_key(s->accepted, tp->rcv_nxt, tp->bytes_received, tp->snd_una, tp->bytes_acked);
}

/* Has nothing been received and sent on this connection but rx_len and tx_len bytes? */
static __always_inline bool tcp_is_fresh(const struct sock *sk, const struct tcp_sock *tp, __u32 rx_len,
					 __u32 tx_len)
{
	bool fin = sk->__sk_common.skc_flags & (1 << SOCK_DONE);
	__u32 unread = tp->rcv_nxt - fin - tcp_rx_pos(sk, tp);
	/* A FIN is among the bytes received (tcp_rcv_nxt_update()). */
	__u64 received = tp->bytes_received - fin - unread;
	/* An active open counts its SYN among the bytes acknowledged. */
	__u64 sent = tp->bytes_acked + (tp->write_seq - tp->snd_una);

	return received == rx_len && sent <= (__u64)tx_len + 1;
}

/*
 * When what was just sent left, if all of it has: a hook at the start of a send there is not, and over
 * loopback its end comes after the peer was served. TCP reads the clock, CLOCK_MONOTONIC, for what it
 * transmits (tcp_mstamp_refresh() in tcp_write_xmit(); kernel 4.20).
 */
static __always_inline __u64 tcp_sent_ns(const struct tcp_sock *tp)
{
	return tp->snd_nxt == tp->write_seq ? tp->tcp_clock_cache : bpf_ktime_get_ns();
}

static __always_inline void fill_addresses(const struct sock *sk, __u8 *local_ip, __u8 *peer_ip)
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		bpf_core_read(local_ip, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(peer_ip, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		__builtin_memcpy(local_ip, &(__be32){ sk->__sk_common.skc_rcv_saddr }, 4);
		__builtin_memcpy(peer_ip, &(__be32){ sk->__sk_common.skc_daddr }, 4);
	}
}

static __always_inline void fill_path(struct event_conn *e, struct sock *sk, struct sock *peer)
{
	struct unix_address *addr = BPF_CORE_READ((struct unix_sock *)sk, addr);
	int len;

	/* The client's end has no name; its peer carries the listener's. */
	if (!addr && peer)
		addr = BPF_CORE_READ((struct unix_sock *)peer, addr);
	if (!addr)
		return;
	len = BPF_CORE_READ(addr, len) - 2; /* without sun_family */
	if (len <= 0)
		return;
	if (len > EVENT_PATH_LEN)
		len = EVENT_PATH_LEN;
	bpf_probe_read_kernel(e->path, sizeof(e->path), addr->name[0].sun_path);
	e->path_len = len;
}

/* How the process waits for the socket: whether it may do other things meanwhile. */
static __always_inline __u16 waiting_flags(const struct sock *sk)
{
	struct socket *socket = sk->sk_socket;
	struct file *file = socket ? socket->file : NULL;
	__u16 flags = 0;

	if (!file)
		return 0;
	if (file->f_ep)
		flags |= EVENT_POLLED;
	if (file->f_flags & O_NONBLOCK)
		flags |= EVENT_NONBLOCK;
	return flags;
}
