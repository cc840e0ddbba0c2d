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
	/* Follows it in a process, if that runs one that lets us. */
	void (*look)(uint32_t pid);
};

#define RUNTIME(name, option, map, map_len, help) extern const struct runtime_probes name##_probes;
#include "../../bpf/runtimes.def"
#undef RUNTIME

/* Opens those that are wanted. */
void runtimes_open(const bool wanted[RUNTIMES_LEN],
		   void (*kernel_of)(enum runtime runtime, struct runtime_kernel *ret_kernel));

/* Closes those that are open. */
void runtimes_close(void);

/* Follows those that are open in a process. */
void runtimes_look(uint32_t pid);
