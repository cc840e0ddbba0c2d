/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>

#include "hooks/dwarf.h"

static const char program[] =
	"#include <stdint.h>\n"
	"#include <stdbool.h>\n"
	"enum color { RED, GREEN = 5, BLUE = -3 };\n"
	"enum big { HUGE = 200 };\n"
	"typedef const char *text_t;\n"
	"struct item { int64_t id; double price; };\n"
	"struct hidden;\n"
	"struct order {\n"
	"	char id[37];\n"                               /* 0 */
	"	int64_t user_id;\n"                           /* 40 */
	"	int count;\n"                                 /* 48 */
	"	struct item items[10];\n"                     /* 56 */
	"	double total;\n"                              /* 216 */
	"	float ratio;\n"                               /* 224 */
	"	bool paid;\n"                                 /* 228 */
	"	unsigned flag : 3;\n"                         /* 229 */
	"	enum color color;\n"                          /* 232 */
	"	text_t note;\n"                               /* 240 */
	"	struct order *next;\n"                        /* 248 */
	"	union { uint16_t small; uint32_t large; };\n" /* 256 */
	"	long double wide;\n"
	"	struct hidden *hidden;\n"
	"};\n"
	"struct pair { int a, b; };\n"
	"struct wide { int64_t a, b, c; };\n"
	"volatile int sink;\n"
	"#define BODY { __asm__ volatile(\"\" ::: \"memory\"); sink++; sink += 3; }\n"
	"int pointers(struct order *order, const struct order *const *list, void *raw, char *name, uint8_t "
	"*bytes,"
	" int **deep) BODY\n"
	"long numbers(int8_t a, uint16_t b, char c, bool d, enum color e, uint64_t f, int g, int h) BODY\n"
	"double floats(double a, int b, float c, long d) BODY\n"
	"int after_pair(struct pair p, int x) BODY\n"
	"struct wide wide(int x) BODY\n"
	"#define P8 ********\n"
	"int far(int P8 P8 P8 P8 *p) BODY\n"
	"struct pair pair(int x) BODY\n"
	"enum big big(void) BODY\n"
	"bool truth(void) BODY\n"
	"char *string(void) BODY\n"
	"struct order *found(void) BODY\n"
	"void nothing(void) BODY\n"
	"int incomplete(struct hidden *hidden) BODY\n"
	"static __attribute__((noinline)) int pruned(int unused, int x) { __asm__ volatile(\"\"); return x * "
	"3 + sink; }\n"
	"int main(void) { return pruned(7, sink); }\n";
static const char other[] = "struct hidden { int a; char secret[8]; };\nstruct hidden global_hidden;\n";

static struct object *object;

static int setup(void **state)
{
	if (compile_setup(state))
		return -1;
	write_file("program.c", program);
	write_file("other.c", other);
	return 0;
}

static struct function_info info_of(const char *function)
{
	struct wanted w = find_function(object, function);
	struct function_info info;

	assert_true(w.found);
	if (function_info(object, &w.symbol, &info))
		fail_msg("nothing is known of %s", function);
	return info;
}

static void forget(struct value *v)
{
	for (size_t i = 0; i < v->names_len; i++)
		free(v->names[i].name);
	free(v->names);
}

struct good {
	const char *function, *expression;
	unsigned base, size;
	enum value_type type;
	unsigned steps_len;
	int steps[3];
};

