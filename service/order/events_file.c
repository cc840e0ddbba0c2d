/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* One JSON object a line. */
struct file {
	struct events events;
	int fd;
};

static int open_file(const char *path, struct events **ret)
{
	struct file *file = malloc(sizeof(*file));
	int err;

	if (!file)
		return -ENOMEM;
	file->events.kind = &events_file;
	file->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (file->fd < 0) {
		err = -errno;
		fprintf(stderr, "%s: cannot open %s: %s\n", SERVICE_NAME, path, strerror(-err));
		free(file);
		return err;
	}
	*ret = &file->events;
	return 0;
}

/* O_APPEND and a single call: lines of several threads cannot mix. */
static int publish(struct events *events, const char *text)
{
	struct file *file = (struct file *)events;
	struct iovec line[] = { { (char *)text, strlen(text) }, { (char *)"\n", 1 } };
	ssize_t written = writev(file->fd, line, 2);

	if (written < 0)
		return -errno;
	return (size_t)written == line[0].iov_len + 1 ? 0 : -ENOSPC;
}

static void close_file(struct events *events)
{
	struct file *file = (struct file *)events;

	close(file->fd);
	free(file);
}

const struct events_kind events_file = {
	.scheme = "file",
	.open = open_file,
	.publish = publish,
	.close = close_file,
};
