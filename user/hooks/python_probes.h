/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the contexts of Python (PEP 567) wherever a process has an interpreter: linked in, or its library.
 * Not for the hot path.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

struct python_programs {
	const struct bpf_program *copying, *copied; /* at the start and the end of PyContext_CopyCurrent() */
	int pythons_fd;                             /* process id → struct python */
	int contexts_fd;                            /* struct context_key → what was seen of a context */
};

/* From here on processes can be looked at. */
void python_probes_open(const struct python_programs *programs);

/* Takes all off, and forgets all contexts: what was not seen of them meanwhile would be taken for what was.
 */
void python_probes_close(void);

/* Follows the contexts of a process, if it has an interpreter that lets us. */
void python_probes_look(uint32_t pid);