static const struct good goods[] = {
	{ "numbers", "a", 0, 1, VALUE_SIGNED, 0, { 0 } },
	{ "numbers", "b", 1, 2, VALUE_UNSIGNED, 0, { 0 } },
	{ "numbers", "c", 2, 1, VALUE_CHAR, 0, { 0 } },
	{ "numbers", "d", 3, 1, VALUE_BOOL, 0, { 0 } },
	{ "numbers", "e", 4, 4, VALUE_ENUM, 0, { 0 } },
	{ "numbers", "f", 5, 8, VALUE_UNSIGNED, 0, { 0 } },
	{ "numbers", "g", READ_STACK, 4, VALUE_SIGNED, 1, { 8 } },
	{ "numbers", "h", READ_STACK, 4, VALUE_SIGNED, 1, { 16 } },
	{ "numbers", "return", READ_RESULT, 8, VALUE_SIGNED, 0, { 0 } },
	{ "floats", "b", 0, 4, VALUE_SIGNED, 0, { 0 } },
	{ "floats", "d", 1, 8, VALUE_SIGNED, 0, { 0 } },
	{ "pointers", "order", 0, 8, VALUE_POINTER, 0, { 0 } },
	{ "pointers", "raw", 2, 8, VALUE_POINTER, 0, { 0 } },
	{ "pointers", "name", 3, READ_STRING_MAX, VALUE_STRING, 1, { 0 } },
	{ "pointers", "bytes", 4, 8, VALUE_POINTER, 0, { 0 } },
	{ "pointers", "*bytes", 4, 1, VALUE_UNSIGNED, 1, { 0 } },
	{ "pointers", "bytes[3]", 4, 1, VALUE_UNSIGNED, 1, { 3 } },
	{ "pointers", "deep[2][1]", 5, 4, VALUE_SIGNED, 2, { 16, 4 } },
	{ "pointers", "order->id", 0, 38, VALUE_STRING, 1, { 0 } },
	{ "pointers", "order->user_id", 0, 8, VALUE_SIGNED, 1, { 40 } },
	{ "pointers", "order->items[2].price", 0, 8, VALUE_DOUBLE, 1, { 96 } },
	{ "pointers", "order->total", 0, 8, VALUE_DOUBLE, 1, { 216 } },
	{ "pointers", "order->ratio", 0, 4, VALUE_DOUBLE, 1, { 224 } },
	{ "pointers", "order->paid", 0, 1, VALUE_BOOL, 1, { 228 } },
	{ "pointers", "order->color", 0, 4, VALUE_ENUM, 1, { 232 } },
	{ "pointers", "order->note", 0, READ_STRING_MAX, VALUE_STRING, 2, { 240, 0 } },
	{ "pointers", "order->next->next->count", 0, 4, VALUE_SIGNED, 3, { 248, 248, 48 } },
	{ "pointers", "order->small", 0, 2, VALUE_UNSIGNED, 1, { 256 } },
	{ "pointers", "order->large", 0, 4, VALUE_UNSIGNED, 1, { 256 } },
	{ "pointers", "list[1]->count", 1, 4, VALUE_SIGNED, 2, { 8, 48 } },
	{ "incomplete", "hidden->secret", 0, 9, VALUE_STRING, 1, { 4 } },
	{ "found", "return->user_id", READ_RESULT, 8, VALUE_SIGNED, 1, { 40 } },
	{ "string", "return", READ_RESULT, READ_STRING_MAX, VALUE_STRING, 1, { 0 } },
	{ "truth", "return", READ_RESULT, 1, VALUE_BOOL, 0, { 0 } },
	{ "wide", "return.c", READ_RESULT, 8, VALUE_SIGNED, 1, { 16 } },
};

static const struct {
	const char *function, *expression;
	int err;
} bads[] = {
	{ "pointers", "nobody", -ENOENT },
	{ "pointers", "order->nobody", -ENOENT },
	{ "pointers", "order.count", -ENOENT },
	{ "pointers", "order->items[0]->price", -ENOENT },
	{ "pointers", "order->count->x", -ENOENT },
	{ "pointers", "order->count[0]", -ENOENT },
	{ "pointers", "order->", -ENOENT },
	{ "pointers", "order order", -ENOENT },
	{ "pointers", "order->items[", -ENOENT },
	{ "pointers", "order->items[-1].price", -ENOENT },
	{ "pointers", "", -ENOENT },
	{ "pointers", "*raw", -ENOTSUP },
	{ "pointers", "*order", -ENOTSUP },
	{ "pointers", "order->items", -ENOTSUP },
	{ "pointers", "order->flag", -ENOTSUP },
	{ "pointers", "order->wide", -ENOTSUP },
	{ "pointers", "order->items[2147483647].price", -ENOTSUP },
	{ "pointers", "order->next->next->next->next->next->next->count", -ENOTSUP },
	{ "floats", "a", -ENOTSUP },
	{ "floats", "c", -ENOTSUP },
	{ "floats", "return", -ENOTSUP },
	{ "after_pair", "p.a", -ENOTSUP },
	{ "pair", "return.a", -ENOTSUP },
	{ "nothing", "return", -ENOENT },
};

static void check_good(const struct good *g)
{
	struct function_info info = info_of(g->function);
	struct value value = { 0 };
	char why[TYPE_TEXT_MAX];
	struct read read = { 0 };

	if (function_read(&info, g->expression, false, &read, &value, why))
		fail_msg("%s: %s: %s", g->function, g->expression, why);
	if (read.base != g->base || value.type != g->type || read.steps_len != g->steps_len ||
	    read.string != (g->type == VALUE_STRING) || (g->steps_len && read.size != g->size) ||
	    (!read.string && value.size != g->size))
		fail_msg("%s: %s: base %u, size %u, type %d, %u steps", g->function, g->expression, read.base,
			 read.size, value.type, read.steps_len);
	for (unsigned i = 0; i < g->steps_len; i++)
		assert_int_equal(read.steps[i], g->steps[i]);
	assert_int_equal(read.at_return, g->base == READ_RESULT);
	forget(&value);
}

