/* SPDX-License-Identifier: Apache-2.0 */
/* What guess() says is final: of every event of the cases and recordings, as if each were a connection's
 * first. */
#include "check.h"

#include <glob.h>

#include "../../bpf/event.h"
#include "tape.h"

#define driver_fail(text) fail_msg("%s", text)
#include "../protocols/driver.h"

static struct driver driver;

static void check_case(const char *path)
{
	static struct script script;
	static char text[1 << 20];
	FILE *file = fopen(path, "re");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	script_read(&script, (struct slice){ text, len });
	for (size_t i = 0; i < script.ops_len; i++)
		if (script.ops[i].kind == OP_BYTES)
			driver_check_guesses(&driver, script.ops[i].p, script.ops[i].len);
}

static void check_tape(const char *path)
{
	struct tape_start start;
	struct tape tape;
	enum tape_kind kind;
	const void *data;
	size_t len, events = 0;

	assert_int_equal(tape_open(path, &tape, &start), 0);
	while (tape_next(&tape, &kind, &data, &len) > 0) {
		const struct event_data *e = data;

		if (kind != TAPE_EVENT || e->h.type != EVENT_DATA)
			continue;
		driver_check_guesses(&driver, (const char *)e->data, e->head_len);
		events++;
	}
	tape_free(&tape);
	assert_int_not_equal(events, 0);
}

static void check_each(const char *pattern, void (*check)(const char *path))
{
	glob_t found;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check(found.gl_pathv[i]);
	globfree(&found);
}

static void cases(void **state)
{
	(void)state;
	check_each("tests/protocols/*/*.case", check_case);
}

static void recordings(void **state)
{
	(void)state;
	check_each("tests/recordings/*.tape", check_tape);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cases), cmocka_unit_test(recordings) };

	return cmocka_run_group_tests_name("guess", tests, NULL, NULL);
}
