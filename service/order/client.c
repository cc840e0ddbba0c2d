/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include "json.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, URL_MAX = 1024 };

struct body {
	char *text; /* NULL, or terminated */
	size_t len;
};

static const struct {
	CURLcode code;
	int err;
	const char *what;
} failures[] = {
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "timed out" },
	{ CURLE_COULDNT_CONNECT, -ECONNREFUSED, "cannot be reached" },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "has an unknown host name" },
	{ CURLE_SEND_ERROR, -ECONNRESET, "closed the connection" },
	{ CURLE_RECV_ERROR, -ECONNRESET, "closed the connection" },
	{ CURLE_GOT_NOTHING, -ECONNRESET, "closed the connection" },
	{ CURLE_PARTIAL_FILE, -ECONNRESET, "closed the connection" },
	{ CURLE_WRITE_ERROR, -EPROTO, "sent too long an answer" },
};

/* A handle and its open connections belong to one thread: no lock, and a connection per thread and service.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_handle;

static void make_key(void)
{
	pthread_key_create(&thread_handle, curl_easy_cleanup);
}

static size_t receive(char *data, size_t size, size_t count, void *userdata)
{
	struct body *body = userdata;
	size_t len = size * count;
	char *grown = body->len + len <= ANSWER_MAX ? realloc(body->text, body->len + len + 1) : NULL;

	if (!grown)
		return 0;
	body->text = grown;
	memcpy(grown + body->len, data, len);
	body->len += len;
	grown[body->len] = '\0';
	return len;
}

static CURL *handle_of_this_thread(void)
{
	CURL *curl;

	pthread_once(&once, make_key);
	curl = pthread_getspecific(thread_handle);
	if (curl)
		return curl;
	curl = curl_easy_init();
	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, SERVICE_NAME "/" SERVICE_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	pthread_setspecific(thread_handle, curl);
	return curl;
}

static int failure(const struct upstream *upstream, CURLcode code, struct reason *why)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].code == code)
			return fail(why, failures[i].err, "%s unavailable: it %s", upstream->name,
				    failures[i].what);
	return fail(why, -EPROTO, "%s unavailable: %s", upstream->name, curl_easy_strerror(code));
}

static int send_and_receive(CURL *curl, const struct upstream *upstream, const char *path, const char *text,
			    struct body *ret, struct reason *why)
{
	static char content_type[] = "Content-Type: application/json";
	static struct curl_slist headers = { .data = content_type };
	char url[URL_MAX];
	CURLcode code;

	if (snprintf(url, sizeof(url), "%s%s", upstream->url, path) >= URL_MAX)
		return fail(why, -ENAMETOOLONG, "%s has too long an address", upstream->name);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, text ? &headers : NULL);
	if (text) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
	}
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
	code = curl_easy_perform(curl);
	return code == CURLE_OK ? 0 : failure(upstream, code, why);
}

int client_call(const struct upstream *upstream, const char *path, const cJSON *body, unsigned int timeout_ms,
		struct answer *ret, struct reason *why)
{
	CURL *curl = handle_of_this_thread();
	char *text = body ? cJSON_PrintUnformatted(body) : NULL;
	struct body received = { 0 };
	struct answer answer = { 0 };
	int err;

	if (!curl || (body && !text)) {
		free(text);
		return fail(why, -ENOMEM, "Out of memory");
	}
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	err = send_and_receive(curl, upstream, path, text, &received, why);
	if (!err) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
		answer.json = received.text ? json_parse(received.text, received.len) : NULL;
		*ret = answer;
	}
	free(text);
	free(received.text);
	return err;
}
