/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the function programs on functions. */
#pragma once

#include <bpf/libbpf.h>

#include "plan.h"

struct probe_programs {
	const struct bpf_program *enter, *leave;
	const struct bpf_program *leave_at; /* on the instructions that return */
};

/*
 * The programs and maps are loaded; what a traced call costs is measured. Returns NULL when probes cannot be
 * put on functions here, and -errno in *ret_err then. What it returns is valid until probes_close().
 */
const struct plan_kernel *probes_open(const struct probe_programs *programs, int functions_fd, int hits_fd,
				      int *ret_err);
void probes_close(void);

/* The same as return_is_filtered(), tried with these programs, which do nothing on a process that is no
 * target. */
bool probes_kill_filtered(const struct bpf_program *enter, const struct bpf_program *leave);

/* The sum of a per-CPU counter; 0 when it cannot be read. */
uint64_t probes_count(int map_fd, uint32_t key);
