/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map and the read-only configuration. Weak, so that each hook source can be compiled alone. */
#pragma once

#include "event.h"

enum drop_id {
#define DROP(reason, stage, help) DROP_##reason,
#include "drops.def"
#undef DROP
	DROPS_LEN,
};

/* Bytes of one event that can be captured at most. */
#define CAPTURE_MAX 8192

/* Bytes that are captured of a direction's turn, in several events, when all are needed. */
#define WHOLE_LEN (8 * CAPTURE_MAX)

const volatile struct settings settings __weak = {};
struct limits limits __weak = {};

/* How often the agent has put probes on each runtime, or taken them off: what was seen before counts no more.
 * 0: never. */
__u32 runtime_generations[RUNTIMES_LEN] __weak = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring __weak SEC(".maps");

/* Process id → struct target. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct target);
} targets __weak SEC(".maps");

/*
 * A bit for each process id: is it a target whose events are sent? Every process that uses a socket is asked
 * this, and a look-up in a map would be most of what that costs it. In process.bpf.c: bpftool would keep a
 * weak one of each hook source.
 */
extern __u64 followed[FOLLOWED_LEN];

/* Listening ports, host byte order, whose owners become targets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u8);
} ports __weak SEC(".maps");

/* Sockets, by cookie, whose protocol can only be read when every byte is: up to WHOLE_LEN a turn are
 * captured. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} wholes __weak SEC(".maps");

/* What is remembered of a socket; freed by the kernel with the socket. */
struct sock_state {
	__u64 id;           /* socket cookie */
	__u64 announced_ns; /* when its last EVENT_CONN was sent; 0: never */
	__u32 tx_pos;       /* unix: bytes sent and received so far */
	__u32 rx_pos;
	__u32 capture_left; /* bytes that may still be captured in this direction's turn */
	__u32 unix_key;     /* unix_key(); 0: not asked for yet */
	__u64 received_ns;  /* when it received something last */
	__u16 flags;        /* EVENT_FRESH, EVENT_CLIENT */
	__u8 last_dir;      /* EVENT_TX or 0, of the last event; 0xff: none yet */
	__u8 whole;         /* it is among `wholes` */
	__u8 accepted;      /* is_accepted(), which lies where nothing else is looked at */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sock_state);
} sock_states __weak SEC(".maps");

/* What a thread received last: the cause of what it does next. */
struct cause {
	__u64 sock;
	__u32 pos;
	__u64 item;       /* the socket's entry in its epoll instance; 0: none */
	__u64 socket_ops; /* the operations of its file, which all files of sockets share */
	__u64 switches;   /* voluntary context switches of the thread by then */
	__u64 woken_sock; /* what the thread that woke it last had received, 0: nothing ... */
	__u32 woken_pos;
	__u64 woken_switches; /* ... while its own switches are so many (sched.bpf.c) */
	__u64 context_at; /* where its interpreter keeps its context of Python; 0: not known (python.bpf.c)
			   */
	bool copying;     /* ... and it makes a copy of that one */
	bool over;        /* it has asked its event loop for more since (turns.bpf.c) */
	bool seen;        /* a program has seen the socket call that it is in */
	bool node;        /* it runs Node.js (node.bpf.h) ... */
	__u64 node_item; /* ... and received something last whose entry in its epoll instance this is; 0: none
			  */
	__u64 starting;  /* the goroutine that starts another one on it just now; 0: none does */
	__u32 goid_offset;    /* of Go: as goid_offset() says, when `gos` was looked at last ... */
	__u32 gos_generation; /* ... which was at this generation (go.bpf.h) */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct cause);
} causes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROPS_LEN);
	__type(key, __u32);
	__type(value, __u64);
} drops __weak SEC(".maps");

/* Events that were to be sent, whether they found room or not. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} events_sent __weak SEC(".maps");

/* Socket calls that came to a program's stand-in, but for those that were left to it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} stood_in __weak SEC(".maps");

/* Adds to a counter of a per-CPU array. In one instruction: what interrupts us there may count too. */
static __always_inline void count_by(void *counters, __u32 key, __s64 by)
{
	__u64 *n = bpf_map_lookup_elem(counters, &key);

	if (n)
		__sync_fetch_and_add(n, by);
}

static __always_inline void count(void *counters, __u32 key)
{
	count_by(counters, key, 1);
}

static __always_inline void drop(__u32 reason)
{
	count(&drops, reason);
}

bool lost __weak = false; /* since the last event was sent */

/* Counts a loss for which spans may be missing. */
static __always_inline void lose(__u32 reason)
{
	drop(reason);
	lost = true;
}

static __always_inline __u64 *followed_word(__u32 pid)
{
	return &followed[pid / 64 % FOLLOWED_LEN];
}

static __always_inline bool is_target(__u32 pid)
{
	return *followed_word(pid) & (1ULL << pid % 64);
}

/* In place of what it was, if it was one. Returns whether there was room; else its loss was counted. */
static __always_inline bool target_add(__u32 pid, __u32 flags)
{
	struct target t = { .flags = flags };

	if (bpf_map_update_elem(&targets, &pid, &t, BPF_ANY)) {
		lose(DROP_targets_full);
		return false;
	}
	if (!(flags & TARGET_PAUSED))
		__sync_fetch_and_or(followed_word(pid), 1ULL << pid % 64);
	return true;
}

static __always_inline void target_remove(__u32 pid)
{
	bpf_map_delete_elem(&targets, &pid);
	__sync_fetch_and_and(followed_word(pid), ~(1ULL << pid % 64));
}
