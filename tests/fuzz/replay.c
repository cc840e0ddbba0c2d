/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes --replay: the input is a tape. Whatever is on it, replaying ends, with one of its codes and a
 * summary in JSON; a second time, it is the same.
 */
#include "fuzz.h"

#include <cjson/cJSON.h>

#include "exit_code.h"
#include "replay.h"

static struct fuzz_file tape;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_silence();
	fuzz_file_open(&tape);
	return 0;
}

/* For the caller to free. */
static char *run(size_t *ret_len)
{
	const struct config config = {
		.replay_path = tape.path,
		.connections_max = 64,
		.statements_max = 64,
		.spans_max = 64,
		.label_sets_max = 16,
		.body_limit_len = 1024,
		.bodies_max = 4,
		.metrics_classic = true,
		.metrics_semconv = true,
		.output = OUTPUT_JSON,
	};
	FILE *saved = stdout;
	char *text = NULL;
	int code;

	stdout = open_memstream(&text, ret_len);
	HOLD(stdout);
	code = replay(&config, true);
	fclose(stdout);
	stdout = saved;
	HOLD(code == EXIT_OK || code == EXIT_FAILED || code == EXIT_USAGE);
	return text;
}

static void check_json(struct slice text)
{
	while (text.len) {
		struct slice line = fuzz_line(&text);
		cJSON *object = cJSON_ParseWithLength(line.p, line.len);

		HOLD(object && fuzz_is_utf8(line));
		cJSON_Delete(object);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0, again_len = 0;
	char *text, *again;

	fuzz_file_write(&tape, (struct slice){ (const char *)data, size });
	text = run(&len);
	check_json((struct slice){ text, len });
	again = run(&again_len);
	HOLD(len == again_len && memcmp(text, again, len) == 0);
	free(text);
	free(again);
	return 0;
}
