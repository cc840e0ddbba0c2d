/* SPDX-License-Identifier: Apache-2.0 */
#include "metric.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/table.h"
#include "stats.h"
#include "target.h"
#include "version.h"

/* OpenTelemetry's advice for durations in seconds, and decades for sizes in bytes. */
static const double duration_bounds[] = {
	0, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10
};
static const double size_bounds[] = { 0,    32,   64,   128,   256,     512,     1024,
				      2048, 4096, 8192, 65536, 1048576, 16777216 };
#define BUCKETS_MAX 16 /* the last one is +Inf */

enum { DURATION, REQUEST_SIZE, RESPONSE_SIZE, HISTOGRAMS };

struct histogram {
	_Atomic uint64_t buckets[BUCKETS_MAX];
	_Atomic uint64_t sum; /* ns, or bytes */
};

enum label { SERVICE, METHOD, ROUTE, STATUS, ERROR, ADDRESS, TARGET, LABELS };
#define LABEL_LEN 96

/* One set of labels and all that is counted for it. Filled in before it is published, then only counted in.
 */
struct series {
	enum span_kind kind;
	uint16_t port;
	uint64_t key;
	char labels[LABELS][LABEL_LEN];
	struct histogram histograms[HISTOGRAMS];
};

static struct series *series;
static _Atomic uint32_t series_len;
static uint32_t series_max; /* of each kind; one more a kind for "other" */
static uint32_t kind_len[2];
static struct series *other[2];
static _Atomic uint64_t overflows;
static struct table by_key;
static bool classic, semconv;

int metrics_init(const struct config *config)
{
	size_t size;

	series_max = config->label_sets_max;
	classic = config->metrics_classic;
	semconv = config->metrics_semconv;
	size = sizeof(*series) * 2 * ((size_t)series_max + 1);
	series = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (series == MAP_FAILED) {
		series = NULL;
		return -ENOMEM;
	}
	madvise(series, size, MADV_NOHUGEPAGE);
	return table_init(&by_key, 2 * series_max + 2);
}

void metrics_free(void)
{
	if (series)
		munmap(series, sizeof(*series) * 2 * ((size_t)series_max + 1));
	series = NULL;
	atomic_store(&series_len, 0);
	kind_len[0] = kind_len[1] = 0;
	other[0] = other[1] = NULL;
	table_free(&by_key);
}

/* The methods of RFC 9110 and PATCH; others are _OTHER, as the semantic conventions ask. */
static struct slice known_method(struct slice method)
{
	static const char *const known[] = { "GET",     "POST",  "PUT",     "DELETE", "HEAD",
					     "OPTIONS", "PATCH", "CONNECT", "TRACE" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(method, slice_of(known[i])))
			return method;
	return SLICE("_OTHER");
}

/* The name under which a client called its server: the Host without its port, else the socket's path. */
static struct slice called_host(const struct span *span)
{
	struct slice host = span_text(span, TEXT_HOST);
	const char *bracket = host.len && host.p[0] == '[' ? memchr(host.p, ']', host.len) : NULL;
	const char *colon = bracket ? bracket + 1 : memchr(host.p, ':', host.len);

	if (!host.len)
		return span_text(span, TEXT_SOCKET_PATH);
	if (colon && colon < host.p + host.len)
		host.len = (size_t)(colon - host.p);
	return host;
}

struct key {
	struct slice labels[LABELS];
	uint16_t port;
	char status[8];
};

static void key_of(const struct span *span, struct key *k)
{
	bool server = span->kind == SPAN_SERVER;
	struct slice target;

	snprintf(k->status, sizeof(k->status), "%d", span->status);
	k->port = server ? span->local.port : span->peer.port;
	k->labels[SERVICE] = slice_of(span->process ? span->process->service : "unknown");
	k->labels[METHOD] = known_method(span_text(span, TEXT_METHOD));
	k->labels[ROUTE] = span_text(span, TEXT_ROUTE);
	k->labels[STATUS] = slice_of(k->status);
	k->labels[ERROR] = span->error_type    ? slice_of(span->error_type)
			   : span_failed(span) ? slice_of(k->status)
					       : SLICE("");
	k->labels[ADDRESS] = server ? SLICE("") : called_host(span);
	target = server ? SLICE("") : span_text(span, TEXT_PEER_SERVICE);
	k->labels[TARGET] = server || target.len ? target : k->labels[ADDRESS];
}

static uint64_t hash_key(const struct span *span, const struct key *k)
{
	uint64_t h = hash_mix(span->kind, k->port);

	for (int i = 0; i < LABELS; i++) {
		struct slice s = k->labels[i];

		h = hash_mix(h, s.len);
		for (size_t at = 0; at < s.len; at += 8) {
			uint64_t word = 0;

			memcpy(&word, s.p + at, s.len - at < 8 ? s.len - at : 8);
			h = hash_mix(h, word);
		}
	}
	return h;
}

