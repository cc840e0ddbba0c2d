/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <cjson/cJSON.h>
#include <stdint.h>

#define FILE_MAX ((size_t)4 << 30) /* bytes */

/*
 * Calls take(value, arg) for each JSON value of a file ("-": standard input): one a line, or values of any
 * layout when the first line is not one. Lines that are no JSON (with values of any layout: what is behind
 * the first error) are counted in *ret_malformed. Ends with take()'s error, -errno, -EFBIG (beyond FILE_MAX),
 * -ENOMEM, or returns 0.
 */
int load_json(const char *path, int (*take)(const cJSON *value, void *arg), void *arg,
	      uint64_t *ret_malformed);
