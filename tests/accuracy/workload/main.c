/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small HTTP servers that do their work in the ways that servers do, a backend that takes its time, and a
 * client that keeps a number of requests open. Each request has an id in its query, which is passed on to
 * every call that is made for it, so that the true tree of requests can be told from the paths alone.
 */
#include "common.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	struct sockaddr_in address = address_of(argc > 2 ? argv[2] : "0");

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < BACKENDS && i + 3 < argc; i++)
		backends[i] = address_of(argv[i + 3]);
	if (strcmp(mode, "backend") == 0)
		run_backend(address, argc > 3 ? strtoull(argv[3], NULL, 10) * 1000 : 4000000);
	else if (strcmp(mode, "load") == 0 && argc >= 6)
		run_load(address, atoi(argv[3]), atol(argv[4]), atol(argv[5]), argc > 6 ? argv[6] : "");
	else if (strcmp(mode, "pool") == 0)
		run_pool(address, false);
	else if (strcmp(mode, "pool-handback") == 0)
		run_pool(address, true);
	else if (strcmp(mode, "loop") == 0)
		run_loop(address, 0);
	else if (strcmp(mode, "loop-limited") == 0)
		run_loop(address, 4);
	else
		fprintf(stderr, "usage: workload pool|pool-handback|loop|loop-limited ADDRESS BACKEND...\n"
				"       workload backend ADDRESS [MAX-DELAY-US]\n"
				"       workload load ADDRESS CONNECTIONS REQUESTS FIRST-ID [closes|orders]\n"
				"An address is a port of loopback or IP:PORT.\n");
	return strcmp(mode, "load") != 0;
}
