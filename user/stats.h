/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum stat_id {
#define STAT(symbol, name, type, help) STAT_##symbol,
#include "stats.def"
#undef STAT
	STATS_LEN,
};

enum drop_id {
#define DROP(reason, stage, help) DROP_##reason,
#include "../bpf/drops.def"
#undef DROP
	DROPS_LEN,
};

/* Written by the spine and the export threads, read by whoever reports; relaxed order suffices. */
extern _Atomic uint64_t stats[STATS_LEN];
extern _Atomic uint64_t drops[DROPS_LEN];

static inline void stat_add(enum stat_id id, uint64_t n)
{
	atomic_fetch_add_explicit(&stats[id], n, memory_order_relaxed);
}

static inline void stat_set(enum stat_id id, uint64_t value)
{
	atomic_store_explicit(&stats[id], value, memory_order_relaxed);
}

static inline uint64_t stat_get(enum stat_id id)
{
	return atomic_load_explicit(&stats[id], memory_order_relaxed);
}

static inline void drop_add(enum drop_id id, uint64_t n)
{
	atomic_fetch_add_explicit(&drops[id], n, memory_order_relaxed);
}

/* How much was lost so far for which spans may be missing; the spine's thread only. */
extern uint64_t losses;

static inline void loss_add(enum drop_id id, uint64_t n)
{
	drop_add(id, n);
	losses += n;
}

static inline uint64_t drop_get(enum drop_id id)
{
	return atomic_load_explicit(&drops[id], memory_order_relaxed);
}
