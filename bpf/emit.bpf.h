/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events go to the agent here and nowhere else. */
#pragma once

#include "maps.bpf.h"

#define WAKE_IDLE_NS 48000000ULL /* a lone event wakes the agent when nothing has for this long */
#define WAKE_BUSY_NS 2000000ULL  /* no more than one wake-up in this time, however much waits */

__u64 last_wake_ns __weak = 0;
__u32 returns_lost __weak = 0; /* events of functions' returns that found no room */

/* owner: process and thread id, as the kernel packs them. */
static __always_inline void event_init_at(struct event *e, __u16 type, __u16 flags, __u64 sock, __u64 owner,
					  __u64 time_ns)
{
	e->type = type;
	e->flags = flags;
	e->pid = owner >> 32;
	e->tid = (__u32)owner;
	e->returns_lost = returns_lost;
	e->time_ns = time_ns;
	e->sock = sock;
}

/* Of the current thread, now. */
static __always_inline void event_init(struct event *e, __u16 type, __u16 flags, __u64 sock)
{
	event_init_at(e, type, flags, sock, bpf_get_current_pid_tgid(), bpf_ktime_get_ns());
}

/* A wake-up costs the traced process an interrupt, so it is given only when it is due. */
static __always_inline __u64 wake_flags(__u64 now_ns)
{
	__s64 since_ns = now_ns - last_wake_ns; /* of another processor, or later than what was sent */

	if (since_ns < (__s64)WAKE_BUSY_NS)
		return BPF_RB_NO_WAKEUP;
	if (since_ns < (__s64)WAKE_IDLE_NS && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < settings.wake_len)
		return BPF_RB_NO_WAKEUP;
	last_wake_ns = now_ns;
	return BPF_RB_FORCE_WAKEUP;
}

/* A loss shows in the next event, so that the agent knows what came before it and what after. */
static __always_inline void tell_lost(struct event *e)
{
	if (!lost)
		return;
	lost = false;
	e->flags |= EVENT_LOST;
}

/* Returns whether the event found room; else its loss was counted. */
static __always_inline bool emit(struct event *e, __u64 size)
{
	count(&events_sent, 0);
	tell_lost(e);
	if (bpf_ringbuf_output(&ring, e, size, wake_flags(e->time_ns)) == 0)
		return true;
	lose(DROP_ring_full);
	return false;
}

/* Room for an event, to be filled in and handed to emit_reserved(); NULL: there is none, which was counted.
 */
static __always_inline void *emit_reserve(const __u64 size)
{
	void *e = bpf_ringbuf_reserve(&ring, size, 0);

	count(&events_sent, 0);
	if (!e)
		lose(DROP_ring_full);
	return e;
}

static __always_inline void emit_reserved(struct event *e)
{
	tell_lost(e);
	bpf_ringbuf_submit(e, wake_flags(e->time_ns));
}
