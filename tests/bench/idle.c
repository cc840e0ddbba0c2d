/* SPDX-License-Identifier: Apache-2.0 */
/* What programs do that nobody traces: system calls in a loop, two processes that wake each other by pipes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double cpu_ns(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return 1e9 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       1e3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void calls(long n)
{
	char byte;

	/* Returns at once: there is no such descriptor. */
	while (n--)
		if (read(-1, &byte, 1) >= 0)
			abort();
}

static void wakes(long n)
{
	int there[2], back[2];
	char byte = 0;
	pid_t pid;

	if (pipe(there) || pipe(back) || (pid = fork()) < 0)
		abort();
	for (long i = 0; i < n; i++)
		if (pid ? write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1
			: read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
			abort();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* idle calls|wakes N: prints the processor time of one, in nanoseconds. */
int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (n <= 0)
		return 2;
	(strcmp(argv[1], "wakes") == 0 ? wakes : calls)(n);
	printf("%.2f\n", (cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN)) / (double)n);
	return 0;
}