/* Label values are valid UTF-8 without what the text format would have to escape. */
static void set_label(char *label, struct slice s)
{
	size_t n = s.len < LABEL_LEN - 1 ? s.len : LABEL_LEN - 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		label[i] = c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? '_' : (char)c;
	}
	label[n] = '\0';
}

static struct series *series_new(enum span_kind kind, uint64_t key)
{
	uint32_t at = atomic_load_explicit(&series_len, memory_order_relaxed);
	struct series *s = &series[at];

	s->kind = kind;
	s->key = key;
	return s;
}

static void publish(struct series *s)
{
	atomic_store_explicit(&series_len, (uint32_t)(s - series) + 1, memory_order_release);
}

static struct series *overflow(enum span_kind kind)
{
	struct series *s = other[kind];

	atomic_fetch_add_explicit(&overflows, 1, memory_order_relaxed);
	if (s)
		return s;
	s = other[kind] = series_new(kind, 0);
	for (int i = 0; i < LABELS; i++)
		set_label(s->labels[i], SLICE("other"));
	publish(s);
	return s;
}

static struct series *find(const struct span *span)
{
	enum span_kind kind = span->kind == SPAN_SERVER ? SPAN_SERVER : SPAN_CLIENT;
	struct key k;
	struct series *s;
	uint64_t key;

	key_of(span, &k);
	key = hash_key(span, &k);
	s = table_get(&by_key, key);
	if (s)
		return s;
	if (kind_len[kind] >= series_max)
		return overflow(kind);
	kind_len[kind]++;
	s = series_new(kind, key);
	s->port = k.port;
	for (int i = 0; i < LABELS; i++)
		set_label(s->labels[i], k.labels[i]);
	table_put(&by_key, key, s);
	publish(s);
	return s;
}

static void observe(struct histogram *h, const double *bounds, size_t len, double value, uint64_t exact)
{
	size_t i = 0;

	while (i < len && value > bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, exact, memory_order_relaxed);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void metrics_add(const struct span *span)
{
	uint64_t duration_ns = span->end_ns - span->start_ns;
	struct series *s;

	if (span->kind == SPAN_INTERNAL)
		return;
	s = find(span);
	observe(&s->histograms[DURATION], duration_bounds, COUNT(duration_bounds), (double)duration_ns / 1e9,
		duration_ns);
	observe(&s->histograms[REQUEST_SIZE], size_bounds, COUNT(size_bounds), (double)span->request_len,
		span->request_len);
	observe(&s->histograms[RESPONSE_SIZE], size_bounds, COUNT(size_bounds), (double)span->response_len,
		span->response_len);
}

struct family {
	const char *name;
	const char *help;
	enum span_kind kind;
	bool classic;
	int histogram;
	bool counter; /* only how many */
};

static const struct family families[] = {
	{ "http_server_request_duration_seconds", "Duration of served HTTP requests", SPAN_SERVER, false,
	  DURATION, false },
	{ "http_server_request_body_size_bytes", "Bodies of served requests", SPAN_SERVER, false,
	  REQUEST_SIZE, false },
	{ "http_server_response_body_size_bytes", "Bodies of responses", SPAN_SERVER, false, RESPONSE_SIZE,
	  false },
	{ "http_client_request_duration_seconds", "Duration of HTTP calls", SPAN_CLIENT, false, DURATION,
	  false },
	{ "http_client_request_body_size_bytes", "Bodies of sent requests", SPAN_CLIENT, false, REQUEST_SIZE,
	  false },
	{ "http_client_response_body_size_bytes", "Bodies of received responses", SPAN_CLIENT, false,
	  RESPONSE_SIZE, false },
	{ "http_requests_total", "Served HTTP requests", SPAN_SERVER, true, DURATION, true },
	{ "http_request_duration_seconds", "Duration of served HTTP requests", SPAN_SERVER, true, DURATION,
	  false },
	{ "external_api_calls_total", "HTTP calls of other services", SPAN_CLIENT, true, DURATION, true },
};

static void write_semconv_labels(FILE *out, const struct series *s)
{
	fprintf(out, "service_name=\"%s\",http_request_method=\"%s\",http_route=\"%s\",url_scheme=\"http\"",
		s->labels[SERVICE], s->labels[METHOD], s->labels[ROUTE]);
	if (strcmp(s->labels[STATUS], "0"))
		fprintf(out, ",http_response_status_code=\"%s\"", s->labels[STATUS]);
	if (s->labels[ERROR][0])
		fprintf(out, ",error_type=\"%s\"", s->labels[ERROR]);
	if (s->kind == SPAN_CLIENT)
		fprintf(out, ",server_address=\"%s\",target_service=\"%s\"", s->labels[ADDRESS],
			s->labels[TARGET]);
	fprintf(out, ",server_port=\"%u\"", s->port);
}

static void write_classic_labels(FILE *out, const struct series *s)
{
	const char *status = s->labels[STATUS];

	fprintf(out, "service=\"%s\",method=\"%s\",endpoint=\"%s\",status_code=\"%s\"", s->labels[SERVICE],
		s->labels[METHOD], s->labels[ROUTE], status);
	if (s->kind == SPAN_SERVER)
		fprintf(out, ",status_class=\"%cxx\"", status[0]);
	else
		fprintf(out, ",target_service=\"%s\",server_address=\"%s\",result=\"%s\"", s->labels[TARGET],
			s->labels[ADDRESS], s->labels[ERROR][0] ? "failure" : "success");
	fprintf(out, ",error_type=\"%s\",server_port=\"%u\"", s->labels[ERROR], s->port);
}

static void write_labels(FILE *out, const struct family *f, const struct series *s)
{
	(f->classic ? write_classic_labels : write_semconv_labels)(out, s);
}

static void write_series(FILE *out, const struct family *f, const struct series *s)
{
	const struct histogram *h = &s->histograms[f->histogram];
	const double *bounds = f->histogram == DURATION ? duration_bounds : size_bounds;
	size_t len = f->histogram == DURATION ? COUNT(duration_bounds) : COUNT(size_bounds);
	uint64_t sum = 0;

	for (size_t i = 0; i <= len; i++) {
		sum += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
		if (f->counter)
			continue;
		fprintf(out, "%s_bucket{", f->name);
		write_labels(out, f, s);
		if (i < len)
			fprintf(out, ",le=\"%g\"} %llu\n", bounds[i], (unsigned long long)sum);
		else
			fprintf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)sum);
	}
	if (!f->counter) {
		uint64_t total = atomic_load_explicit(&h->sum, memory_order_relaxed);

		fprintf(out, "%s_sum{", f->name);
		write_labels(out, f, s);
		if (f->histogram == DURATION)
			fprintf(out, "} %.9f\n", (double)total / 1e9);
		else
			fprintf(out, "} %llu\n", (unsigned long long)total);
	}
	fprintf(out, "%s%s{", f->name, f->counter ? "" : "_count");
	write_labels(out, f, s);
	fprintf(out, "} %llu\n", (unsigned long long)sum);
}

