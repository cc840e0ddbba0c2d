/* SPDX-License-Identifier: Apache-2.0 */
#include "patient.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

int write_patiently(int fd, const char *data, size_t len, int patience_ms)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	while (len) {
		/* A pipe that can be written has room for so much. */
		size_t piece = len < PIPE_BUF ? len : PIPE_BUF;
		int ready = poll(&room, 1, patience_ms);
		ssize_t n;

		if (!ready)
			return -ETIMEDOUT;
		n = ready < 0 ? -1 : write(fd, data, piece);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
