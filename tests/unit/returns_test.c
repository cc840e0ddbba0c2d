/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include "hooks/returns.h"

static const char code_s[] = ".text\n"
			     ".macro function name\n.globl \\name\n.type \\name, @function\n\\name:\n.endm\n"
			     ".macro end name\n.size \\name, . - \\name\n.endm\n"
			     "function several\n test %edi, %edi\n js 1f\n mov $0xc3c3c3c3, %eax\n ret\n"
			     "1: neg %edi\n jmp 2f\n nop\n2: rep ret\n end several\n"
			     "function tail\n test %edi, %edi\n jne several\n ret\n end tail\n"
			     "function table\n notrack jmp *%rax\n ret $8\n end table\n"
			     "function indirect\n jmp *%rax\n ret\n end indirect\n"
			     "function never\n ud2\n nop\n nop\n end never\n"
			     "function broken\n .byte 0x06, 0x06, 0x06, 0xc3\n end broken\n"
			     "function many\n .rept 17\n ret\n .endr\n end many\n"
			     "function split\n test %edi, %edi\n js split.cold\n ret\n end split\n"
			     ".type split.cold, @function\nsplit.cold: nop\n nop\n ret\n end split.cold\n"
			     ".section .note.GNU-stack\n";

static const char *find(const struct object *o, const char *name, struct returns *ret_returns)
{
	struct wanted w = find_function(o, name);

	assert_int_equal(w.found, 1);
	ret_returns->len = 0;
	return returns_find(o, &w.symbol, ret_returns);
}

static void check_return(const struct object *o, const char *name, const struct returns *r, size_t i,
			 uint64_t at)
{
	struct wanted w = find_function(o, name);

	assert_int_equal(r->offsets[i] - w.symbol.offset, at);
}

static void kinds(void **state)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{ "tail", "a jump to another function" },
		{ "indirect", "an address that its code does not tell" },
		{ "never", "never returns" },
		{ "broken", "cannot be decoded" },
		{ "many", "in more places" },
	};
	struct returns r;
	struct object *o;

	(void)state;
	write_file("code.s", code_s);
	shell("gcc -shared -nostdlib -o code.so code.s");
	o = open_object("code.so");
	assert_null(find(o, "several", &r));
	assert_int_equal(r.len, 2);
	check_return(o, "several", &r, 0, 9);
	check_return(o, "several", &r, 1, 15);
	assert_null(find(o, "table", &r));
	assert_int_equal(r.len, 1);
	check_return(o, "table", &r, 0, 3);
	assert_null(find(o, "split", &r));
	assert_int_equal(r.len, 2);
	check_return(o, "split", &r, 1, 7);
	for (size_t i = 0; i < COUNT(refused); i++) {
		const char *why = find(o, refused[i].name, &r);

		assert_non_null(why);
		assert_non_null(strstr(why, refused[i].why));
		assert_int_equal(r.len, 0);
	}
	object_close(o);
}

static void exceptions(void **state)
{
	struct object *o;

	(void)state;
	write_file("plain.c", "int main(void) { return 0; }\n");
	write_file("thrown.cc", "int main() { try { throw 1; } catch (int) { return 0; } }\n");
	shell("gcc -O2 -o plain plain.c");
	o = open_object("plain");
	assert_false(o->throws);
	object_close(o);
	if (access("/usr/bin/g++", X_OK))
		skip();
	shell("g++ -O2 -o thrown thrown.cc && strip thrown");
	o = open_object("thrown");
	assert_true(o->throws);
	object_close(o);
	shell("g++ -O2 -static -o thrown thrown.cc");
	o = open_object("thrown");
	assert_true(o->throws);
	object_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(exceptions),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