static void write_families(FILE *out)
{
	uint32_t len = atomic_load_explicit(&series_len, memory_order_acquire);

	for (size_t i = 0; i < COUNT(families); i++) {
		const struct family *f = &families[i];

		if (!(f->classic ? classic : semconv))
			continue;
		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
			f->counter ? "counter" : "histogram");
		for (uint32_t at = 0; at < len; at++)
			if (series[at].kind == f->kind)
				write_series(out, f, &series[at]);
	}
}

static void write_own(FILE *out)
{
	struct rusage usage;
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

#define STAT(symbol, name, type, help)                                                                       \
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, #type, name,                 \
		(unsigned long long)stat_get(STAT_##symbol));
#include "stats.def"
#undef STAT
	fputs("# HELP spanhook_dropped_total What was lost, by stage and reason\n# TYPE "
	      "spanhook_dropped_total counter\n",
	      out);
#define DROP(reason, stage, help)                                                                            \
	fprintf(out, "spanhook_dropped_total{stage=\"%s\",reason=\"%s\"} %llu\n", #stage, #reason,           \
		(unsigned long long)drop_get(DROP_##reason));
#include "../bpf/drops.def"
#undef DROP
	fprintf(out,
		"# HELP spanhook_metric_label_sets_overflow_total Spans counted under \"other\"\n"
		"# TYPE spanhook_metric_label_sets_overflow_total counter\n"
		"spanhook_metric_label_sets_overflow_total %llu\n",
		(unsigned long long)atomic_load(&overflows));
	if (statm && fscanf(statm, "%*u %lu", &pages) == 1)
		fprintf(out,
			"# HELP process_resident_memory_bytes Resident memory\n"
			"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n",
			(unsigned long long)pages * (unsigned long long)sysconf(_SC_PAGESIZE));
	if (statm)
		fclose(statm);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		fprintf(out,
			"# HELP process_cpu_seconds_total User and system CPU time\n"
			"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
			(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	fprintf(out,
		"# HELP spanhook_build_info Version\n# TYPE spanhook_build_info gauge\n"
		"spanhook_build_info{version=\"%s\"} 1\n",
		SPANHOOK_VERSION);
}

int metrics_write(FILE *out)
{
	write_families(out);
	write_own(out);
	return ferror(out) ? -EIO : 0;
}
