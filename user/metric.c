/* SPDX-License-Identifier: Apache-2.0 */
#include "metric.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/ip.h"
#include "base/random.h"
#include "series.h"
#include "target.h"
#include "version.h"

/* The series that spans of one kind are counted in: what was found once takes one look-up. */
struct binding {
	uint64_t hash; /* of all that the labels are made of; 0: free */
	struct series *series[FAMILIES_SPAN];
};

static struct binding *bindings;
static size_t bindings_len; /* a power of two */
static struct hash_key hash_key;
static char host_name[64];

int metrics_init(const struct config *config)
{
	void *memory;

	for (bindings_len = 64; bindings_len < 4 * (size_t)config->label_sets_max;)
		bindings_len *= 2;
	memory = mmap(NULL, bindings_len * sizeof(*bindings), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	bindings = memory;
	random_bytes(&hash_key, sizeof(hash_key));
	hash_key.factor |= 1;
	if (gethostname(host_name, sizeof(host_name) - 1))
		host_name[0] = '\0';
	return series_init(config);
}

void metrics_free(void)
{
	if (bindings)
		munmap(bindings, bindings_len * sizeof(*bindings));
	bindings = NULL;
	series_free();
}

static unsigned what_is(const struct span *span)
{
	bool server = span->kind == SPAN_SERVER;
	unsigned is = server ? IS_SERVER : IS_CLIENT;

	if (strcmp(span->protocol, "http") == 0)
		is |= IS_HTTP | HAS_BODIES;
	else if (strcmp(span->protocol, "tcp") == 0)
		is |= IS_HTTP;
	else if (span->db_system)
		is |= IS_DB;
	if (span_failed(span))
		is |= HAS_FAILED;
	/* A client knows the name of a server that is traced too: that one's span stands for the call. */
	if (server || !span_text(span, TEXT_PEER_SERVICE).len)
		is |= IS_WHOLE_EDGE;
	return is;
}

/* The methods of RFC 9110 and PATCH; others are _OTHER, as the semantic conventions ask. */
static struct slice known_method(struct slice method)
{
	static const char *const known[] = { "GET",     "POST",  "PUT",     "DELETE", "HEAD",
					     "OPTIONS", "PATCH", "CONNECT", "TRACE" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(method, slice_of(known[i])))
			return method;
	return method.len ? SLICE("_OTHER") : method;
}

static struct slice without_port(struct slice host)
{
	const char *bracket = host.len && host.p[0] == '[' ? memchr(host.p, ']', host.len) : NULL;
	const char *colon = bracket ? bracket + 1 : memchr(host.p, ':', host.len);

	if (colon && colon < host.p + host.len)
		host.len = (size_t)(colon - host.p);
	return host;
}

/* Room for values that are not in the span. */
struct scratch {
	char status[DECIMAL_MAX], status_class[3], port[DECIMAL_MAX];
	char target[SPAN_ADDRESS_MAX], address[SPAN_ADDRESS_MAX];
};

static struct slice decimal(char *buf, uint64_t n)
{
	return (struct slice){ buf, (size_t)(put_decimal(buf, n) - buf) };
}

/* The name under which a client called its server, else the address. */
static struct slice server_address(const struct span *span, char buf[SPAN_ADDRESS_MAX])
{
	struct slice host = span_text(span, TEXT_HOST), path = span_text(span, TEXT_SOCKET_PATH);

	if (host.len || path.len)
		return host.len ? without_port(host) : path;
	if (span->peer.family != AF_INET && span->peer.family != AF_INET6)
		return SLICE("");
	return (struct slice){ buf, (size_t)(put_ip(buf, span->peer.family, span->peer.ip) - buf) };
}

static void values_of(const struct span *span, struct slice values[LABEL_VALUES], struct scratch *scratch)
{
	bool server = span->kind == SPAN_SERVER, failed = span_failed(span);
	uint16_t port = server ? span->local.port : span->peer.port;
	struct slice peer = span_text(span, TEXT_PEER_SERVICE), error = span_error(span);

	memset(values, 0, LABEL_VALUES * sizeof(values[0]));
	values[LABEL_SERVICE] = slice_of(span->process ? span->process->service : "unknown");
	values[LABEL_METHOD] = known_method(span_text(span, TEXT_METHOD));
	values[LABEL_ROUTE] = span_text(span, TEXT_ROUTE);
	values[LABEL_SCHEME] = strcmp(span->protocol, "http") == 0 ? SLICE("http") : SLICE("");
	values[LABEL_STATUS_OR_ZERO] = decimal(scratch->status, (uint64_t)span->status);
	if (span->status) {
		values[LABEL_STATUS] = values[LABEL_STATUS_OR_ZERO];
		memcpy(scratch->status_class, (char[]){ scratch->status[0], 'x', 'x' }, 3);
		values[LABEL_STATUS_CLASS] = (struct slice){ scratch->status_class, 3 };
	}
	values[LABEL_ERROR] = error.len ? error : failed ? values[LABEL_STATUS] : SLICE("");
	values[LABEL_RESULT] = failed ? SLICE("failure") : SLICE("success");
	values[LABEL_PORT] = port ? decimal(scratch->port, port) : SLICE("");
	if (span->db_system) {
		values[LABEL_DB_SYSTEM] = slice_of(span->db_system);
		values[LABEL_DB_NAMESPACE] = span_text(span, TEXT_NAMESPACE);
		values[LABEL_OPERATION] = span_text(span, TEXT_METHOD);
		values[LABEL_COLLECTION] = span_text(span, TEXT_COLLECTION);
		values[LABEL_STATUS_CODE] = span_text(span, TEXT_STATUS_CODE);
	}
	values[LABEL_HOST_NAME] = slice_of(host_name);
	values[LABEL_SDK_NAME] = SLICE("spanhook");
	values[LABEL_SDK_VERSION] = SLICE(SPANHOOK_VERSION);
	if (server) {
		values[LABEL_CALLER] = peer.len ? peer : SLICE("unknown");
		values[LABEL_CALLEE] = values[LABEL_SERVICE];
	} else {
		values[LABEL_ADDRESS] = server_address(span, scratch->address);
		values[LABEL_TARGET] = values[LABEL_CALLEE] = span_target(span, scratch->target);
		values[LABEL_CALLER] = values[LABEL_SERVICE];
	}
}

/* All that what_is() and values_of() look at. */
static uint64_t hash_span(const struct span *span)
{
	const struct hash_key *k = &hash_key;
	bool server = span->kind == SPAN_SERVER;
	uint16_t port = server ? span->local.port : span->peer.port;
	uint64_t hash = hash_word(k, k->seed, (uint64_t)span->status << 32 | span->kind << 16 | port);

	hash = hash_word(k, hash, (uintptr_t)span->error_type);
	hash = hash_word(k, hash, (uintptr_t)span->protocol);
	hash = hash_slice(k, hash, slice_of(span->process ? span->process->service : NULL));
	hash = hash_slice(k, hash, span_text(span, TEXT_METHOD));
	hash = hash_slice(k, hash, span_text(span, TEXT_ROUTE));
	hash = hash_slice(k, hash, span_text(span, TEXT_PEER_SERVICE));
	if (span->db_system) {
		hash = hash_slice(k, hash, span_text(span, TEXT_NAMESPACE));
		hash = hash_slice(k, hash, span_text(span, TEXT_COLLECTION));
		hash = hash_slice(k, hash, span_text(span, TEXT_STATUS_CODE));
	}
	if (!server) {
		hash = hash_slice(k, hash, span_text(span, TEXT_HOST));
		hash = hash_slice(k, hash, span_text(span, TEXT_SOCKET_PATH));
		hash = hash_word(k, hash, span->peer.family);
		hash = hash_slice(k, hash,
				  (struct slice){ (const char *)span->peer.ip, sizeof(span->peer.ip) });
	}
	return hash | 1;
}

static struct binding *bind_span(const struct span *span, unsigned is)
{
	uint64_t hash = hash_span(span);
	struct binding *b = &bindings[(hash >> 32) & (bindings_len - 1)];
	struct slice values[LABEL_VALUES];
	struct scratch scratch;
	size_t n = 0;

	if (b->hash == hash)
		return b;
	*b = (struct binding){ .hash = hash };
	values_of(span, values, &scratch);
	for (unsigned i = 0; i < FAMILIES_LEN; i++)
		if (series_wanted(i) && !(families[i].counts & ~is))
			b->series[n++] = series_find(i, values);
	return b;
}

struct sample {
	uint64_t value;
	size_t bucket;
};

static struct sample sample_of(enum measure measure, uint64_t value)
{
	const struct scale *scale = &scales[measure];
	size_t bucket = 0;

	while (bucket < scale->len && value > (uint64_t)scale->bounds[bucket])
		bucket++;
	return (struct sample){ value, bucket };
}

static void count(struct series *series, unsigned is, const struct sample samples[MEASURES])
{
	const struct family *f = series->family;
	_Atomic uint64_t *values = series->values;

	for (size_t i = 0; i < f->metrics_len; values += metric_values(&f->metrics[i++])) {
		const struct metric *m = &f->metrics[i];

		if (m->counts & ~is)
			continue;
		if (m->type == HISTOGRAM) {
			value_add(&values[0], samples[m->measure].value);
			value_add(&values[1 + samples[m->measure].bucket], 1);
		} else if (m->type == COUNTER || !value_load(values)) {
			value_add(values, 1);
		}
	}
}

void metrics_add(const struct span *span)
{
	const struct sample samples[MEASURES] = {
		[DURATION] = sample_of(DURATION, span->end_ns - span->start_ns),
		[DB_DURATION] = sample_of(DB_DURATION, span->end_ns - span->start_ns),
		[REQUEST_SIZE] = sample_of(REQUEST_SIZE, span->request_len),
		[RESPONSE_SIZE] = sample_of(RESPONSE_SIZE, span->response_len),
	};
	unsigned is = what_is(span);
	struct binding *b;

	if (span->kind == SPAN_INTERNAL)
		return;
	b = bind_span(span, is);
	for (int i = 0; i < FAMILIES_SPAN && b->series[i]; i++)
		count(b->series[i], is, samples);
}
