/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>

#include "hooks/result.h"

enum { RAX = 0, RBX = 3, R12 = 12 };

/* The instruction that is to be found is at point_NAME. */
static const char code_s[] =
	".intel_syntax noprefix\n.text\n"
	".macro function name\n.globl \\name\n.type \\name, @function\n\\name:\n.endm\n"
	".macro end name\n.size \\name, . - \\name\n.endm\n"
	".macro point name\n.globl point_\\name\n.type point_\\name, @function\npoint_\\name:\n.endm\n"
	"function make\n mov rax, [rdi]\n ret\n end make\n"
	/* It may be NULL: nothing comes after the jump that is on every way. */
	"function checked\n push rbx\n call make\n mov rbx, rax\n test rax, rax\n point checked\n je 1f\n"
	" mov rdi, rax\n call make\n 1: mov rax, rbx\n pop rbx\n ret\n end checked\n"
	/* It comes from two places. */
	"function either\n push rbx\n test rdi, rdi\n je 1f\n mov rbx, [rdi]\n 2: point either\n call make\n"
	" 3: mov rax, rbx\n pop rbx\n ret\n"
	" 1: call make\n mov rbx, rax\n test rax, rax\n jne 2b\n xor ebx, ebx\n jmp 3b\n end either\n"
	/* What is called need not keep it. */
	"function clobbered\n mov rax, [rdi]\n call make\n point clobbered\n ret\n end clobbered\n"
	"function called\n mov r12, [rdi]\n point called\n call make\n mov rax, r12\n ret\n end called\n"
	/* Of the loop each round would be seen. */
	"function loop\n mov rax, [rdi]\n 1: dec rsi\n jne 1b\n point loop\n ret\n end loop\n"
	"function argument\n test rdi, rdi\n mov rax, rdi\n point argument\n ret\n end argument\n"
	"function tail\n nop\n nop\n jmp checked\n end tail\n"
	"function twice\n test rdi, rdi\n je 1f\n mov rax, [rdi]\n ret\n 1: mov rax, [rsi]\n ret\n end "
	"twice\n"
	"function half\n mov rbx, [rdi]\n mov eax, ebx\n point half\n ret\n end half\n"
	"function indirect\n mov rax, [rdi]\n jmp rsi\n end indirect\n"
	"function endless\n .rept 300\n nop\n .endr\n ret\n end endless\n"
	".section .note.GNU-stack\n";

static void points(void **state)
{
	static const struct {
		const char *name, *point;
		uint8_t reg;
	} cases[] = {
		{ "make", "make", RAX },           { "checked", "point_checked", RBX },
		{ "either", "point_either", RBX }, { "called", "point_called", R12 },
		{ "loop", "point_loop", RAX },     { "tail", "point_checked", RBX },
		{ "half", "point_half", RAX },
	};
	struct object *o;

	(void)state;
	write_file("code.s", code_s);
	shell("gcc -shared -nostdlib -o code.so code.s");
	o = open_object("code.so");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct wanted function = find_function(o, cases[i].name),
			      point = find_function(o, cases[i].point);
		struct result_point found;

		assert_int_equal(result_find(o, &function.symbol, &found), 0);
		/* mov rax, [rdi] is 3 bytes long. */
		assert_int_equal(found.offset, point.symbol.offset + (i == 0 ? 3 : 0));
		assert_int_equal(found.reg, cases[i].reg);
	}
	object_close(o);
}

/* What was in the register before is none of its own. */
static void others(void **state)
{
	static const char *const at_return[] = { "clobbered", "argument" };
	static const char *const refused[] = { "twice", "indirect", "endless" };
	struct object *o;

	(void)state;
	write_file("code.s", code_s);
	shell("gcc -shared -nostdlib -o code.so code.s");
	o = open_object("code.so");
	for (size_t i = 0; i < COUNT(at_return); i++) {
		struct wanted function = find_function(o, at_return[i]), point;
		struct result_point found;
		char name[32];

		snprintf(name, sizeof(name), "point_%s", at_return[i]);
		point = find_function(o, name);
		assert_int_equal(result_find(o, &function.symbol, &found), 0);
		assert_int_equal(found.offset, point.symbol.offset);
		assert_int_equal(found.reg, RAX);
	}
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct wanted function = find_function(o, refused[i]);
		struct result_point found;

		assert_int_equal(result_find(o, &function.symbol, &found), -ENOTSUP);
	}
	object_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
