/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit before;

long files_raise(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &before))
		return -errno;
	most = (struct rlimit){ before.rlim_max, before.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &most))
		return -errno;
	return most.rlim_cur < LONG_MAX ? (long)most.rlim_cur : LONG_MAX;
}

void files_restore(void)
{
	if (before.rlim_max)
		setrlimit(RLIMIT_NOFILE, &before);
}

bool files_left(unsigned n)
{
	struct rlimit now;
	/* The lowest number that is free: few below it are. */
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return getrlimit(RLIMIT_NOFILE, &now) || (rlim_t)fd + n <= now.rlim_cur;
}
