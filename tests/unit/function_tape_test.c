/* SPDX-License-Identifier: Apache-2.0 */
/* A function comes back from the tape as it was, and a record that is none of a function is refused. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "function.h"
#include "function_tape.h"
#include "tape.h"

static char path[] = "/tmp/spanhook-tape-XXXXXX";
static char record[TAPE_RECORD_MAX] __attribute__((aligned(8)));
static size_t record_len;

static void make_function(void)
{
	static const struct enumerator names[] = { { -1, "UNKNOWN" }, { 7, "SHIPPED" } };
	struct function *f = function_new();

	assert_non_null(f);
	strcpy(f->name, "ship_order");
	f->rule = (struct error_rule){ .comparison = COMPARE_LESS, .bound = -2, .is_errno = true, .read = 2 };
	strcpy(f->rule.text, "return < -2");
	f->reads.reads_len = 3;
	f->reads.reads[2].at_return = 1;
	f->values[0] =
		(struct value){ .name = "order.status", .type = VALUE_ENUM, .size = 4, .names_len = 2 };
	f->values[0].names = calloc(2, sizeof(names[0]));
	for (size_t i = 0; i < 2; i++)
		f->values[0].names[i] = (struct enumerator){ names[i].value, strdup(names[i].name) };
	f->values[1] = (struct value){ .name = "order.id", .type = VALUE_STRING };
	f->values[2] = (struct value){ .type = VALUE_SIGNED, .size = 8 };
}

static void read_record(void)
{
	enum tape_kind kind;
	struct tape_start start;
	struct tape tape;
	const void *data;

	assert_int_equal(tape_open(path, &tape, &start), 0);
	assert_int_equal(tape_next(&tape, &kind, &data, &record_len), 1);
	assert_int_equal(kind, TAPE_FUNCTION);
	memcpy(record, data, record_len);
	assert_int_equal(tape_next(&tape, &kind, &data, &record_len), 0);
	tape_free(&tape);
}

static int start(void **state)
{
	static const uint64_t seed[4] = { 1 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(functions_init(), 0);
	make_function();
	assert_int_equal(tape_create(path, 1, seed), 0);
	function_tape_add();
	function_tape_add();
	assert_int_equal(tape_flush(), 0);
	tape_close();
	functions_fini();
	read_record();
	unlink(path);
	return 0;
}

static void test_same(void **state)
{
	const struct function *f;

	(void)state;
	assert_int_equal(functions_init(), 0);
	assert_int_equal(function_tape_take(record, record_len), 0);
	assert_int_equal(functions_len(), 1);
	f = function_at(0);
	assert_string_equal(f->name, "ship_order");
	assert_int_equal(f->rule.comparison, COMPARE_LESS);
	assert_int_equal(f->rule.bound, -2);
	assert_true(f->rule.is_errno);
	assert_int_equal(f->rule.read, 2);
	assert_string_equal(f->rule.text, "return < -2");
	assert_int_equal(f->reads.reads_len, 3);
	assert_false(f->reads.reads[0].at_return);
	assert_true(f->reads.reads[2].at_return);
	assert_string_equal(f->values[0].name, "order.status");
	assert_int_equal(f->values[0].names_len, 2);
	assert_int_equal(f->values[0].names[0].value, -1);
	assert_string_equal(f->values[0].names[1].name, "SHIPPED");
	assert_int_equal(f->values[1].type, VALUE_STRING);
	assert_null(f->values[2].name);
	assert_int_equal(f->values[2].size, 8);
	functions_fini();
	function_tape_fini();
}

/* Whatever byte of it is another one, what is taken can be used. */
static void test_hostile(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 9, 0x7f, 0xff };
	unsigned refused = 0;

	(void)state;
	for (size_t len = 0; len < record_len; len += 8)
		assert_int_equal(function_tape_take(record, len), -EPROTO);
	for (size_t i = 0; i < record_len * sizeof(bytes); i++) {
		char other[TAPE_RECORD_MAX] __attribute__((aligned(8)));

		memcpy(other, record, record_len);
		other[i / sizeof(bytes)] = (char)bytes[i % sizeof(bytes)];
		assert_int_equal(functions_init(), 0);
		if (function_tape_take(other, record_len)) {
			refused++;
			assert_int_equal(functions_len(), 0);
		} else {
			const struct function *f = function_at(0);

			for (uint32_t v = 0; v < f->reads.reads_len; v++)
				assert_true(f->values[v].type == VALUE_STRING ||
					    (f->values[v].size >= 1 && f->values[v].size <= 8));
			assert_true(!f->rule.comparison || f->rule.read < f->reads.reads_len);
		}
		functions_fini();
		function_tape_fini();
	}
	assert_true(refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same), cmocka_unit_test(test_hostile) };

	return cmocka_run_group_tests(tests, start, NULL);
}
