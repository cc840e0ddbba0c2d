/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include <stdint.h>

/* Seeds from the kernel. Returns 0 or -errno. */
int random_init(void);

/* The same bytes follow the same seed. */
void random_seed(const uint64_t seed[4]);

/* What makes the bytes that follow. */
const uint64_t *random_state(void);

/* Fills bytes with ids that are unique for all practical purposes, not secrets. No system call. One thread.
 */
void random_bytes(void *bytes, size_t len);
