/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/load.h"

#include <elf.h>

#include "check.h"

#define FOUND(machine, ...)                                                                                  \
	load_offset(machine, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void test_x86(void **state)
{
	(void)state;
	/* test rdi, rdi; je; mov rax, [rdi + 0xf8]; ret; nop; xor eax, eax; ret */
	assert_int_equal(FOUND(EM_X86_64, 0x48, 0x85, 0xff, 0x74, 0x0b, 0x48, 0x8b, 0x87, 0xf8, 0, 0, 0, 0xc3,
			       0x0f, 0x1f, 0, 0x31, 0xc0, 0xc3),
			 0xf8);
	/* endbr64; mov rax, [rdi + 0x40]; ret */
	assert_int_equal(FOUND(EM_X86_64, 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8b, 0x47, 0x40, 0xc3), 0x40);
	/* mov [rbp - 8], rdi; mov rax, [rbp - 8]; mov rax, [rax + 0x108]; ret */
	assert_int_equal(FOUND(EM_X86_64, 0x48, 0x89, 0x7d, 0xf8, 0x48, 0x8b, 0x45, 0xf8, 0x48, 0x8b, 0x80,
			       0x08, 0x01, 0, 0, 0xc3),
			 0x108);
}

static void test_arm64(void **state)
{
	(void)state;
	/* cbz x0, 8; ldr x0, [x0, #248]; ret */
	assert_int_equal(FOUND(EM_AARCH64, 0x40, 0, 0, 0xb4, 0x00, 0x7c, 0x40, 0xf9, 0xc0, 0x03, 0x5f, 0xd6),
			 248);
	/* ldr x0, [sp, #8]; ret */
	assert_int_equal(FOUND(EM_AARCH64, 0xe0, 0x07, 0x40, 0xf9, 0xc0, 0x03, 0x5f, 0xd6), 0);
}

static void test_none(void **state)
{
	(void)state;
	assert_int_equal(FOUND(EM_X86_64, 0x31, 0xc0, 0xc3), 0);
	/* Cut in the midst of its offset, or behind two fields. */
	assert_int_equal(FOUND(EM_X86_64, 0x48, 0x8b, 0x87, 0xf8, 0, 0), 0);
	assert_int_equal(FOUND(EM_X86_64, 0x48, 0x8b, 0x47, 0x40, 0x48, 0x8b, 0x40, 0x18, 0xc3), 0);
	/* mov rax, [rdi - 8] */
	assert_int_equal(FOUND(EM_X86_64, 0x48, 0x8b, 0x47, 0xf8, 0xc3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86),
		cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
