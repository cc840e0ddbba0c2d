/* SPDX-License-Identifier: Apache-2.0 */
/* Each span as a JSON line in a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "exporter.h"
#include "span_json.h"

#define BUFFER_LEN (64 * 1024)

struct jsonlog {
	const char *path;
	int fd;
	bool failing; /* said so already */
	struct wall wall;
	size_t len;
	char buf[BUFFER_LEN];
};

static bool wanted(const struct config *config)
{
	return config->log_path;
}

static int open_log(const struct config *config, void **ret_self)
{
	struct jsonlog *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	log->path = config->log_path;
	log->fd = strcmp(log->path, "-") == 0
			  ? dup(STDOUT_FILENO)
			  : open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log->fd < 0) {
		int err = -errno;

		log_error("cannot open the log %s: %s", log->path, strerror(errno));
		free(log);
		return err;
	}
	*ret_self = log;
	return 0;
}

static int flush(struct jsonlog *log)
{
	size_t at = 0, len = log->len;

	log->len = 0;
	while (at < len) {
		ssize_t n = write(log->fd, log->buf + at, len - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0)
			return -errno;
	}
	return 0;
}

static int write_lines(struct jsonlog *log, struct span *const *spans, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		log->len += span_json(spans[i], &log->wall, log->buf + log->len, SPAN_JSON_MAX);
		if (BUFFER_LEN - log->len < SPAN_JSON_MAX)
			err = flush(log);
	}
	return err ? err : flush(log);
}

/* The file is as if nothing of the batch had been written: a batch is in it whole, or is counted as lost. */
static void take_back(const struct jsonlog *log, const struct stat *before)
{
	if (S_ISREG(before->st_mode) && ftruncate(log->fd, before->st_size))
		log_warn("the log %s has a line that is not complete", log->path);
}

static int send_spans(void *self, struct span *const *spans, size_t n)
{
	struct jsonlog *log = self;
	struct stat before = { 0 };
	int err;

	if (!n || fstat(log->fd, &before))
		return n ? -errno : 0;
	wall_sample(&log->wall);
	err = write_lines(log, spans, n);
	if (err)
		take_back(log, &before);
	if (err && !log->failing)
		log_error("cannot write to the log %s: %s; spans are lost until this is over", log->path,
			  strerror(-err));
	if (!err && log->failing)
		log_info("the log %s can be written again", log->path);
	log->failing = err;
	return err == -EAGAIN ? -EIO : err;
}

static int output_fd(const void *self)
{
	const struct jsonlog *log = self;

	return log->fd;
}

static void close_log(void *self)
{
	struct jsonlog *log = self;

	close(log->fd);
	free(log);
}

const struct exporter jsonlog_exporter = {
	.name = "jsonlog",
	.help = "each span as a JSON line in a file",
	.wanted = wanted,
	.open = open_log,
	.send = send_spans,
	.output_fd = output_fd,
	.close = close_log,
};
