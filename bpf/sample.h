/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which connections are followed when only one of so many is: both ends decide alike. */
#pragma once

#include "event.h"

/*
 * Of a TCP connection, the sequence number of the client's first byte: both ends know it, whatever addresses
 * each of them sees. The arguments are fields of struct tcp_sock at one of the ends; who has connected counts
 * its SYN among the bytes acknowledged.
 */
static inline __attribute__((always_inline)) event_u32 sample_key(int accepted, event_u32 rcv_nxt,
								  event_u32 bytes_received, event_u32 snd_una,
								  event_u32 bytes_acked)
{
	return accepted ? rcv_nxt - bytes_received : snd_una - bytes_acked + 1;
}

/*
 * Kernels draw first sequence numbers by a keyed hash and the time (RFC 6528). The multiplication spreads
 * what the time makes of them when the hash is the same.
 */
static inline __attribute__((always_inline)) int is_sampled(event_u32 key, event_u32 one_of)
{
	return one_of <= 1 || (key * 2654435761U >> 16) % one_of == 0;
}
