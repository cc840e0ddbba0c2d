/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "patient.h"

#define TEXT_MAX    1024
#define PATIENCE_MS 1000

/* Nobody reads: it was waited for once, and every later line is lost at once until one is taken again. */
static _Atomic bool stuck;

static void line(const char *color, const char *format, va_list args)
{
	bool paints = color && isatty(STDERR_FILENO);
	char text[TEXT_MAX], whole[TEXT_MAX + 32];
	int len;

	vsnprintf(text, sizeof(text), format, args);
	len = paints ? snprintf(whole, sizeof(whole), "spanhook: \033[%sm%s\033[0m\n", color, text)
		     : snprintf(whole, sizeof(whole), "spanhook: %s\n", text);
	atomic_store(&stuck, write_patiently(STDERR_FILENO, whole, (size_t)len,
					     atomic_load(&stuck) ? 0 : PATIENCE_MS) != 0);
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
