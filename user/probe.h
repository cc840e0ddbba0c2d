/* SPDX-License-Identifier: Apache-2.0 */
/* What the running kernel offers of what the BPF programs need: found by looking, never by its version. */
#pragma once

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>

/* Does the kernel have what the program hangs on? Sets *ret_point to its name, e.g. "sock_send_length". */
bool probe_point(const struct btf *btf, const struct bpf_program *prog, const char **ret_point);

/* Does the program stand in for another one, where that can be missed (socket.bpf.c)? */
bool probe_stands_in(const struct bpf_program *prog);

/*
 * Some programs are there in several variants, of which one is wanted: they are not loaded by default.
 * Enables those of the best variant whose points all exist, and where they can be missed those that stand in
 * for them. Returns how many, without these; 0 when there is no such variant. Sets *ret_name.
 */
uint32_t probe_variant(const struct btf *btf, const struct bpf_object *obj, const char **ret_name);

/* The name of the first BPF helper at or after *at that the program calls and the kernel lacks, moving *at
 * past the call; NULL when there is none. *at starts at 0. */
const char *probe_helper(const struct btf *btf, const struct bpf_program *prog, size_t *at);
