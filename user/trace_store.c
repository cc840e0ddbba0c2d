/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_store.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* Before each copy; a multiple of 8 bytes long, as is all. */
struct head {
	uint32_t len; /* with this; 0: nothing more up to the end of the memory */
	uint8_t service_len, command_len;
	bool has_process;
	uint8_t reserved;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *bytes;
static uint64_t bytes_len, written; /* written: since the start; modulo bytes_len it is where */
static struct trace_part *parts;
static uint32_t parts_max;
static uint64_t first, latest; /* numbers of the parts that are kept; first > latest: none */
static struct table by_trace;  /* the latest part of each trace */

int trace_store_init(uint32_t traces_max)
{
	parts_max = traces_max;
	written = latest = 0;
	first = 1;
	if (!traces_max)
		return 0;
	/* A large trace has room in a small store too. */
	bytes_len = (uint64_t)TRACE_STORE_LEN * (traces_max > 16 ? traces_max : 16);
	bytes = calloc(1, bytes_len);
	parts = calloc(traces_max, sizeof(*parts));
	return bytes && parts ? table_init(&by_trace, traces_max) : -ENOMEM;
}

void trace_store_fini(void)
{
	table_free(&by_trace);
	free(parts);
	free(bytes);
	parts = NULL;
	bytes = NULL;
	parts_max = 0;
}

bool trace_store_is_on(void)
{
	return parts_max;
}

void trace_store_lock(void)
{
	pthread_mutex_lock(&lock);
}

void trace_store_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

uint64_t trace_part_latest(void)
{
	return latest;
}

static struct trace_part *kept(uint64_t number)
{
	return number >= first && number <= latest ? &parts[number % parts_max] : NULL;
}

const struct trace_part *trace_part(uint64_t number)
{
	return kept(number);
}

static uint64_t key_of(const uint8_t trace_id[16])
{
	uint64_t key;

	memcpy(&key, trace_id, sizeof(key));
	return key;
}

static int is_of(const void *value, const void *arg)
{
	const struct trace_part *p = value;

	return memcmp(p->trace_id, arg, sizeof(p->trace_id)) == 0;
}

/* The latest part of a trace. */
static struct trace_part *find(const uint8_t trace_id[16])
{
	return table_find(&by_trace, key_of(trace_id), is_of, trace_id);
}

static uint64_t number_of(const struct trace_part *p)
{
	uint64_t from_first = ((uint64_t)(p - parts) + parts_max - first % parts_max) % parts_max;

	return first + from_first;
}

uint64_t trace_part_find(const uint8_t trace_id[16])
{
	const struct trace_part *p = parts_max ? find(trace_id) : NULL;

	while (p && p->earlier)
		p = kept(p->earlier);
	return p ? number_of(p) : 0;
}

static void evict(void)
{
	struct trace_part *p = kept(first), *later = kept(p->later);

	if (later)
		later->earlier = 0;
	table_remove(&by_trace, key_of(p->trace_id), p);
	first++;
}

static size_t length_of(const struct span *span, const struct process *process)
{
	size_t len = sizeof(struct head) + offsetof(struct span, attributes) +
		     span->attributes_len * sizeof(span->attributes[0]) + span->text_used;

	if (process)
		len += strlen(process->service) + strlen(process->command);
	return (len + 7) & ~(size_t)7;
}

/* Room for the next copy, of which no byte is behind the end of the memory; NULL: the part fills all of it.
 */
static char *make_room(const struct trace_part *part, size_t len)
{
	uint64_t left = bytes_len - written % bytes_len, at = left < len ? written + left : written;

	while (at + len > kept(first)->at + bytes_len) {
		if (kept(first) == part)
			return NULL;
		evict();
	}
	if (at != written)
		memset(bytes + written % bytes_len, 0, sizeof(struct head));
	written = at + len;
	return bytes + at % bytes_len;
}

static bool add_span(const struct trace_part *part, const struct span *span)
{
	const struct process *process = span->process;
	size_t len = length_of(span, process), copied = offsetof(struct span, kind);
	struct head head = { .len = (uint32_t)len, .has_process = process };
	char *p = make_room(part, len);

	if (!p)
		return false;
	if (process) {
		head.service_len = (uint8_t)strlen(process->service);
		head.command_len = (uint8_t)strlen(process->command);
	}
	memcpy(p, &head, sizeof(head));
	/* The count of references is not read: other threads write it. */
	memset(p + sizeof(head), 0, copied);
	memcpy(p + sizeof(head) + copied, (const char *)span + copied,
	       offsetof(struct span, attributes) - copied);
	p += sizeof(head) + offsetof(struct span, attributes);
	memcpy(p, span->attributes, span->attributes_len * sizeof(span->attributes[0]));
	p += span->attributes_len * sizeof(span->attributes[0]);
	p = slice_put(p, (struct slice){ span->text, span->text_used });
	if (process) {
		p = slice_put(p, (struct slice){ process->service, head.service_len });
		slice_put(p, (struct slice){ process->command, head.command_len });
	}
	return true;
}

static void add_nodes(struct trace_part *part, const struct trace_node *node)
{
	for (; node; node = node->next) {
		const struct span *span = node->span;

		if (span->start_ns < part->start_ns)
			part->start_ns = span->start_ns;
		if (span->end_ns > part->end_ns)
			part->end_ns = span->end_ns;
		part->failed |= span_failed(span);
		*(add_span(part, span) ? &part->spans_len : &part->missing) += 1;
		add_nodes(part, node->child);
	}
}

static struct trace_part *begin_part(const struct trace *trace, const struct wall *wall)
{
	struct trace_part *p, *before;

