/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzzers share. Each says at its start how its input is read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/slice.h"

#define HOLD(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			dprintf(STDERR_FILENO, "does not hold: %s\n", #condition);                           \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the program logs goes nowhere; what the fuzzer says goes where it always does. */
static inline void fuzz_silence(void)
{
	stderr = fopen("/dev/null", "we");
	HOLD(stderr);
}

/* Takes a line off *text. */
static inline struct slice fuzz_line(struct slice *text)
{
	const char *lf = text->len ? memchr(text->p, '\n', text->len) : NULL;
	struct slice line = { text->p, lf ? (size_t)(lf - text->p) : text->len };

	*text = slice_from(*text, line.len + 1);
	return line;
}

/* A copy in memory of just its size, behind which nothing can be read unnoticed; for the caller to free. */
static inline char *fuzz_copy(struct slice s)
{
	char *copy = malloc(s.len ? s.len : 1);

	HOLD(copy);
	slice_put(copy, s);
	return copy;
}

/* The same with a NUL behind it. */
static inline char *fuzz_string(struct slice s)
{
	char *copy = strndup(s.len ? s.p : "", s.len);

	HOLD(copy);
	return copy;
}

/* Is every byte of the line part of a UTF-8 character (RFC 3629 section 4) that is none of control? */
static inline bool fuzz_is_utf8(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t more;

	for (size_t i = 0; i < s.len; i += 1 + more) {
		uint32_t c = p[i];

		more = c < 0x80 ? 0 : c < 0xc2 ? 4 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 4;
		if (more > 3 || more >= s.len - i || c < 0x20)
			return false;
		c &= 0x7fu >> more;
		for (size_t k = 1; k <= more; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i + k] & 0x3f);
		}
		if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (more == 2 && c < 0x800) ||
		    (more == 3 && c < 0x10000))
			return false;
	}
	return true;
}

/* A file that is open all the time, and its path. */
struct fuzz_file {
	int fd;
	char path[64];
};

static inline void fuzz_file_open(struct fuzz_file *file)
{
	file->fd = memfd_create("input", 0);
	HOLD(file->fd >= 0);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static inline void fuzz_file_write(const struct fuzz_file *file, struct slice s)
{
	HOLD(ftruncate(file->fd, 0) == 0 && pwrite(file->fd, s.p, s.len, 0) == (ssize_t)s.len);
}
