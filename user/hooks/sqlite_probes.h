/* SPDX-License-Identifier: Apache-2.0 */
/* Puts programs on SQLite's functions wherever a process has them: its library, or linked in. Not for the hot
 * path. */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

#include "../config.h"
#include "mapping.h"

struct sqlite_programs {
	const struct bpf_program *step, *stepped, *reset, *executed;
	int files_fd; /* what is known of each file's SQLite */
	int hits_fd;  /* counts the calls */
};

/* From here on processes can be looked at. The configuration is borrowed. */
void sqlite_probes_open(const struct config *config, const struct sqlite_programs *programs);

/* Takes all off. */
void sqlite_probes_close(void);

/* Takes all off for a time; from resume() on it is put on what is seen from then on. */
void sqlite_probes_pause(uint64_t now_ns);
void sqlite_probes_resume(void);

/* Traces the SQLite in what a process has mapped, if there is one; nothing happens when that was found
 * before. */
void sqlite_probes_see(const struct mapping *m);

/* The same for an executable that is to be started. */
void sqlite_probes_look_file(const char *path);

/* Lets go what is called too often: once a second. */
void sqlite_probes_tick(uint64_t now_ns);
