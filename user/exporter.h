/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where spans go. One exporter is one file in exporters/ and one row in exporters.def. Each runs on a
 * thread of its own behind a bounded queue that drops the oldest and counts it.
 */
#pragma once

#include <stddef.h>

#include "config.h"
#include "span.h"

struct exporter {
	const char *name;
	const char *help;

	/* So many spans do not wake it: they wait until it looks by itself, as send() says. */
	unsigned patience;

	/* Is this exporter asked for by the configuration? */
	bool (*wanted)(const struct config *config);

	/* Returns 0 and *ret_self (owned by the exporter until close), or -errno after logging one line. */
	int (*open)(const struct config *config, void **ret_self);

	/* Spans that ended at end_ns or before were dropped on their way here; NULL: nobody asks. */
	void (*lost)(void *self, uint64_t end_ns);

	/*
	 * Takes n finished spans, borrowed for the call (span_ref() to keep one longer). Called with
	 * n == 0 at least every 50 ms so that held output can time out.
	 * Returns 0, -EAGAIN (nothing was taken; the same batch comes again after a pause), or another
	 * -errno (the batch is lost; the caller counts it, the exporter logs); -EPIPE: nobody reads any more.
	 */
	int (*send)(void *self, struct span *const *spans, size_t n);

	/*
	 * Writes what it holds back; last, and on the same thread as send(). Returns how many of the spans
	 * that send() had taken are lost. NULL: it holds none back.
	 */
	size_t (*finish)(void *self);

	/*
	 * The descriptor that it writes to. When send() or finish() does not return at the end, it is made
	 * one that cannot be written, and the system call under way is interrupted: EINTR is a failure like
	 * any other. NULL: it writes to none.
	 */
	int (*output_fd)(const void *self);

	/* Frees self. */
	void (*close)(void *self);
};
