/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/table.h"
#include "base/utf8.h"
#include "rule.h"

#define VALUE_MAX 128 /* bytes of a label's value as it is written */

static struct store {
	char *memory; /* series, then the text of their labels */
	size_t size, stride;
	char *text;
	uint32_t limit;
	_Atomic uint32_t len;
	struct series *_Atomic other;
	struct table by_labels;
} stores[FAMILIES_LEN + RULES_MAX];

static const struct rules *rules;

static struct hash_key hash_key;

static int store_init(struct store *s, const struct family *f, uint32_t limit)
{
	void *memory;

	s->stride = sizeof(struct series);
	for (size_t i = 0; i < f->metrics_len; i++)
		s->stride += metric_values(&f->metrics[i]) * sizeof(uint64_t);
	s->limit = limit;
	s->size = ((size_t)limit + 1) * (s->stride + SERIES_LABELS_LEN);
	memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		      0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, s->size, MADV_NOHUGEPAGE);
	s->memory = memory;
	s->text = s->memory + ((size_t)limit + 1) * s->stride;
	return table_init(&s->by_labels, limit);
}

unsigned series_families(void)
{
	return FAMILIES_LEN + (rules ? (unsigned)rules->len : 0);
}

const struct family *series_family(unsigned family)
{
	return family < FAMILIES_LEN ? &families[family] : &rules->rules[family - FAMILIES_LEN].family;
}

static bool is_asked_for(const struct config *config, unsigned family)
{
	if (family >= FAMILIES_LEN)
		return true;
	return families[family].classic ? config->metrics_classic : config->metrics_semconv;
}

int series_init(const struct config *config)
{
	int err = 0;

	random_bytes(&hash_key, sizeof(hash_key));
	hash_key.factor |= 1;
	rules = config->rules;
	for (unsigned i = 0; i < series_families() && !err; i++)
		if (is_asked_for(config, i))
			err = store_init(&stores[i], series_family(i), config->label_sets_max);
	return err;
}

void series_free(void)
{
	for (unsigned i = 0; i < series_families(); i++) {
		if (stores[i].memory)
			munmap(stores[i].memory, stores[i].size);
		table_free(&stores[i].by_labels);
	}
	memset(stores, 0, sizeof(stores));
}

bool series_wanted(unsigned family)
{
	return stores[family].memory;
}

/* Without control characters: some readers of the format stop at them, and terminals obey them. */
static char *put_value(char *p, struct slice value)
{
	const char *end = p + VALUE_MAX;

	while (value.len) {
		size_t len = utf8_len(value.p, value.len);
		char c = value.p[0];
		struct slice out = c == '\n'                              ? SLICE("\\n")
				   : c == '"'                             ? SLICE("\\\"")
				   : c == '\\'                            ? SLICE("\\\\")
				   : !len                                 ? SLICE(UTF8_REPLACEMENT)
				   : (unsigned char)c < 0x20 || c == 0x7f ? SLICE(UTF8_REPLACEMENT)
									  : (struct slice){ value.p, len };

		if (out.len > (size_t)(end - p))
			break;
		p = slice_put(p, out);
		value = slice_from(value, len ? len : 1);
	}
	return p;
}

static struct slice put_labels(const struct family *f, const struct slice *values,
			       char buf[SERIES_LABELS_LEN])
{
	char *p = buf;

	for (size_t i = 0; i < f->labels_len; i++) {
		struct slice value = values[f->labels[i].value];

		if (!value.len && !f->classic)
			continue;
		if (p > buf)
			*p++ = ',';
		p = slice_put(p, slice_of(f->labels[i].name));
		p = slice_put(p, SLICE("=\""));
		p = put_value(p, value);
		*p++ = '"';
	}
	return (struct slice){ buf, (size_t)(p - buf) };
}

static int has_labels(const void *series, const void *labels)
{
	return slice_eq(((const struct series *)series)->labels, *(const struct slice *)labels);
}

static struct series *lookup(const struct store *s, struct slice labels)
{
	return table_find(&s->by_labels, hash_slice(&hash_key, hash_key.seed, labels), has_labels, &labels);
}

static struct series *append(struct store *s, const struct family *f, struct slice labels)
{
	uint32_t len = atomic_load_explicit(&s->len, memory_order_relaxed);
	struct series *series = (struct series *)(s->memory + len * s->stride);

	series->family = f;
	series->labels = (struct slice){ s->text, labels.len };
	s->text = slice_put(s->text, labels);
	/* What a reader finds is whole. */
	atomic_store_explicit(&s->len, len + 1, memory_order_release);
	return series;
}

static struct series *find_other(struct store *s, const struct family *f)
{
	struct slice values[LABEL_VALUES], labels;
	char text[SERIES_LABELS_LEN];
	struct series *other = atomic_load_explicit(&s->other, memory_order_relaxed);

	if (other)
		return other;
	for (int i = 0; i < LABEL_VALUES; i++)
		values[i] = SLICE("other");
	labels = put_labels(f, values, text);
	other = lookup(s, labels); /* a set may really be so */
	if (!other)
		other = append(s, f, labels);
	atomic_store_explicit(&s->other, other, memory_order_release);
	return other;
}

struct series *series_find(unsigned family, const struct slice values[LABEL_VALUES])
{
	const struct family *f = series_family(family);
	struct store *s = &stores[family];
	char text[SERIES_LABELS_LEN];
	struct slice labels = put_labels(f, values, text);
	struct series *series = lookup(s, labels);

	if (series)
		return series;
	if (s->by_labels.used == s->limit)
		return find_other(s, f);
	series = append(s, f, labels);
	table_put(&s->by_labels, hash_slice(&hash_key, hash_key.seed, labels), series);
	return series;
}

const struct series *series_at(unsigned family, unsigned i)
{
	const struct store *s = &stores[family];

	if (i >= atomic_load_explicit(&s->len, memory_order_acquire))
		return NULL;
	return (const struct series *)(s->memory + i * s->stride);
}

const struct series *series_other(unsigned family)
{
	return atomic_load_explicit(&stores[family].other, memory_order_acquire);
}
