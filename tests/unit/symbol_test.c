/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>

static const char one_c[] =
	"static __attribute__((noinline)) int helper(int x) { __asm__(\"\"); return x + 1; }\n"
	"int add(int a, int b) { return helper(a) + b; }\n"
	"__attribute__((noinline)) void nothing(void) { __asm__(\"\"); }\n"
	"int main(void) { nothing(); return add(1, 2); }\n";
static const char two_c[] =
	"static __attribute__((noinline)) int helper(int x) { __asm__(\"\"); return x - 1; }\n"
	"int sub(int a, int b) { return helper(a) * b + 17; }\n";

static void check_start(const char *name, uint64_t offset, const char *first_bytes, size_t len)
{
	char path[256], bytes[16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", compile_folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
	assert_int_equal(fread(bytes, 1, len, f), len);
	assert_memory_equal(bytes, first_bytes, len);
	fclose(f);
}

static void kinds(void **state)
{
	static const char *const flags[] = { "-pie -fPIE", "-no-pie", "-shared -fPIC" };

	(void)state;
	write_file("one.c", one_c);
	write_file("two.c", two_c);
	for (size_t i = 0; i < COUNT(flags); i++) {
		struct object *o;
		struct wanted w;

		shell("gcc -O2 -g %s -o kinds one.c two.c", flags[i]);
		o = open_object("kinds");
		assert_false(o->is_go);
		assert_false(o->stripped);
		assert_string_equal(o->convention->name, "x86-64");
		w = find_function(o, "sub");
		assert_int_equal(w.found, 1);
		assert_true(w.symbol.global);
		assert_null(w.symbol.refusal);
		w = find_function(o, "helper");
		assert_int_equal(w.found, 2);
		assert_false(w.symbol.global);
		assert_true(!strcmp(w.file, "one.c") || !strcmp(w.file, "two.c"));
		/* lea 0x1(%rdi),%eax or lea -0x1(%rdi),%eax */
		check_start("kinds", w.symbol.offset,
			    strcmp(w.file, "one.c") ? "\x8d\x47\xff" : "\x8d\x47\x01", 3);
		assert_int_equal(find_function(o, "absent").found, 0);
		object_close(o);
	}
}

/* A probe is put where the kernel need not execute an instruction step by step, if that can be. */
static void entries(void **state)
{
	static const struct {
		const char *code;
		uint64_t mark_len;
		bool steps;
	} cases[] = {
		{ "push %rbp", 0, false },          { "push %r12", 0, false },
		{ "endbr64; push %rbx", 4, false }, { "endbr64; push %r15", 4, false },
		{ "sub $8, %rsp", 0, true },        { "endbr64; mov %rdi, %rax", 4, true },
		{ "endbr32; push %rbx", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char code[256];
		struct object *o;
		struct symbol s;

		snprintf(code, sizeof(code),
			 ".globl f\n.type f, @function\nf: %s\n nop\n nop\n ret\n.size f, . - f\n"
			 ".section .note.GNU-stack\n",
			 cases[i].code);
		write_file("entry.s", code);
		shell("gcc -shared -nostdlib -o entry entry.s");
		o = open_object("entry");
		s = find_function(o, "f").symbol;
		assert_int_equal(s.entry - s.offset, cases[i].mark_len);
		assert_int_equal(s.steps, cases[i].steps);
		assert_int_equal(symbol_at(o, s.address, &s), 0);
		assert_int_equal(s.entry - s.offset, cases[i].mark_len);
		object_close(o);
	}
}

static void by_address(void **state)
{
	struct symbol at, inside, nowhere;
	struct object *o;
	struct wanted w;

	(void)state;
	write_file("one.c", one_c);
	shell("gcc -O2 -o address one.c");
	o = open_object("address");
	w = find_function(o, "add");
	assert_int_equal(symbol_at(o, w.symbol.address, &at), 0);
	assert_string_equal(at.name, "add");
	assert_int_equal(at.offset, w.symbol.offset);
	assert_int_equal(symbol_at(o, w.symbol.address + 1, &inside), 0);
	assert_string_equal(inside.name, "");
	assert_int_equal(symbol_at(o, 1ULL << 40, &nowhere), -ENOENT);
	object_close(o);
}

static void stripped(void **state)
{
	struct object *o;

	(void)state;
	write_file("one.c", one_c);
	shell("gcc -O2 -g -o stripped one.c && strip stripped");
	o = open_object("stripped");
	assert_true(o->stripped);
	assert_int_equal(find_function(o, "add").found, 0);
	object_close(o);
	/* What a library shows to others stays. */
	shell("gcc -O2 -g -shared -fPIC -o library.so one.c && strip library.so");
	o = open_object("library.so");
	assert_true(o->stripped);
	assert_int_equal(find_function(o, "add").found, 1);
	assert_int_equal(find_function(o, "helper").found, 0);
	object_close(o);
}

static void debug_link(void **state)
{
	struct object *o;

	(void)state;
	write_file("one.c", one_c);
	shell("gcc -O2 -g -o linked one.c && objcopy --only-keep-debug linked linked.debug && strip linked "
	      "&& "
	      "objcopy --add-gnu-debuglink=linked.debug linked");
	o = open_object("linked");
	assert_false(o->stripped);
	assert_int_equal(find_function(o, "helper").found, 1);
	object_close(o);
	/* One that belongs to another build is not believed. */
	shell("gcc -O2 -g -DOTHER -o other one.c -Wl,--build-id=0x1234567890 && "
	      "objcopy --only-keep-debug other linked.debug");
	o = open_object("linked");
	assert_true(o->stripped);
	object_close(o);
}

static void build_id(void **state)
{
	struct object *o = NULL;
	char path[256];

	(void)state;
	write_file("one.c", one_c);
	shell("gcc -O2 -g -Wl,--build-id=0xabcdef0123456789 -o identified one.c && "
	      "mkdir -p root/usr/lib/debug/.build-id/ab && "
	      "objcopy --only-keep-debug identified root/usr/lib/debug/.build-id/ab/cdef0123456789.debug && "
	      "strip identified");
	o = open_object("identified");
	assert_true(o->stripped);
	object_close(o);
	snprintf(path, sizeof(path), "%s/root", compile_folder);
	{
		char file[256];

		snprintf(file, sizeof(file), "%s/identified", compile_folder);
		assert_int_equal(object_open(file, path, &o), 0);
	}
	assert_false(o->stripped);
	assert_int_equal(find_function(o, "helper").found, 1);
	object_close(o);
}

static void refused(void **state)
{
	struct object *o;

	(void)state;
	write_file("one.c", one_c);
	write_file("short.S",
		   ".globl tiny\n.type tiny,@function\ntiny: ret\n.size tiny,.-tiny\n"
		   ".globl broken\n.type broken,@function\nbroken: int3\nnop\nnop\nnop\nret\n"
		   ".size broken,.-broken\n.type add.cold,@function\nadd.cold: nop\nnop\nnop\nret\n"
		   ".size add.cold,.-add.cold\n.section .note.GNU-stack,\"\",@progbits\n");
	write_file("ifunc.c",
		   "static int real(void) { return 1; }\nstatic void *choose(void) { return real; }\n"
		   "int chosen(void) __attribute__((ifunc(\"choose\")));\n");
	shell("gcc -O2 -o refused one.c short.S ifunc.c");
	o = open_object("refused");
	assert_non_null(find_function(o, "tiny").symbol.refusal);
	assert_non_null(find_function(o, "broken").symbol.refusal);
	assert_non_null(find_function(o, "chosen").symbol.refusal);
	assert_non_null(find_function(o, "add.cold").symbol.refusal);
	assert_null(find_function(o, "add").symbol.refusal);
	object_close(o);
	shell("echo > note && objcopy --add-section .note.go.buildid=note refused go");
	o = open_object("go");
	assert_true(o->is_go);
	assert_non_null(strstr(find_function(o, "add").symbol.refusal, "Go"));
	object_close(o);
}

static void no_objects(void **state)
{
	struct object *o = NULL;
	char path[256];

	(void)state;
	write_file("one.c", one_c);
	write_file("text", "#!/bin/sh\n");
	write_file("empty", "");
	shell("gcc -O2 -c -o relocatable.o one.c && gcc -O2 -g -o whole one.c && head -c 300 whole > cut && "
	      "mkdir folder");
	assert_int_equal(object_open("/nonexistent", "", &o), -ENOENT);
	for (const char *const *name =
		     (const char *const[]){ "text", "empty", "relocatable.o", "folder", NULL };
	     *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", compile_folder, *name);
		assert_int_equal(object_open(path, "", &o), -ENOEXEC);
	}
	assert_null(o);
	/* Its headers are whole and point beyond its end. */
	snprintf(path, sizeof(path), "%s/cut", compile_folder);
	if (object_open(path, "", &o) == 0) {
		find_function(o, "add");
		object_close(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),    cmocka_unit_test(entries),    cmocka_unit_test(by_address),
		cmocka_unit_test(stripped), cmocka_unit_test(debug_link), cmocka_unit_test(build_id),
		cmocka_unit_test(refused),  cmocka_unit_test(no_objects),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
