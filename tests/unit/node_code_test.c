/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>
#include <limits.h>

#include "hooks/node_code.h"

/* Compiles the source of the fuzzer's seeds; what is read of it. */
static int read_code(const char *options, struct node_code *ret_code)
{
	char source[PATH_MAX];
	struct object *o;
	int err;

	assert_non_null(realpath("tests/fuzz/elf/async_ids.c", source));
	shell("gcc -O2 -nostdlib -shared -fPIC %s -o ids %s && strip ids", options, source);
	o = open_object("ids");
	err = node_code_read(o, ret_code);
	if (!err)
		assert_string_equal(ret_code->batch_over.name,
				    "_ZN4node11Environment27RunAndClearNativeImmediatesEb");
	object_close(o);
	return err;
}

static void places(void **state)
{
	struct node_code code;

	(void)state;
	assert_int_equal(read_code("-DTRIGGER=1", &code), 0);
	assert_int_equal(code.ids, 0x480);
	assert_int_equal(read_code("-DTRIGGER=1 -DIDS=0x18", &code), 0);
	assert_int_equal(code.ids, 0x18);
	assert_int_equal(read_code("-DTRIGGER=1 -fno-omit-frame-pointer -O0", &code), 0);
	assert_int_equal(code.ids, 0x480);
}

/* What both functions say must fit together. */
static void refused(void **state)
{
	struct node_code code;

	(void)state;
	assert_int_equal(read_code("-DTRIGGER=2", &code), -ENOTSUP);
	assert_int_equal(
		read_code("-DTRIGGER=1 -D_ZN4node11Environment27RunAndClearNativeImmediatesEb=other", &code),
		-ENOTSUP);
	assert_int_equal(
		read_code("-DTRIGGER=1 -D_ZN4node27AsyncHooksGetTriggerAsyncIdEPN2v87IsolateE=other", &code),
		-ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
