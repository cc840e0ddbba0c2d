/* SPDX-License-Identifier: Apache-2.0 */
/* Reads metrics back from the text that is served, and holds it to its format (Prometheus text format 0.0.4).
 */
#pragma once

#include "check.h"

#include "base/utf8.h"
#include "metric.h"

#define SAMPLES_MAX 60000

struct sample {
	char *line; /* name{labels} */
	double value;
};

static struct sample samples[SAMPLES_MAX];
static size_t samples_len;
static inline void forget_samples(void)
{
	while (samples_len)
		free(samples[--samples_len].line);
}

static inline char *read_text(void)
{
	struct metrics_reader reader = { 0 };
	char *part = guarded_end(METRICS_PART_MAX) - METRICS_PART_MAX, *text = NULL;
	size_t len = 0, n;
	FILE *out = open_memstream(&text, &len);

	while ((n = metrics_read(&reader, part))) {
		assert_true(n <= METRICS_PART_MAX);
		fwrite(part, 1, n, out);
	}
	fclose(out);
	return text;
}

static inline size_t name_len(const char *p)
{
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");

	return len && (p[0] < '0' || p[0] > '9') ? len : 0;
}

/* {name="value",...}: names that differ, values without a bare quote, backslash or control character. */
static inline const char *skip_labels(const char *p, const char *line)
{
	if (*p++ != '{')
		fail_msg("no labels: %s", line);
	while (*p != '}') {
		size_t len = name_len(p);

		if (!len || p[len] != '=' || p[len + 1] != '"')
			fail_msg("not a label: %s", line);
		for (p += len + 2; *p != '"'; p++) {
			if ((unsigned char)*p < 0x20)
				fail_msg("a control character: %s", line);
			if (*p == '\\' && !strchr("\\\"n", *++p))
				fail_msg("an escape: %s", line);
		}
		p++;
		if (*p == ',')
			p++;
		else if (*p != '}')
			fail_msg("not the end of a label: %s", line);
	}
	return p + 1;
}

static inline int by_line(const void *a, const void *b)
{
	return strcmp(((const struct sample *)a)->line, ((const struct sample *)b)->line);
}

/* Is the sample one of the metric that the last # TYPE line named? */
static inline bool belongs(const char *line, size_t len, const char *type_of, bool histogram)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
	size_t base = strlen(type_of);

	if (!histogram)
		return len == base && memcmp(line, type_of, len) == 0;
	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (len == base + strlen(suffixes[i]) && memcmp(line, type_of, base) == 0 &&
		    memcmp(line + base, suffixes[i], len - base) == 0)
			return true;
	return false;
}

/* Reads all that is exposed, strictly: every metric has its HELP and TYPE once and before it, no sample
 * twice. */
static inline void read_samples(void)
{
	char *text = read_text(), type_of[128] = "", type[32] = "", seen_types[8192] = " ";
	bool helped = false;

	forget_samples();
	for (size_t i = 0, len = strlen(text), n; i < len; i += n) {
		n = utf8_len(text + i, len - i);
		assert_true(n > 0);
	}
	for (char *line = text, *end; *line; line = end + 1) {
		const char *p;
		char *rest;
		size_t len;

		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (strncmp(line, "# HELP ", 7) == 0) {
			snprintf(type_of, sizeof(type_of), "%.*s", (int)name_len(line + 7), line + 7);
			assert_int_equal(line[7 + strlen(type_of)], ' ');
			helped = true;
			continue;
		}
		if (line[0] == '#') {
			char name[128], once[132];

			assert_int_equal(sscanf(line, "# TYPE %127s %31s", name, type), 2);
			assert_true(helped);
			assert_string_equal(name, type_of);
			assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
				    strcmp(type, "histogram") == 0);
			snprintf(once, sizeof(once), " %s ", name);
			if (strstr(seen_types, once))
				fail_msg("described twice: %s", name);
			strcat(seen_types, once + 1);
			helped = false;
			continue;
		}
		len = name_len(line);
		if (!belongs(line, len, type_of, strcmp(type, "histogram") == 0))
			fail_msg("not of the metric %s: %s", type_of, line);
		p = line[len] == '{' ? skip_labels(line + len, line) : line + len;
		assert_int_equal(*p, ' ');
		assert_true(samples_len < SAMPLES_MAX);
		samples[samples_len].value = strtod(p + 1, &rest);
		assert_true(rest > p + 1 && *rest == '\0');
		samples[samples_len++].line = strndup(line, (size_t)(p - line));
	}
	free(text);
	qsort(samples, samples_len, sizeof(samples[0]), by_line);
	for (size_t i = 1; i < samples_len; i++)
		if (strcmp(samples[i].line, samples[i - 1].line) == 0)
			fail_msg("exposed twice: %s", samples[i].line);
}

/* The sum of a metric's samples that have these labels, each name="value". */
static inline double sum_of(const char *name, const char *const *labels, size_t *ret_n)
{
	double sum = 0;

	*ret_n = 0;
	for (size_t i = 0; i < samples_len; i++) {
		size_t len = name_len(samples[i].line);
		bool has = len == strlen(name) && memcmp(samples[i].line, name, len) == 0;

		for (size_t j = 0; has && labels && labels[j]; j++) {
			char one[2][300];

			snprintf(one[0], sizeof(one[0]), "{%s", labels[j]);
			snprintf(one[1], sizeof(one[1]), ",%s", labels[j]);
			has = strstr(samples[i].line, one[0]) || strstr(samples[i].line, one[1]);
		}
		if (has) {
			sum += samples[i].value;
			++*ret_n;
		}
	}
	return sum;
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline double value(const char *name, const char *const *labels)
{
	size_t n;
	double sum = sum_of(name, labels, &n);

	if (n != 1)
		fail_msg("%zu samples of %s with %s", n, name, labels ? labels[0] : "any label");
	return sum;
}

static inline double sum(const char *name)
{
	size_t n;

	return sum_of(name, NULL, &n);
}

static inline bool is_there(const char *name)
{
	size_t n;

	sum_of(name, NULL, &n);
	return n > 0;
}
