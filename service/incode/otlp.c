/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp.h"

#include "../order/service.h"
#include "stamp.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFER_LEN = 8 << 20,
	SPAN_LEN_MAX = 4096,
	BATCH = 512, /* spans in a line, as SDKs export them */
	FLUSH_MS = 200,
};

/* Spans as JSON objects, each with a newline behind it. One buffer is filled while the other is written. */
static struct buffer {
	char *text;
	size_t len;
} filling, writing;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static pthread_t writer;
static bool started, stopping;
static uint64_t lost;
static FILE *file;
static char resource[2048];

bool otlp_open(void)
{
	return file != NULL;
}

/* HTTP's texts are ASCII; other bytes are taken for ISO 8859-1, so that the result is UTF-8 whatever came. */
size_t otlp_escape(char *to, size_t size, const char *s)
{
	size_t len = 0;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (len + 7 > size)
			return 0;
		if (c == '"' || c == '\\')
			to[len++] = '\\';
		if (c >= ' ' && c < 127)
			to[len++] = (char)c;
		else
			len += (size_t)sprintf(to + len, "\\u%04x", c);
	}
	to[len] = '\0';
	return len;
}

static size_t encode(const struct trace_span *span, char text[static SPAN_LEN_MAX])
{
	char trace_id[33], id[17], parent[17] = "", name[2 * TRACE_NAME_MAX];
	int len;

	trace_hex(trace_id, span->trace_id, sizeof(span->trace_id));
	trace_hex(id, span->id, sizeof(span->id));
	if (span->has_parent)
		trace_hex(parent, span->parent_id, sizeof(span->parent_id));
	otlp_escape(name, sizeof(name), span->name);
	len = snprintf(
		text, SPAN_LEN_MAX,
		"{\"traceId\":\"%s\",\"spanId\":\"%s\",\"parentSpanId\":\"%s\",\"name\":\"%s\",\"kind\":%d,"
		"\"startTimeUnixNano\":\"%" PRIu64 "\",\"endTimeUnixNano\":\"%" PRIu64
		"\",\"attributes\":[%.*s],"
		"\"droppedAttributesCount\":%u,\"status\":{\"code\":%d}}\n",
		trace_id, id, parent, name, (int)span->kind, span->start_ns, span->end_ns,
		(int)span->attributes_len, span->attributes, span->dropped, span->failed ? 2 : 0);
	return len < SPAN_LEN_MAX ? (size_t)len : 0;
}

void otlp_add(const struct trace_span *span)
{
	char text[SPAN_LEN_MAX];
	size_t len = encode(span, text);

	pthread_mutex_lock(&lock);
	if (len && filling.len + len <= BUFFER_LEN) {
		memcpy(filling.text + filling.len, text, len);
		filling.len += len;
		if (filling.len > BUFFER_LEN / 2 && filling.len - len <= BUFFER_LEN / 2)
			pthread_cond_signal(&news);
	} else {
		lost++;
	}
	pthread_mutex_unlock(&lock);
}

/* Lines of at most BATCH spans. */
static void write_buffer(const struct buffer *buffer)
{
	const char *p = buffer->text, *end = p + buffer->len;

	while (p < end) {
		fprintf(file,
			"{\"resourceSpans\":[{\"resource\":{\"attributes\":[%s]},\"scopeSpans\":[{\"scope\":{"
			"\"name\":"
			"\"incode\"},\"spans\":[",
			resource);
		for (int i = 0; i < BATCH && p < end; i++) {
			const char *newline = memchr(p, '\n', (size_t)(end - p));

			if (i)
				fputc(',', file);
			fwrite(p, 1, (size_t)(newline - p), file);
			p = newline + 1;
		}
		fputs("]}]}]}\n", file);
	}
	fflush(file);
}

static void *write_spans(void *unused)
{
	bool last = false;

	while (!last) {
		struct buffer full;
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += FLUSH_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&lock);
		if (!stopping && filling.len <= BUFFER_LEN / 2)
			pthread_cond_timedwait(&news, &lock, &until);
		last = stopping;
		full = filling;
		filling = (struct buffer){ writing.text, 0 };
		writing = full;
		pthread_mutex_unlock(&lock);
		write_buffer(&writing);
	}
	return unused;
}

static void describe_resource(void)
{
	struct trace_span as = { 0 };
	const char *name = getenv("OTEL_SERVICE_NAME"), *environment = getenv("DEPLOYMENT_ENVIRONMENT");
	char host[256] = "", instance[UUID_LEN + 1];

	gethostname(host, sizeof(host) - 1);
	trace_text(&as, "service.name", name && *name ? name : SERVICE_NAME);
	trace_text(&as, "service.version", SERVICE_VERSION);
	if (stamp_uuid(instance) == 0)
		trace_text(&as, "service.instance.id", instance);
	trace_text(&as, "deployment.environment.name", environment);
	trace_text(&as, "host.name", host);
	trace_integer(&as, "process.pid", getpid());
	trace_text(&as, "telemetry.sdk.language", "c");
	snprintf(resource, sizeof(resource), "%.*s", (int)as.attributes_len, as.attributes);
}

static void stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
	pthread_join(writer, NULL);
	if (ferror(file) || fclose(file))
		fprintf(stderr, "%s: the trace file is not complete\n", SERVICE_NAME);
	if (lost)
		fprintf(stderr, "%s: %" PRIu64 " spans were lost, the buffer was full\n", SERVICE_NAME, lost);
}

static int start_thread(void)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&writer, NULL, write_spans, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

void otlp_start(void)
{
	const char *path = getenv("TRACE_FILE");

	if (started || !path || !*path)
		return;
	started = true;
	filling.text = malloc(BUFFER_LEN);
	writing.text = malloc(BUFFER_LEN);
	file = filling.text && writing.text ? fopen(path, "ae") : NULL;
	if (!file) {
		fprintf(stderr, "%s: cannot open %s: %s; nothing is traced\n", SERVICE_NAME, path,
			strerror(errno));
		return;
	}
	describe_resource();
	if (start_thread()) {
		fprintf(stderr, "%s: cannot start a thread; nothing is traced\n", SERVICE_NAME);
		fclose(file);
		file = NULL;
		return;
	}
	atexit(stop);
}
