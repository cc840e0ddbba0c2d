/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the kernel's events, checks their sizes and hands each to the noun it belongs to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Maps the ring buffer of this map. Returns 0 or -errno. */
int ring_open(int map_fd);
void ring_close(void);

/* Waits until the kernel says that enough events are there, a signal comes, or timeout_ms have passed; not at
 * all while there are more than ring_poll() took last. */
void ring_wait(int timeout_ms);

/* Dispatches what is there, at most some thousand events. Returns how many; 0: the ring is empty. */
size_t ring_poll(void);

/* Up to when all events were dispatched, in ns of CLOCK_MONOTONIC: now, unless there are more than
 * ring_poll() took last. Never goes back. */
uint64_t ring_seen_ns(uint64_t now_ns);

/* Shows every record to tap before it is dispatched; NULL: no more. */
void ring_tap(void (*tap)(const void *record, size_t size));

/* Checks and dispatches one record. Returns false when there was no use for it, which is counted. */
bool ring_dispatch(const void *record, size_t size);