	if (latest - first + 1 == parts_max)
		evict();
	before = find(trace->top->span->trace_id);
	p = &parts[++latest % parts_max];
	*p = (struct trace_part){ .at = written,
				  .wall_offset_ns = wall->offset_ns,
				  .start_ns = UINT64_MAX,
				  .missing = trace->missing,
				  .losses = trace->losses };
	memcpy(p->trace_id, trace->top->span->trace_id, sizeof(p->trace_id));
	if (before) {
		p->earlier = number_of(before);
		before->later = latest;
		table_remove(&by_trace, key_of(p->trace_id), before);
	}
	table_put(&by_trace, key_of(p->trace_id), p);
	return p;
}

void trace_store_add(const struct trace *trace, const struct wall *wall)
{
	struct trace_part *p;

	trace_store_lock();
	p = begin_part(trace, wall);
	add_nodes(p, trace->top);
	p->end = written;
	trace_store_unlock();
}

const struct span *trace_part_next(const struct trace_part *part, uint64_t *at)
{
	const char *p = bytes + *at % bytes_len;
	struct head head;

	if (*at >= part->end)
		return NULL;
	memcpy(&head, p, sizeof(head));
	if (!head.len) {
		*at += bytes_len - *at % bytes_len;
		p = bytes;
		memcpy(&head, p, sizeof(head));
	}
	*at += head.len;
	return (const struct span *)(p + sizeof(head));
}

void trace_part_copy(const struct span *span, struct trace_copy *ret_copy)
{
	const char *p = (const char *)span;
	struct span *copy = &ret_copy->span;
	struct head head;

	memcpy(&head, p - sizeof(head), sizeof(head));
	memset(ret_copy, 0, sizeof(*ret_copy));
	memcpy(copy, p, offsetof(struct span, attributes));
	p += offsetof(struct span, attributes);
	memcpy(copy->attributes, p, copy->attributes_len * sizeof(copy->attributes[0]));
	p += copy->attributes_len * sizeof(copy->attributes[0]);
	memcpy(copy->text, p, copy->text_used);
	p += copy->text_used;
	memcpy(ret_copy->process.service, p, head.service_len);
	memcpy(ret_copy->process.command, p + head.service_len, head.command_len);
	copy->process = head.has_process ? &ret_copy->process : NULL;
}
