/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include "utf8.h"

bool terminal_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE",
					     "LANG" }; /* the first that is set decides */

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

unsigned terminal_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Control characters, and those that are invisible or change the direction of what follows. */
static bool is_unsafe(const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned c = len == 1   ? u[0]
		     : len == 2 ? (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU)
		     : len == 3 ? (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU)
				: 0x10000;

	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Bytes of the character at the start of text, which is not empty: a byte that is no UTF-8 is one. */
static size_t char_len(struct slice text)
{
	size_t len = utf8_len(text.p, text.len);

	return len ? len : 1;
}

static unsigned count_chars(struct slice text)
{
	unsigned n = 0;

	for (; text.len; text = slice_from(text, char_len(text)))
		n++;
	return n;
}

static void put_char(FILE *out, struct slice text, bool utf8)
{
	size_t len = utf8_len(text.p, text.len);

	if (!len || (len > 1 && !utf8) || is_unsafe(text.p, len))
		fputc('.', out);
	else
		fwrite(text.p, 1, len, out);
}

unsigned terminal_put(FILE *out, struct slice text, unsigned width, bool utf8)
{
	const char *mark = utf8 ? "…" : "...";
	unsigned mark_len = utf8 ? 1 : 3, n = count_chars(text), head = n, tail = n;

	if (width && n > width) {
		mark_len = mark_len < width ? mark_len : width;
		head = (width - mark_len + 1) / 2;
		tail = n - (width - mark_len - head);
	}
	for (unsigned i = 0; text.len; i++, text = slice_from(text, char_len(text))) {
		if (i == head && head < tail)
			fprintf(out, "%.*s", utf8 ? 3 : (int)mark_len, mark);
		if (i < head || i >= tail)
			put_char(out, text, utf8);
	}
	return head < tail ? width : n;
}
