/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the function programs on functions. */
#pragma once

#include <bpf/libbpf.h>

#include "plan.h"

/*
 * The programs and maps are loaded; what a traced call costs is measured. Returns NULL when probes cannot be
 * put on functions here, and -errno in *ret_err then. What it returns is valid until probes_close().
 */
const struct plan_kernel *probes_open(const struct bpf_program *enter, const struct bpf_program *leave,
				      int functions_fd, int hits_fd, int *ret_err);
void probes_close(void);
