/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void line(const char *color, const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	if (color && isatty(STDERR_FILENO))
		fprintf(stderr, "spanhook: \033[%sm%s\033[0m\n", color, text);
	else
		fprintf(stderr, "spanhook: %s\n", text);
}

#define LOG(name, color)                                                                                     \
	void name(const char *format, ...)                                                                   \
	{                                                                                                    \
		va_list args;                                                                                \
                                                                                                             \
		va_start(args, format);                                                                      \
		line(color, format, args);                                                                   \
		va_end(args);                                                                                \
	}

LOG(log_error, "31")
LOG(log_warn, "33")
LOG(log_info, NULL)
