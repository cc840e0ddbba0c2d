/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of BPF programs and maps that are loaded. */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

/*
 * Over all programs of the object: how often the kernel did not run one because it was already running on
 * that processor (Linux 5.12), and for how many ns they ran while statistics were on (Linux 5.1). Programs
 * that stand in for others miss nothing that was not missed before; their misses are left out.
 */
void loaded_runs(const struct bpf_object *object, uint64_t *ret_misses, uint64_t *ret_run_ns);

/*
 * Sums over the processors of the first len counters of a per-CPU array, in one call: Linux 5.13, commit
 * f008d732ab18. 0 when they cannot be read.
 */
void loaded_sums(const struct bpf_map *counters, uint64_t *ret_sums, uint32_t len);

/* The same of an array's first counter. */
uint64_t loaded_sum(const struct bpf_map *counters);

/* Memory of a map, in bytes: exact from Linux 6.4 on, an estimate before; 0: not said. */
uint64_t loaded_map_bytes(const struct bpf_map *map);
