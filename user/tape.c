/* SPDX-License-Identifier: Apache-2.0 */
#include "tape.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bpf/event.h"
#include "base/log.h"
#include "stats.h"

struct head {
	uint32_t kind;
	uint32_t len; /* without padding to 8 bytes */
};

static const char magic[8] = "spanhook";
static char buffer[TAPE_ROOM + TAPE_RECORD_MAX + sizeof(struct head)] __attribute__((aligned(8)));
static size_t buffer_len;
static uint32_t buffer_events;
static int fd = -1;
static bool ended; /* for want of room on the disk */

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static int write_all(const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int tape_create(const char *path, uint64_t wall_offset_ns, const uint64_t seed[4])
{
	struct tape_start start = { .version = TAPE_VERSION,
				    .event_size = sizeof(struct event_data),
				    .wall_offset_ns = wall_offset_ns };
	int err;

	memcpy(start.magic, magic, sizeof(magic));
	memcpy(start.seed, seed, sizeof(start.seed));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	buffer_len = buffer_events = 0;
	if ((err = write_all((const char *)&start, sizeof(start))))
		tape_close();
	return err;
}

void tape_add(enum tape_kind kind, const void *data, size_t len)
{
	struct head head = { kind, (uint32_t)len };

	if (fd < 0 && !ended)
		return;
	if (ended || len > TAPE_RECORD_MAX || buffer_len + sizeof(head) + padded(len) > sizeof(buffer)) {
		drop_add(DROP_tape_full, kind == TAPE_EVENT);
		return;
	}
	memcpy(buffer + buffer_len, &head, sizeof(head));
	memcpy(buffer + buffer_len + sizeof(head), data, len);
	memset(buffer + buffer_len + sizeof(head) + len, 0, padded(len) - len);
	buffer_len += sizeof(head) + padded(len);
	buffer_events += kind == TAPE_EVENT;
}

int tape_flush(void)
{
	off_t start = fd < 0 ? 0 : lseek(fd, 0, SEEK_CUR);
	int err = fd < 0 ? 0 : write_all(buffer, buffer_len);

	if (err) {
		/* The tape ends with what was written before, whole. */
		if (start < 0 || ftruncate(fd, start))
			log_warn("the last record on the tape may not be complete");
		drop_add(DROP_tape_full, buffer_events);
		tape_close();
		ended = true;
	}
	buffer_len = buffer_events = 0;
	return err;
}

void tape_close(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	ended = false;
}

int tape_open(const char *path, struct tape *ret_tape, struct tape_start *ret_start)
{
	struct tape_start start;
	struct stat st;
	void *p;
	int file = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (file < 0)
		return -errno;
	if (fstat(file, &st))
		err = -errno;
	else if ((size_t)st.st_size < sizeof(start))
		err = -EPROTO;
	p = err ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (!err && p == MAP_FAILED)
		err = -errno;
	close(file);
	if (err)
		return err;
	memcpy(&start, p, sizeof(start));
	if (memcmp(start.magic, magic, sizeof(magic)) != 0 || start.version != TAPE_VERSION ||
	    start.event_size != sizeof(struct event_data)) {
		munmap(p, (size_t)st.st_size);
		return -EPROTO;
	}
	*ret_tape = (struct tape){ .p = p, .len = (size_t)st.st_size, .at = sizeof(start) };
	*ret_start = start;
	return 0;
}

void tape_free(struct tape *r)
{
	munmap((void *)r->p, r->len);
}

int tape_next(struct tape *r, enum tape_kind *ret_kind, const void **ret_data, size_t *ret_len)
{
	struct head head;
	size_t left = r->len - r->at;

	if (left == 0)
		return 0;
	if (left < sizeof(head))
		return -EPROTO;
	memcpy(&head, r->p + r->at, sizeof(head));
	if (head.len > TAPE_RECORD_MAX || padded(head.len) > left - sizeof(head))
		return -EPROTO;
	*ret_kind = head.kind;
	*ret_data = r->p + r->at + sizeof(head);
	*ret_len = head.len;
	r->at += sizeof(head) + padded(head.len);
	return 1;
}
