/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int stamp_uuid(char ret[static UUID_LEN + 1])
{
	unsigned char b[16];

	/* Up to 256 bytes come whole (getrandom(2)). */
	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -errno;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (int i = 0, at = 0; i < 16; i++)
		at += sprintf(ret + at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
	return 0;
}

void stamp_time(long ahead_s, char ret[static TIME_LEN + 1])
{
	struct timespec now;
	struct tm utc;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	gmtime_r(&now.tv_sec, &utc);
	len = strftime(ret, TIME_LEN + 1, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(ret + len, TIME_LEN + 1 - len, ".%06uZ", (unsigned int)(now.tv_nsec / 1000) % 1000000);
}
