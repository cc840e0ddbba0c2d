/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copies the interesting bytes of a transfer from user memory: the first ones and a few last ones. */
#pragma once

#include "compat.bpf.h"
#include "emit.bpf.h"

#define IOVECS_MAX 64 /* vectors that are looked at; what lies beyond is not captured */
#define TAIL_LEN   64

/* One event being built; one a program and CPU, so nothing else writes it meanwhile. */
struct scratch {
	struct event_data e;
	__u8 data[2 * CAPTURE_MAX + TAIL_LEN];
};

/* Of the programs of a variant each has a scratch of its own: it may be preempted for another. */
enum {
	SCRATCH_send,
	SCRATCH_recv,
};
enum {
	SCRATCH_inet_sendmsg,
	SCRATCH_inet6_sendmsg,
	SCRATCH_unix_stream_sendmsg,
	SCRATCH_inet_recvmsg,
	SCRATCH_inet6_recvmsg,
	SCRATCH_unix_stream_recvmsg,
	SCRATCH_generic_splice_sendpage,
	SCRATCHES_LEN,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES_LEN);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches __weak SEC(".maps");

/* Bytes in user memory: one buffer, or vectors of them. */
struct payload {
	__u64 buffer; /* 0: vectors */
	__u64 vectors;
	__u32 vectors_len;
};

struct user_iovec {
	__u64 base;
	__u64 len;
};

/* The part of the user-space struct msghdr that is read. */
struct user_msghdr_head {
	__u64 name;
	__u64 namelen;
	struct user_iovec *iov;
	__u64 iovlen;
};

/* Vectors of which the first holds all of a transfer are as good as a buffer. */
static __always_inline void payload_take_vectors(struct payload *p, __u64 vectors, __u32 vectors_len,
						 __u32 len)
{
	struct user_iovec first;

	p->vectors = vectors;
	p->vectors_len = vectors_len;
	if (bpf_probe_read_user(&first, sizeof(first), (void *)vectors) == 0 && first.len >= len)
		p->buffer = first.base;
}

/* Where the len bytes of the current thread's system call lie; false when there are none to be found. */
static __always_inline bool payload_find(struct task_struct *task, struct payload *ret_payload, __u32 len)
{
	struct user_msghdr_head msg;
	struct call call;

	ret_payload->buffer = 0;
	current_call(task, &call);
	switch (call.kind) {
	case PAYLOAD_BUFFER:
		ret_payload->buffer = call.arg2;
		return true;
	case PAYLOAD_VECTOR:
		payload_take_vectors(ret_payload, call.arg2, call.arg3, len);
		return true;
	case PAYLOAD_MESSAGES:
		/* Which of several messages this is cannot be told. */
		if (call.arg3 != 1)
			break;
	/* fallthrough */
	case PAYLOAD_MESSAGE:
		if (bpf_probe_read_user(&msg, sizeof(msg), (void *)call.arg2) < 0) {
			lose(DROP_payload_unreadable);
			return false;
		}
		payload_take_vectors(ret_payload, (__u64)msg.iov, msg.iovlen, len);
		return true;
	case PAYLOAD_FILE:
		return false;
	default:
		break;
	}
	lose(DROP_payload_unlocatable);
	return false;
}

