/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the event loop of Node.js wherever a process has one: linked in, or its library. Not for the hot
 * path. */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

struct node_programs {
	const struct bpf_program *batch_over;
	uint32_t *generation; /* node_generation of the programs */
};

/* From here on processes can be looked at. */
void node_probes_open(const struct node_programs *programs);

/* Takes all off: what was seen before counts no more. */
void node_probes_close(void);

/* Follows the loop of a process, if it has a Node.js that lets us. */
void node_probes_look(uint32_t pid);
