/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "base/utf8.h"

/* The whole of it, and a NUL behind it. */
static int read_all(int fd, char **ret_text, size_t *ret_len)
{
	size_t len = 0, size = 1 << 16;
	char *text = malloc(size + 1), *grown;

	while (text) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (len += (size_t)n) > FILE_MAX) {
			int err = n < 0 ? -errno : n ? -EFBIG : 0;

			text[len] = '\0';
			*ret_text = text;
			*ret_len = len;
			if (err)
				free(text);
			return err;
		}
		if (len < size)
			continue;
		grown = realloc(text, 2 * size + 1);
		if (!grown)
			break;
		text = grown;
		size *= 2;
	}
	free(text);
	return -ENOMEM;
}

static bool is_blank(struct slice s)
{
	while (s.len && strchr(" \t\r\n", *s.p) && *s.p)
		s = slice_from(s, 1);
	return !s.len;
}

static struct slice take_line(struct slice *rest)
{
	const char *end = memchr(rest->p, '\n', rest->len);
	struct slice line = { rest->p, end ? (size_t)(end - rest->p) : rest->len };

	*rest = slice_from(*rest, line.len + (end != NULL));
	return line;
}

static bool is_utf8(const char *p, const char *end)
{
	size_t len = 1;

	for (; p < end && len; p += len)
		len = utf8_len(p, (size_t)(end - p));
	return len;
}

/*
 * The value at the start of s, NULL when there is none; *ret_rest is what follows it. What is no UTF-8 is no
 * JSON (RFC 8259 section 8.1), which the library does not know.
 */
static cJSON *parse(struct slice s, struct slice *ret_rest)
{
	const char *end = NULL;
	cJSON *value = cJSON_ParseWithLengthOpts(s.p, s.len, &end, false);

	if (value && !is_utf8(s.p, end)) {
		cJSON_Delete(value);
		return NULL;
	}
	if (value)
		*ret_rest = slice_from(s, (size_t)(end - s.p));
	return value;
}

static int hand_over(cJSON *value, int (*take)(const cJSON *value, void *arg), void *arg)
{
	int err = take(value, arg);

	cJSON_Delete(value);
	return err;
}

static bool first_line_is_value(struct slice text)
{
	struct slice line = { 0 }, rest = text;
	cJSON *value;
	bool result;

	while (rest.len && is_blank(line))
		line = take_line(&rest);
	value = parse(line, &rest);
	result = value && is_blank(rest);
	cJSON_Delete(value);
	return result;
}

static int take_values(struct slice text, int (*take)(const cJSON *value, void *arg), void *arg,
		       uint64_t *ret_malformed)
{
	int err = 0;

	while (!err && !is_blank(text)) {
		cJSON *value = parse(text, &text);

		if (!value) {
			++*ret_malformed;
			return 0;
		}
		err = hand_over(value, take, arg);
	}
	return err;
}

static int take_lines(struct slice text, int (*take)(const cJSON *value, void *arg), void *arg,
		      uint64_t *ret_malformed)
{
	int err = 0;

	while (!err && text.len) {
		struct slice line = take_line(&text), rest;
		cJSON *value;

		if (is_blank(line))
			continue;
		value = parse(line, &rest);
		if (value && is_blank(rest)) {
			err = hand_over(value, take, arg);
			continue;
		}
		cJSON_Delete(value);
		++*ret_malformed;
	}
	return err;
}

/* A file that begins with garbage and goes on with lines is read as lines. */
static bool has_values_of_any_layout(struct slice text)
{
	struct slice rest;
	cJSON *value;

	if (first_line_is_value(text))
		return false;
	value = parse(text, &rest);
	cJSON_Delete(value);
	return value;
}

int load_json(const char *path, int (*take)(const cJSON *value, void *arg), void *arg,
	      uint64_t *ret_malformed)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC), err;
	struct slice text;
	char *bytes;

	if (fd < 0)
		return -errno;
	err = read_all(fd, &bytes, &text.len);
	close(fd);
	if (err)
		return err;
	text.p = bytes;
	*ret_malformed = 0;
	err = has_values_of_any_layout(text) ? take_values(text, take, arg, ret_malformed)
					     : take_lines(text, take, arg, ret_malformed);
	free(bytes);
	return err;
}
