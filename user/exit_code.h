/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,    /* the system did not let us */
	EXIT_USAGE = 2,     /* what was asked for makes no sense: a bad flag, a process that does not exist */
	EXIT_DIFFERENT = 3, /* compare: the two files do not agree */
};
