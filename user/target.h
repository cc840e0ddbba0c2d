/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes are traced, and what they are called. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "config.h"

/* A traced process. Spans hold references, counted on the spine's thread only. */
struct process {
	uint32_t pid;
	uint32_t refs;
	uint32_t open;    /* unanswered requests */
	uint32_t untaken; /* ... for which no call is known yet: they may wait for a thread */
	uint32_t taken;   /* threads that were woken for one of those, not known which */
	uint64_t events;  /* that it caused, and those until its share was looked at last */
	uint64_t events_before;
	uint32_t quiet; /* open requests that wait for something that cannot be seen (quiet.h) ... */
	struct work *waiting_first, *waiting_last; /* ... and no answer has begun, by when they began to */
	bool hops;   /* what it does for a request goes from thread to thread, as goroutines and tasks do */
	bool shares; /* some threads share a loop: what they do by way of one does */
	bool exited;
	bool undecided;             /* executed while --exe is watched: whether it matches is not known yet */
	bool ignored;               /* ... and it does not */
	bool late;                  /* it could not be looked at when it was found */
	bool resolved;              /* command and service were read */
	struct process *unresolved; /* next to be read */
	char path[PROCESS_PATH_LEN]; /* as it was executed; empty when that was not seen */
	char command[16];            /* /proc/PID/comm */
	char service[64]; /* OTEL_SERVICE_NAME of its environment, else its executable's base name */
};

/* Called when a process that the kernel selected turns out not to match; it may listen on a port that was
 * asked for. */
typedef void (*target_reject_fn)(uint32_t pid);

/* Called when a process is found, or runs another program. */
typedef void (*target_found_fn)(uint32_t pid);

/* Reserves room. The configuration is borrowed. Returns 0 or -ENOMEM. */
int targets_init(const struct config *config, target_reject_fn reject);
void targets_fini(void);

/* Whom targets_resolve() tells of each process that matches; NULL: nobody. */
void targets_on_found(target_found_fn found);

/*
 * Adds a process that was asked for. Returns 0, -ESRCH when there is none with this id, -ENOSPC when
 * there are too many.
 */
int target_add(uint32_t pid);

/* Forgets the processes that ended before the kernel's hooks knew them; call it once all is attached. */
void targets_verify(void);

/*
 * Calls add(pid) for every running process whose executable matches one of config's globs. Returns how
 * many there were, or the first negative errno of add.
 */
int targets_scan(int (*add)(uint32_t pid));

/*
 * Calls add(pid) for every child that the process has now. Returns 0, -errno when /proc cannot be read, or
 * the first negative errno of add but -ESRCH: a child that is gone by then is none.
 */
int target_children(uint32_t pid, int (*add)(uint32_t pid));

/* Says of a process, if it is known, that what it does for a request goes from thread to thread, until it
 * executes something else. Returns whether that is news. */
bool target_hops(uint32_t pid);

/* Calls see() for each process that is known. */
void targets_each(void (*see)(uint32_t pid));

/* Of the processes, the one that has caused the most events since the last call, and how many. */
struct process_share {
	uint32_t pid; /* 0: none has */
	uint64_t events;
	char command[16];
};
struct process_share targets_busiest(void);

/* The process of an event, made known when it is the first to speak of it; NULL: not to be traced, or no
 * room, which is counted. Hot path. */
struct process *target_find(uint32_t pid);

/* Follows fork, exec and exit. Returns false when there was no use for the event, which is counted. Hot path.
 */
bool target_event(const struct event_process *e);

/* Reads the names of the processes that are new; later while too many files are open, which is counted. Not
 * for the hot path: it opens files in /proc. */
void targets_resolve(uint64_t now_ns);

/* Takes the names from here instead: sets command and service, and returns whether the process is ignored. */
void targets_resolve_from(bool (*names)(struct process *p));

/* Shows every process to tap when its names are known. */
void targets_resolve_tap(void (*tap)(const struct process *p));

/* Targets that have not exited. */
uint32_t targets_alive(void);

void process_ref(const struct process *process);
void process_unref(const struct process *process);
