/* SPDX-License-Identifier: Apache-2.0 */
/* Programs whose threads go on with each other's work are told by their files. */
#include "compile.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks/hopping.h"

/* Which files a process runs only root can be sure of. */
#define NEED_ROOT()                                                                                          \
	do {                                                                                                 \
		if (geteuid() != 0)                                                                          \
			skip();                                                                              \
	} while (0)

/* It says a byte once it runs, and waits. */
static const char program[] = "#include <unistd.h>\n"
			      "const char *volatile name = NAME;\n"
			      "int main(void) { return write(1, name, 1) != 1 || pause(); }\n";

static int see_mapping(const struct mapping *m, void *arg)
{
	bool *found = arg;

	*found |= hopping_is(m);
	return 0;
}

static bool hops(const char *name, const char *preload)
{
	int said[2];
	bool result = false;
	pid_t pid;
	char byte;

	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		dup2(said[1], 1);
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		if (chdir(compile_folder) == 0)
			execl(name, name, NULL);
		_exit(1);
	}
	close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	assert_int_equal(mappings_each((uint32_t)pid, see_mapping, &result), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(said[0]);
	return result;
}

static void compile_program(const char *name, const char *text)
{
	write_file("program.c", program);
	shell("gcc -s -DNAME='\"%s\"' -o %s program.c", text, name);
}

static void by_their_program(void **state)
{
	(void)state;
	NEED_ROOT();
	compile_program("plain", "tokio");
	compile_program("tokio", "0tokio-runtime-worker0");
	compile_program("go", "runtime.goexit");
	assert_false(hops("./plain", NULL));
	assert_true(hops("./tokio", NULL));
	assert_true(hops("./go", NULL));
}

static void by_their_library(void **state)
{
	(void)state;
	NEED_ROOT();
	compile_program("plain", "tokio");
	write_file("library.c", "int nothing(void) { return 0; }\n");
	shell("gcc -shared -fPIC -o libcoreclr.so library.c && gcc -shared -fPIC -o libother.so library.c");
	assert_true(hops("./plain", "./libcoreclr.so"));
	assert_false(hops("./plain", "./libother.so"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_their_program),
		cmocka_unit_test(by_their_library),
	};

	return cmocka_run_group_tests(tests, compile_setup, compile_teardown);
}
