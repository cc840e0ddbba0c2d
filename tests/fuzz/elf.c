/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what reads the files of traced processes: the input is a file that is opened, listed and described
 * as --functions-list does, of whose functions every argument is read, and which may be an interpreter of
 * Python, or Node.js, or a program of Go. Programs are seeds.
 */
#include "fuzz.h"

#include "hooks/dwarf.h"
#include "hooks/go_code.h"
#include "hooks/node_code.h"
#include "hooks/python_code.h"

#define FUNCTIONS_LOOKED_AT 64

struct look {
	const struct object *object;
	unsigned n;
};

static void read_value(const struct function_info *info, const char *expression)
{
	struct value value = { 0 };
	char why[TYPE_TEXT_MAX];
	struct read read = { 0 };

	/* The kernel's side knows what is read. */
	if (function_read(info, expression, false, &read, &value, why) == 0)
		HOLD(read.steps_len <= READ_STEPS_MAX && read.base < READ_BASES &&
		     read.size <= READ_STRING_MAX);
	for (size_t i = 0; i < value.names_len; i++)
		free(value.names[i].name);
	free(value.names);
}

static void see_argument(const char *name, void *arg)
{
	static const char *const ways[] = { "%.40s", "*%.40s", "%.40s->a", "%.40s->next->next",
					    "%.40s[3].a" };
	char expression[64];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(expression, sizeof(expression), ways[i], name);
		read_value(arg, expression);
	}
}

static int see_symbol(const struct symbol *s, void *arg)
{
	struct look *l = arg;
	struct function_info info;
	char text[256];
	int line;

	if (function_info(l->object, s, &info) == 0) {
		function_prototype(&info, s->name, text, sizeof(text));
		function_file(&info, &line);
		function_arguments(&info, see_argument, &info);
		read_value(&info, "return");
		read_value(&info, "return->a");
	}
	return ++l->n == FUNCTIONS_LOOKED_AT;
}

static struct fuzz_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_file_open(&file);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_code code;
	struct node_code node;
	struct go_code go;
	struct object *object;
	struct symbol s;
	struct look l = { 0 };

	fuzz_file_write(&file, (struct slice){ (const char *)data, size });
	if (object_open(file.path, "/nonexistent", &object))
		return 0;
	l.object = object;
	symbols_each(object, see_symbol, &l);
	symbol_at(object, 0x1000, &s);
	if (python_code_read(object, &code) == 0)
		HOLD(code.made_len && code.made_len <= PYTHON_MADE_MAX &&
		     code.python.storage <= PYTHON_MODULE);
	if (node_code_read(object, &node) == 0)
		HOLD(node.ids && node.batch_over.size);
	if (go_code_read(object, &go) == 0)
		HOLD(go.points[GO_SENDING] && go.points[GO_STARTING] && go.points[GO_STARTED]);
	object_close(object);
	return 0;
}
