/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <cjson/cJSON.h>
#include <stddef.h>

struct http_request {
	const char *body; /* terminated; "" without one */
	size_t body_len;
	const char *id; /* what followed the route's path: one segment, not empty; "" for an exact route */
};

/*
 * Answers one request, on whatever thread serves its connection: returns the status, and in *ret the JSON to
 * send, which becomes the server's (NULL: out of memory, sent as 500).
 */
typedef unsigned int http_handler(void *context, const struct http_request *request, cJSON **ret);

struct http_route {
	const char *method; /* GET answers HEAD too */
	const char *path;   /* one that ends in '/' takes one more segment, the id */
	http_handler *handle;
};

struct http_config {
	const char *name;                /* the service's, for the ready line and for errors */
	const char *bind;                /* numeric IPv4 or IPv6 address */
	unsigned int port;               /* 0: any free one */
	unsigned int threads;            /* size of the thread pool; 0: a thread for each connection */
	unsigned int longest_ms;         /* the longest that a handler takes */
	const struct http_route *routes; /* ends with a NULL method */
	void *context;
};

/*
 * Serves HTTP/1.1 with JSON bodies until SIGTERM or SIGINT, then finishes the open requests (a second signal
 * ends the process). Prints "NAME listening on ADDRESS:PORT" on stdout when it accepts connections. To be
 * called before any thread exists. Returns 0, or -errno after a line on stderr when it cannot listen.
 */
int http_serve(const struct http_config *config);
