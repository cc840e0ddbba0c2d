/* SPDX-License-Identifier: Apache-2.0 */
/* What requests to the agent are answered with, apart from the server that reads and sends them. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "trace_page.h"

struct http_request {
	const char *method, *path;  /* path: without the query */
	struct trace_filter filter; /* as trace_filter_take() has taken the query's arguments ... */
	int filter_err;             /* ... or what it returned last */
	bool ready;                 /* the agent is */
};

/* What a client has read of a page so far: however much there is, a part at a time is held. */
struct http_page;

struct http_answer {
	unsigned status; /* 200, 400, 404, 405, 503; 0: no memory */
	const char *type;
	const char *text;       /* static; NULL: the page */
	struct http_page *page; /* the caller's, who returns it by free() */
};

struct http_answer http_answer(const struct http_request *request);

/* The next bytes, at most max (not 0). Returns how many they are, 0 at the end. */
size_t http_page_read(struct http_page *page, char *buf, size_t max);
