/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes `spanhook compare`: two files of spans, ours and theirs, with a line `--` between them. Whatever is
 * in them, it ends with one of its codes; its reports are well-formed, and what was counted adds up.
 */
#include "fuzz.h"

#include <cjson/cJSON.h>

#include "compare/compare.h"
#include "exit_code.h"

static struct fuzz_file files[2], page;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_silence();
	fuzz_file_open(&files[0]);
	fuzz_file_open(&files[1]);
	fuzz_file_open(&page);
	return 0;
}

/* A terminal shows it as it is meant: lines, and the tabs that JSON is indented by. */
static void check_text(char *p, size_t len)
{
	struct slice text = { p, len };

	for (char *tab; (tab = memchr(p, '\t', len));)
		*tab = ' ';
	while (text.len)
		HOLD(fuzz_is_utf8(fuzz_line(&text)));
}

/* Cuts off what comes before a line of its own, or everything. */
static struct slice cut(struct slice *text, const char *separator)
{
	struct slice before = { text->p, 0 };

	while (text->len) {
		struct slice line = fuzz_line(text);

		if (slice_eq(line, slice_of(separator)))
			break;
		before.len = (size_t)(line.p + line.len - before.p);
	}
	return before;
}

static double number(const cJSON *object, const char *name)
{
	const cJSON *value = cJSON_GetObjectItem(object, name);

	HOLD(cJSON_IsNumber(value) && value->valuedouble >= 0);
	return value->valuedouble;
}

static void check_json(const char *text, size_t len)
{
	cJSON *root = cJSON_ParseWithLength(text, len), *all = cJSON_GetObjectItem(root, "all");

	HOLD(all);
	HOLD(number(all, "matched") <= number(all, "ours") &&
	     number(all, "matched") <= number(all, "theirs"));
	cJSON_Delete(root);
}

static void run(enum output output)
{
	struct config config = {
		.files = { files[0].path, files[1].path },
		.excludes = { "*health*", "GET /[a-c]*" },
		.excludes_len = 2,
		.html_path = output == OUTPUT_JSON ? page.path : NULL,
		.output = output,
		.matched_percent = 90,
		.parents_percent = 90,
	};
	FILE *saved = stdout, *out;
	char *text = NULL;
	size_t len = 0;
	int code;

	stdout = out = open_memstream(&text, &len);
	HOLD(out);
	code = compare(&config);
	stdout = saved;
	fclose(out);
	HOLD(code == EXIT_OK || code == EXIT_DIFFERENT || code == EXIT_USAGE);
	HOLD((code == EXIT_USAGE) == !len);
	check_text(text, len);
	if (len && output == OUTPUT_JSON)
		check_json(text, len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = { (const char *)data, size };

	fuzz_file_write(&files[0], cut(&rest, "--"));
	fuzz_file_write(&files[1], rest);
	run(OUTPUT_JSON);
	run(OUTPUT_TEXT);
	return 0;
}