static __always_inline __u32 min_u32(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

struct vector_walk {
	struct scratch *s;
	__u64 vectors;
	__u32 before;   /* bytes in the vectors that come before the wanted ones */
	__u32 len;      /* of the transfer, from there on */
	__u32 head_len; /* wanted */
	__u32 tail_len;
	__u32 seen; /* bytes of the transfer in the vectors so far */
	__u32 copied;
	bool failed;
};

/* One vector, for bpf_loop(), so that the verifier looks at it once. Returns 1 to stop. */
static long copy_vector(__u32 i, struct vector_walk *w)
{
	struct user_iovec v;
	__u32 part, want, at = w->copied;

	w->failed = true;
	if (at > CAPTURE_MAX || bpf_probe_read_user(&v, sizeof(v), (void *)(w->vectors + i * sizeof(v))) < 0)
		return 1;
	if (v.len <= w->before) {
		w->before -= (__u32)v.len;
		w->failed = false;
		return 0;
	}
	v.base += w->before;
	v.len -= w->before;
	w->before = 0;
	part = v.len < w->len - w->seen ? (__u32)v.len : w->len - w->seen;
	/* The head is the transfer's start without a hole. */
	if (at == w->seen && at < w->head_len) {
		want = min_u32(part, w->head_len - at);
		if (want > CAPTURE_MAX || bpf_probe_read_user(w->s->data + at, want, (void *)v.base) < 0)
			return 1;
		w->copied = at = at + want;
	}
	w->seen += part;
	w->failed = false;
	if (w->seen < w->len)
		return 0;
	want = min_u32(w->tail_len, part);
	if (in_range(want, TAIL_LEN) && at <= CAPTURE_MAX && at + want <= w->len &&
	    bpf_probe_read_user(w->s->data + at, want, (void *)(v.base + part - want)) == 0)
		w->s->e.tail_len = want;
	return 1;
}

static __always_inline int copy_vectors(struct scratch *s, const struct payload *p, __u32 at, __u32 len,
					__u32 head_len, __u32 tail_len)
{
	struct vector_walk w = { .s = s,
				 .vectors = p->vectors,
				 .before = at,
				 .len = len,
				 .head_len = head_len,
				 .tail_len = tail_len };

	bpf_loop(min_u32(p->vectors_len, IOVECS_MAX), copy_vector, &w, 0);
	s->e.head_len = w.copied;
	return w.failed ? -1 : 0;
}

/* How much of `len` bytes is captured, of which `want` may be. */
static __always_inline __u32 payload_head_len(__u32 len, __u32 want)
{
	return min_u32(len, min_u32(want, CAPTURE_MAX));
}

static __always_inline __u32 payload_tail_len(__u32 len, __u32 head_len)
{
	return min_u32(len - head_len, TAIL_LEN);
}

static __always_inline void payload_failed(struct event_data *e)
{
	e->head_len = e->tail_len = 0;
	e->h.flags |= EVENT_NO_PAYLOAD;
	lose(DROP_payload_unreadable);
}

static __always_inline void emit_without_bytes(const struct event_data *header)
{
	struct event_data *e = emit_reserve(sizeof(*e));

	if (!e)
		return;
	__builtin_memcpy(e, header, sizeof(*e));
	emit_reserved(&e->h);
}

/*
 * Emits an event with the bytes at `from`, which are copied right to the ring: into one of a few sizes, since
 * the verifier wants to know how large it is. room: at least head_len.
 */
static __always_inline void emit_with_room(const struct event_data *header, __u64 from, __u32 head_len,
					   __u32 tail_len, const __u32 room)
{
	struct event_data *e = emit_reserve(sizeof(*e) + room + TAIL_LEN);

	if (!e)
		return;
	__builtin_memcpy(e, header, sizeof(*e));
	/* Else clang drops what the verifier has to see right here. */
	barrier_var(head_len);
	barrier_var(tail_len);
	if (head_len > room)
		head_len = room;
	if (tail_len > TAIL_LEN)
		tail_len = TAIL_LEN;
	e->head_len = head_len;
	e->tail_len = 0;
	if (bpf_probe_read_user(e->data, head_len, (void *)from) < 0)
		payload_failed(e);
	else if (tail_len && bpf_probe_read_user(e->data + head_len, tail_len,
						 (void *)(from + header->len - tail_len)) == 0)
		e->tail_len = tail_len;
	emit_reserved(&e->h);
}

/* The same by way of the scratch: a second copy, but no byte of the ring that is not used. */
static __always_inline void emit_exactly(const struct event_data *header, __u32 slot, __u64 from,
					 __u32 head_len, __u32 tail_len)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &slot);

	if (!s)
		return;
	barrier_var(head_len);
	barrier_var(tail_len);
	if (head_len > CAPTURE_MAX)
		head_len = CAPTURE_MAX;
	if (tail_len > TAIL_LEN)
		tail_len = TAIL_LEN;
	s->e = *header;
	s->e.head_len = head_len;
	if (bpf_probe_read_user(s->data, head_len, (void *)from) < 0) {
		payload_failed(&s->e);
		tail_len = head_len = 0;
	}
	if (tail_len &&
	    bpf_probe_read_user(s->data + head_len, tail_len, (void *)(from + header->len - tail_len)) < 0)
		tail_len = 0;
	s->e.tail_len = tail_len;
	emit(&s->e.h, sizeof(s->e) + head_len + tail_len);
}

/* Emits header->len bytes at `from`, of which `want` may be captured. */
static __always_inline void emit_buffer(const struct event_data *header, __u32 slot, __u64 from, __u32 want)
{
	__u32 head_len = payload_head_len(header->len, want);
	__u32 tail_len = payload_tail_len(header->len, head_len);

	if (head_len <= 64)
		emit_with_room(header, from, head_len, tail_len, 64);
	else if (head_len <= 256)
		emit_with_room(header, from, head_len, tail_len, 256);
	else if (head_len <= 512)
		emit_with_room(header, from, head_len, tail_len, 512);
	else
		emit_exactly(header, slot, from, head_len, tail_len);
}

/* Emits header->len bytes of vectors from their byte `at` on, of which `want` may be captured. */
static __always_inline void emit_vectors(const struct event_data *header, __u32 slot, const struct payload *p,
					 __u32 at, __u32 want)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &slot);
	__u32 head_len = payload_head_len(header->len, want);
	__u64 size;

	if (!s)
		return;
	s->e = *header;
	if (copy_vectors(s, p, at, header->len, head_len, payload_tail_len(header->len, head_len)))
		payload_failed(&s->e);
	size = sizeof(s->e) + s->e.head_len + s->e.tail_len;
	if (size <= sizeof(*s))
		emit(&s->e.h, size);
}
