/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

enum { UUID_LEN = 36, TIME_LEN = 27 };

/* A random UUID (RFC 9562 version 4), terminated. Returns 0 or -errno when the kernel has no randomness. */
int stamp_uuid(char ret[static UUID_LEN + 1]);

/* The time AHEAD_S seconds from now in UTC, RFC 3339 with microseconds, terminated. */
void stamp_time(long ahead_s, char ret[static TIME_LEN + 1]);