static void check_all(void)
{
	for (size_t i = 0; i < COUNT(goods); i++)
		check_good(&goods[i]);
	for (size_t i = 0; i < COUNT(bads); i++) {
		struct function_info info = info_of(bads[i].function);
		struct value value = { 0 };
		struct read read = { .size = 77 };
		char why[TYPE_TEXT_MAX];
		int err = function_read(&info, bads[i].expression, false, &read, &value, why);

		if (err != bads[i].err)
			fail_msg("%s: %s: %d %s", bads[i].function, bads[i].expression, err, why);
		assert_true(why[0]);
		assert_int_equal(read.size, 77); /* untouched */
		forget(&value);
	}
}

/* However it was compiled and wherever the debug information is, the reads are the same. */
static void values(void **state)
{
	static const char *const builds[] = {
		"gcc -O2 -fno-ipa-icf -g -o p program.c other.c",
		"gcc -O0 -g -o p program.c other.c",
		"gcc -O2 -fno-ipa-icf -g -gdwarf-4 -shared -fPIC -o p program.c other.c",
		"gcc -O2 -fno-ipa-icf -g -fno-pie -no-pie -o p program.c other.c && objcopy "
		"--only-keep-debug p p.debug "
		"&& "
		"strip p && objcopy --add-gnu-debuglink=p.debug p",
		"gcc -O2 -fno-ipa-icf -g -gsplit-dwarf -c program.c other.c && gcc -o p program.o other.o",
		("gcc -O2 -fno-ipa-icf -g -gdwarf-4 -gsplit-dwarf -c program.c other.c && gcc -o p program.o "
		 "other.o"),
		"clang -O2 -g -w -o p program.c other.c",
		"clang -O0 -g -w -o p program.c other.c",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(builds); i++) {
		print_message("%s\n", builds[i]);
		shell("rm -f p p.debug *.dwo *.o; %s", builds[i]);
		object = open_object("p");
		check_all();
		object_close(object);
	}
}

static void enums(void **state)
{
	struct value value = { 0 };
	struct function_info info;
	char why[TYPE_TEXT_MAX];
	struct read read;

	(void)state;
	shell("gcc -O2 -fno-ipa-icf -g -o p program.c other.c");
	object = open_object("p");
	info = info_of("numbers");
	assert_int_equal(function_read(&info, "e", false, &read, &value, why), 0);
	assert_int_equal(value.names_len, 3);
	assert_int_equal(value.names[0].value, -3);
	assert_string_equal(value.names[0].name, "BLUE");
	assert_int_equal(value.names[2].value, 5);
	assert_string_equal(value.names[2].name, "GREEN");
	forget(&value);
	value = (struct value){ 0 };
	info = info_of("big");
	assert_int_equal(function_result(&info, &read, &value, why), 0);
	assert_int_equal(value.names[0].value, 200);
	forget(&value);
	object_close(object);
}

static void results(void **state)
{
	static const struct {
		const char *function;
		int err;
		enum value_type type;
		unsigned size;
	} cases[] = {
		{ "pointers", 0, VALUE_SIGNED, 4 }, { "string", 0, VALUE_POINTER, 8 },
		{ "truth", 0, VALUE_BOOL, 1 },      { "found", 0, VALUE_POINTER, 8 },
		{ "floats", -ENOTSUP, 0, 0 },       { "wide", -ENOTSUP, 0, 0 },
		{ "nothing", -ENOENT, 0, 0 },
	};

	(void)state;
	object = open_object("p");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct function_info info = info_of(cases[i].function);
		struct value value = { 0 };
		char why[TYPE_TEXT_MAX];
		struct read read = { 0 };

		assert_int_equal(function_result(&info, &read, &value, why), cases[i].err);
		if (cases[i].err)
			continue;
		assert_int_equal(read.base, READ_RESULT);
		assert_int_equal(read.steps_len, 0);
		assert_int_equal(value.type, cases[i].type);
		assert_int_equal(value.size, cases[i].size);
		forget(&value);
	}
	object_close(object);
}

/* The compiler left out an argument that nobody uses: the one that is left is where it says, not where the
 * ABI does. */
