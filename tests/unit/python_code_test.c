/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>
#include <limits.h>

#include "hooks/python_code.h"

#define CONTEXT 208 /* of struct state in the source */

/* Compiles the source of the fuzzer's seeds; -ENOTSUP and so on from what is read of it. */
static int read_code(const char *options, struct python_code *ret_code)
{
	char source[PATH_MAX];
	struct object *o;
	int err;

	assert_non_null(realpath("tests/fuzz/elf/contexts.c", source));
	shell("gcc -O2 -nostdlib %s -o contexts %s && strip contexts", options, source);
	o = open_object("contexts");
	err = python_code_read(o, ret_code);
	object_close(o);
	return err;
}

static void storages(void **state)
{
	static const struct {
		const char *options;
		enum python_storage storage;
		int32_t in_block;
	} cases[] = {
		{ "-shared -fPIC", PYTHON_GLOBAL, 0 },
		{ "-pie -fPIE -Wl,-e0,-E", PYTHON_GLOBAL, 0 },
		{ "-shared -fPIC -DSTORAGE=__thread", PYTHON_MODULE, 0 },
		/* Behind another variable. */
		{ "-shared -fPIC -DSTORAGE=__thread -ftls-model=local-dynamic", PYTHON_MODULE, 8 },
		{ "-pie -fPIE -Wl,-e0,-E -DSTORAGE=__thread", PYTHON_THREAD, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct python_code code;

		assert_int_equal(read_code(cases[i].options, &code), 0);
		assert_int_equal(code.python.storage, cases[i].storage);
		assert_int_equal(code.python.in_block, cases[i].in_block);
		assert_int_equal(code.python.context, CONTEXT);
		/* All of them end in the function that makes one. */
		assert_int_equal(code.made_len, 1);
	}
}

/* The pointer is before the end of the program's thread-local storage, which ends at the thread pointer. */
static void place_of_thread(void **state)
{
	struct python_code code;

	(void)state;
	assert_int_equal(read_code("-pie -fPIE -Wl,-e0,-E -DSTORAGE=__thread", &code), 0);
	assert_int_equal((int64_t)code.python.thread_state < 0 && (int64_t)code.python.thread_state >= -16,
			 1);
}

/* Nothing is followed of which a part is missing. */
static void refused(void **state)
{
	struct python_code code;

	(void)state;
	assert_int_equal(read_code("-shared -fPIC -Dcopy=copied '-DPyContext_Type=Type'", &code), -ENOTSUP);
	assert_int_equal(read_code("-shared -fPIC '-DPyContext_Copy=Copy'", &code), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storages),
		cmocka_unit_test(place_of_thread),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
