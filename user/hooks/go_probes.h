/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the goroutines of processes of Go. Not for the hot path. */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

#include "go_code.h"

struct go_programs {
	const struct bpf_program *at[GO_POINTS];
	int gos_fd;           /* process id → where a goroutine's id is */
	uint32_t *generation; /* gos_generation of the programs */
};

/* From here on processes can be looked at. */
void go_probes_open(const struct go_programs *programs);

/* Takes all off; nobody's goroutines are known from then on. */
void go_probes_close(void);

/* Follows the goroutines of a process, if it is one of Go that lets us. */
void go_probes_look(uint32_t pid);