static void pruned(void **state)
{
	struct value value = { 0 };
	struct function_info info;
	char why[TYPE_TEXT_MAX];
	struct read read = { .base = 77 };
	struct wanted w;

	(void)state;
	object = open_object("p");
	w = find_function(object, "pruned.isra.0");
	if (!w.found)
		w = find_function(object, "pruned.constprop.0");
	if (!w.found)
		w = find_function(object, "pruned");
	assert_true(w.found);
	assert_int_equal(function_info(object, &w.symbol, &info), 0);
	if (function_read(&info, "unused", false, &read, &value, why) == 0)
		assert_int_not_equal(read.base, 77);
	assert_int_equal(function_read(&info, "x", false, &read, &value, why), 0);
	assert_true(read.base <= 1);
	object_close(object);
}

static const char split_c[] =
	"struct order { int id; int bad; };\n"
	"volatile int sink;\n"
	"__attribute__((cold, noinline)) void complain(int n) { sink += n; }\n"
	"__attribute__((noinline)) int split(int count, struct order *order)\n"
	"{\n"
	"	if (__builtin_expect(order->bad, 0)) {\n"
	"		for (int i = 0; i < count; i++) complain(order->id);\n"
	"		return -1;\n"
	"	}\n"
	"	return order->id + count;\n"
	"}\n"
	"static __attribute__((noinline)) int split_local(int count, struct order *order)\n"
	"{\n"
	"	if (__builtin_expect(order->bad, 0)) {\n"
	"		for (int i = 0; i < count; i++) complain(order->id + 1);\n"
	"		return -1;\n"
	"	}\n"
	"	return order->id * count;\n"
	"}\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"	struct order order = { argc, argc > 5 };\n"
	"	return split(argc, &order) + split_local(argc + 2, &order);\n"
	"}\n";

/* What is seldom run lies elsewhere: a function has ranges of addresses, and its entry is not the lowest. */
static void split(void **state)
{
	static const char *const builds[] = {
		"gcc -O2 -g -freorder-blocks-and-partition -o p split.c",
		"gcc -O2 -g -gdwarf-4 -freorder-blocks-and-partition -o p split.c",
		"gcc -O2 -g -fno-pie -no-pie -freorder-blocks-and-partition -o p split.c",
		"gcc -O2 -g -gsplit-dwarf -freorder-blocks-and-partition -c split.c && gcc -o p split.o",
	};
	static const char *const functions[] = { "split", "split_local" };

	(void)state;
	write_file("split.c", split_c);
	for (size_t i = 0; i < COUNT(builds); i++) {
		shell("rm -f p *.dwo *.o; %s", builds[i]);
		object = open_object("p");
		assert_true(find_function(object, "split.cold").found);
		for (size_t f = 0; f < COUNT(functions); f++) {
			check_good(&(struct good){ functions[f], "count", 0, 4, VALUE_SIGNED, 0, { 0 } });
			check_good(
				&(struct good){ functions[f], "order->bad", 1, 4, VALUE_SIGNED, 1, { 4 } });
			check_good(&(struct good){
				functions[f], "return", READ_RESULT, 4, VALUE_SIGNED, 0, { 0 } });
		}
		object_close(object);
	}
}

static void descriptions(void **state)
{
	struct function_info info;
	const char *file;
	char text[256];
	int line;

	(void)state;
	object = open_object("p");
	info = info_of("pointers");
	function_prototype(&info, "pointers", text, sizeof(text));
	assert_string_equal(text,
			    "int pointers(struct order *order, const struct order *const *list, void *raw, "
			    "char *name, uint8_t *bytes, int **deep)");
	file = function_file(&info, &line);
	assert_non_null(file);
	assert_non_null(strstr(file, "program.c"));
	assert_true(line > 0);
	info = info_of("far");
	function_prototype(&info, "far", text, sizeof(text));
	assert_string_equal(text, "int far(... ********************************p)");
	info = info_of("nothing");
	function_prototype(&info, "nothing", text, sizeof(text));
	assert_string_equal(text, "void nothing(void)");
	function_prototype(&info, "nothing", text, 8);
	assert_string_equal(text, "void no");
	object_close(object);
}

static void nothing_known(void **state)
{
	struct function_info info;
	struct wanted w;

	(void)state;
	shell("gcc -O2 -o plain program.c other.c");
	object = open_object("plain");
	w = find_function(object, "numbers");
	assert_int_equal(function_info(object, &w.symbol, &info), -ENODATA);
	object_close(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values), cmocka_unit_test(enums),        cmocka_unit_test(results),
		cmocka_unit_test(pruned), cmocka_unit_test(descriptions), cmocka_unit_test(nothing_known),
		cmocka_unit_test(split),
	};

	return cmocka_run_group_tests(tests, setup, compile_teardown);
}
