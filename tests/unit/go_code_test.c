/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>
#include <limits.h>

#include "hooks/go_code.h"

/* Compiles the source of the fuzzer's seeds; what is read of it. */
static int read_code(const char *options, struct go_code *ret_code)
{
	char source[PATH_MAX];
	struct object *o;
	int err;

	assert_non_null(realpath("tests/fuzz/elf/goroutines.S", source));
	shell("gcc -nostdlib -static -no-pie -Wl,-e0 %s -o go %s && strip go", options, source);
	o = open_object("go");
	err = go_code_read(o, ret_code);
	object_close(o);
	return err;
}

/* Where the calls are, from the first function on. */
static void points(void **state)
{
	struct go_code code;

	(void)state;
	assert_int_equal(read_code("", &code), 0);
	assert_int_equal(code.points[GO_SENDING] % 4096, 1);
	assert_int_equal(code.points[GO_STARTING] - code.points[GO_SENDING], 8);
	assert_int_equal(code.points[GO_STARTED] - code.points[GO_SENDING], 16);
	assert_false(code.inlined);
	assert_int_equal(code.goid_offset, 160);
	assert_int_equal(read_code("-DCALLED=stack", &code), 0);
	assert_int_equal(code.points[GO_SENDING] % 4096, 1);
	assert_true(code.inlined);
}

static void versions(void **state)
{
	struct go_code code;

	(void)state;
	assert_int_equal(read_code("'-DVERSION=\"go1.18\"' -DMAGIC=0xfffffff0", &code), 0);
	assert_int_equal(code.goid_offset, 152);
	assert_int_equal(read_code("'-DVERSION=\"go1.22.12\"'", &code), 0);
	assert_int_equal(code.goid_offset, 152);
	assert_int_equal(read_code("'-DVERSION=\"go1.23rc1\"'", &code), 0);
	assert_int_equal(code.goid_offset, 160);
}

static void refused(void **state)
{
	struct go_code code;

	(void)state;
	assert_int_equal(read_code("'-DVERSION=\"go1.17.3\"'", &code), -ENOTSUP);
	assert_int_equal(read_code("'-DVERSION=\"devel +abcdef\"'", &code), -ENOTSUP);
	assert_int_equal(read_code("-DCALLED=queue", &code), -ENOTSUP);
	assert_int_equal(read_code("-DMAGIC=0xfffffffb", &code), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points),
		cmocka_unit_test(versions),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
