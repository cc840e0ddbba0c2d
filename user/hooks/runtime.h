/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtimes of languages (runtimes.def) that are asked whom their threads work for, wherever a process runs
 * one: linked in, or its library. Not for the hot path.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/event.h"
#include "mapping.h"

/* The kernel's side of one. */
struct runtime_kernel {
	const struct bpf_object *object; /* which has its programs and maps, by their names */
	uint32_t *generation;            /* of runtime_generations */
};

/* How one is followed: its probes. */
struct runtime_probes {
	/* From here on processes can be looked at. The object stays until close(). */
	void (*open)(const struct runtime_kernel *kernel);
	/* Takes all off: what was seen before counts no more. */
	void (*close)(void);
	/* Follows it, if this is one that lets us. */
	void (*see)(const struct mapping *m);
	/* All was seen that the process has mapped. NULL: that does not matter. */
	void (*seen)(uint32_t pid);
};

#define RUNTIME(name, option, map, map_len, help) extern const struct runtime_probes name##_probes;
#include "../../bpf/runtimes.def"
#undef RUNTIME

/* Opens those that are wanted. */
void runtimes_open(const bool wanted[RUNTIMES_LEN],
		   void (*kernel_of)(enum runtime runtime, struct runtime_kernel *ret_kernel));

/* Closes those that are open. */
void runtimes_close(void);

/* Follows those that are open in what a process has mapped; all that it has was seen. */
void runtimes_see(const struct mapping *m);
void runtimes_seen(uint32_t pid);
