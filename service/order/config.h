/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct config {
	const char *bind;
	unsigned int port;
	unsigned int threads; /* 0: a thread for each connection */
	const char *user_url, *product_url, *inventory_url, *payment_url;
	unsigned int timeout_ms;
	const char *database, *cache, *events; /* URLs */
};

/* Defaults, then the command line. 0; 1: help or version printed; -EINVAL after a line on stderr. */
int config_read(int argc, char **argv, struct config *ret);
