/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions of which files are traced: --function meets the processes. Not for the hot path. */
#pragma once

#include <stdio.h>

#include "../config.h"
#include "../function.h"
#include "returns.h"

/* What is done to the kernel. */
struct plan_kernel {
	/* Puts probes on a function in a file, and on where it returns. Returns 0 or -errno. */
	int (*attach)(struct function *f, const char *path, uint64_t offset, const struct returns *returns);
	void (*detach)(uint32_t number);
	/* Entries so far, whoever made them. */
	uint64_t (*hits)(uint32_t number);
	/* Do return probes kill a process that has a seccomp filter? */
	bool (*return_is_filtered)(void);
	uint64_t call_ns; /* what a traced call costs its thread ... */
	uint64_t step_ns; /* ... and each of the function's steps beside that */
};

/* The configuration's functions were parsed before, and both arguments are borrowed. Returns 0 or -errno. */
int plan_init(const struct config *config, const struct plan_kernel *kernel);
void plan_fini(void);

/* Traces what is asked for in the files that the process runs, as far as they are new. Returns 0 or -errno.
 */
int plan_process(uint32_t pid);

/* The same for an executable that is to be started. */
int plan_file(const char *path);

/* Whether everything that was asked for was found; logs what was not, and what to do. Returns 0 or -ENOENT.
 */
int plan_verify(void);

/* Takes all probes off, and puts them back where processes run their files still or again. */
void plan_pause(void);
void plan_resume(void);

/* Looks again for libraries that were not there yet, and lets go what is called too often: once a second. */
void plan_tick(uint64_t now_ns);
