/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

enum { ENDPOINT_LEN = 64 };

/*
 * Opens a listening TCP socket on a numeric address and port (0: any free one). Returns the descriptor, the
 * caller's, and its "ADDRESS:PORT"; or -errno (-EINVAL: not a numeric address).
 */
int listen_tcp(const char *address, unsigned int port, char ret_endpoint[static ENDPOINT_LEN]);
