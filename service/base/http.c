/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "json.h"
#include "listen.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 1024,
	IDLE_S = 60,
	BODY_MAX = 1 << 20,
	/* A larger body is read to its end, up to this, so that its sender sees the 413 and not a reset. */
	BODY_READ_MAX = 16 << 20,
};

struct server {
	const struct http_config *config;
	atomic_uint open; /* requests between their head and the end of their response */
	atomic_bool stopping;
};

struct upload {
	char *body; /* NULL, or terminated */
	size_t len; /* received, also beyond BODY_MAX */
};

static enum MHD_Result take(struct upload *upload, const char *data, size_t len)
{
	size_t end = upload->len + len;
	char *grown;

	if (end > BODY_READ_MAX)
		return MHD_NO;
	if (end <= BODY_MAX) {
		grown = realloc(upload->body, end + 1);
		if (!grown)
			return MHD_NO;
		upload->body = grown;
		memcpy(grown + upload->len, data, len);
		grown[end] = '\0';
	}
	upload->len = end;
	return MHD_YES;
}

/* Whether ROUTE serves PATH; the id is what follows the route's own path. */
static bool matches(const struct http_route *route, const char *path, const char **ret_id)
{
	size_t len = strlen(route->path);
	bool takes_id = route->path[len - 1] == '/';
	const char *id = path + len;

	if (strncmp(path, route->path, len) != 0 || takes_id != (*id != '\0') || strchr(id, '/'))
		return false;
	*ret_id = id;
	return true;
}

static unsigned int dispatch(const struct http_config *config, const char *method, const char *path,
			     struct http_request *request, cJSON **ret, const char **ret_allow)
{
	for (const struct http_route *route = config->routes; route->method; route++) {
		if (!matches(route, path, &request->id))
			continue;
		if (!strcmp(route->method, method) ||
		    (!strcmp(route->method, MHD_HTTP_METHOD_GET) && !strcmp(method, MHD_HTTP_METHOD_HEAD)))
			return route->handle(config->context, request, ret);
		*ret_allow = strcmp(route->method, MHD_HTTP_METHOD_GET) ? route->method : "GET, HEAD";
	}
	*ret = json_error(*ret_allow ? "Method not allowed" : "Not found");
	return *ret_allow ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int status, const cJSON *json,
			     const char *allow, bool last)
{
	static char no_memory[] = "{\"error\":\"Out of memory\"}";
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	struct MHD_Response *response;
	enum MHD_Result result;

	response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
		     : MHD_create_response_from_buffer(strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	if (last)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, text ? status : MHD_HTTP_INTERNAL_SERVER_ERROR, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *data_len,
				  void **state)
{
	struct server *server = cls;
	struct upload *upload = *state;
	struct http_request request = { .body = "", .id = "" };
	JSON_CLEANUP cJSON *json = NULL;
	const char *allow = NULL;
	unsigned int status;

	(void)version;
	if (!upload) { /* the head alone, before any body */
		*state = calloc(1, sizeof(*upload));
		if (!*state)
			return MHD_NO;
		atomic_fetch_add(&server->open, 1);
		return MHD_YES;
	}
	if (*data_len) {
		size_t len = *data_len;

		*data_len = 0;
		return take(upload, data, len);
	}
	if (upload->len > BODY_MAX) {
		status = MHD_HTTP_CONTENT_TOO_LARGE;
		json = json_error("Request body is larger than 1 MiB");
	} else {
		if (upload->body)
			request.body = upload->body;
		request.body_len = upload->len;
		status = dispatch(server->config, method, path, &request, &json, &allow);
	}
	return reply(connection, status, json, allow, atomic_load(&server->stopping));
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode how)
{
	struct server *server = cls;
	struct upload *upload = *state;

	(void)connection;
	(void)how;
	if (!upload)
		return;
	free(upload->body);
	free(upload);
	*state = NULL;
	atomic_fetch_sub(&server->open, 1);
}

/* Each connection may hold several descriptors (its own, its thread's connections to other services). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static struct MHD_Daemon *start(struct server *server, int fd)
{
	const struct http_config *config = server->config;
	unsigned int mode = config->threads ? MHD_USE_EPOLL : MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
	struct MHD_OptionItem pool[] = { { MHD_OPTION_THREAD_POOL_SIZE, config->threads, NULL },
					 { MHD_OPTION_END, 0, NULL } };

	/* libmicrohttpd counts a handler's own time as idle time of the connection. */
	return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | mode, 0, NULL, NULL,
				on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				IDLE_S + config->longest_ms / 1000, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
				server, MHD_OPTION_ARRAY, config->threads > 1 ? pool : pool + 1,
				MHD_OPTION_END);
}

/* Takes no new connection, waits until the open requests are answered, for as long as one may last. */
static void stop(struct server *server, struct MHD_Daemon *daemon)
{
	const struct timespec tick = { .tv_nsec = 20000000 };
	const unsigned int ticks = (server->config->longest_ms + 5000) / 20;
	int fd = MHD_quiesce_daemon(daemon);

	shutdown(fd, SHUT_RDWR);
	atomic_store(&server->stopping, true);
	for (unsigned int i = 0; i < ticks && atomic_load(&server->open); i++)
		nanosleep(&tick, NULL);
	MHD_stop_daemon(daemon);
	close(fd);
}

int http_serve(const struct http_config *config)
{
	struct server server = { .config = config };
	struct MHD_Daemon *daemon = NULL;
	char endpoint[ENDPOINT_LEN];
	sigset_t signals;
	int fd, which;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_descriptor_limit();

	fd = listen_tcp(config->bind, config->port, endpoint);
	if (fd < 0) {
		fprintf(stderr, "%s: cannot listen on %s port %u: %s\n", config->name, config->bind,
			config->port, strerror(-fd));
		return fd;
	}
	daemon = start(&server, fd);
	if (!daemon) {
		fprintf(stderr, "%s: cannot start the HTTP server on %s\n", config->name, endpoint);
		close(fd);
		return -EIO;
	}
	printf("%s listening on %s\n", config->name, endpoint);
	fflush(stdout);
	sigwait(&signals, &which);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* another one ends the process, whatever is open */
	stop(&server, daemon);
	return 0;
}
