/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "compare/name.h"

/* By how much two spans may miss each other: clocks, and moments that are not quite the same one. */
#define TOLERANCE_FIRST_NS 1000000
#define TOLERANCE_NS       100000

/* What two spans must have in common in a round, their kind apart. */
enum {
	SAME_SPAN = 1 << 0,      /* trace id and span id */
	SAME_TRACE = 1 << 1,     /* trace id */
	SAME_PLACE = 1 << 2,     /* the connection, by its port at the client's end; else the thread */
	SAME_OPERATION = 1 << 3, /* method and path, or name */
	SAME_LABEL = 1 << 4,     /* method and route, or name */
	SAME_STATUS = 1 << 5,    /* HTTP status; failed or not */
	SAME_TARGET = 1 << 6,    /* port of the server that was called, when one of them does not know more */
};

/*
 * The connection first: it is what both saw, while a trace id is what one of them may have concluded. Status
 * tells apart what happened at the same time.
 */
static const unsigned int rounds[] = {
	SAME_SPAN,
	SAME_PLACE | SAME_OPERATION | SAME_STATUS,
	SAME_PLACE | SAME_OPERATION,
	SAME_TRACE | SAME_OPERATION | SAME_STATUS,
	SAME_TRACE | SAME_OPERATION,
	SAME_OPERATION | SAME_STATUS,
	SAME_OPERATION,
	SAME_PLACE | SAME_LABEL,
	SAME_TRACE | SAME_LABEL,
	SAME_LABEL | SAME_STATUS,
	SAME_LABEL,
	SAME_TARGET,
};

/* A span that is still to be paired. */
struct candidate {
	uint64_t key; /* of what must be the same */
	struct record *record;
	uint64_t start_ns, end_ns; /* by our clock */
	uint32_t index;
	bool theirs;
	bool taken;
	uint32_t before, after; /* nearest ones that are not taken yet, by start; RECORD_NONE: none */
};

/* Two neighbours. */
struct pair {
	uint64_t apart_ns;
	uint32_t left, right; /* candidates */
};

struct round {
	unsigned int same;
	int64_t late_ns[KINDS]; /* by which their spans usually begin after ours */
	uint64_t tolerance_ns;
	struct candidate *candidates;
	struct pair *heap;
	uint32_t heap_len;
};

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = hash_mix(h, ((const unsigned char *)bytes)[i]);
	return hash_mix(h, len);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	return hash_bytes(h, s, strlen(s));
}

/* The port of the connection at the client's end. */
static const char *connection(const struct record *s)
{
	if (s->kind == KIND_SERVER)
		return record_get(s, NAME_PEER_PORT);
	return s->kind == KIND_CLIENT ? record_get(s, NAME_LOCAL_PORT) : NULL;
}

static const char *place(const struct record *s)
{
	const char *port = connection(s);

	return port ? port : record_get(s, NAME_THREAD);
}

static const char *target_port(const struct record *s)
{
	const char *port = s->kind == KIND_CLIENT ? record_get(s, NAME_SERVER_PORT) : NULL;

	return port || s->kind != KIND_CLIENT ? port : record_get(s, NAME_PEER_PORT);
}

/* Returns whether the record knows all that the round asks for. */
static bool key_of(const struct record *s, unsigned int same, uint64_t *ret_key)
{
	const char *where = place(s), *port = target_port(s), *status = record_get(s, NAME_STATUS);
	uint64_t key = hash_mix(1, s->kind);

	if ((same & SAME_PLACE && !where) || (same & SAME_TARGET && !port))
		return false;
	if (same & (SAME_SPAN | SAME_TRACE))
		key = hash_bytes(key, s->trace_id, sizeof(s->trace_id));
	if (same & SAME_SPAN)
		key = hash_bytes(key, s->span_id, sizeof(s->span_id));
	if (same & SAME_PLACE)
		key = hash_text(key, where);
	if (same & SAME_OPERATION)
		key = hash_text(key, s->operation);
	if (same & SAME_LABEL)
		key = hash_text(key, s->label);
	if (same & SAME_STATUS)
		key = hash_text(key, status ? status : s->failed ? "error" : "");
	if (same & SAME_TARGET)
		key = hash_text(key, port);
	*ret_key = key;
	return true;
}

static bool overlap(const struct candidate *a, const struct candidate *b, uint64_t tolerance_ns)
{
	return a->start_ns <= b->end_ns + tolerance_ns && b->start_ns <= a->end_ns + tolerance_ns;
}

/* Each connection has requests of its own. */
static bool on_different_connections(const struct record *a, const struct record *b)
{
	const char *x = connection(a), *y = connection(b);

	return x && y && strcmp(x, y) != 0;
}

/* Whether what was hashed is the same indeed. */
static bool fits(const struct round *r, const struct candidate *x, const struct candidate *y)
{
	const struct record *a = x->record, *b = y->record;
	unsigned int same = r->same;

	if (a->kind != b->kind || !overlap(x, y, r->tolerance_ns) || on_different_connections(a, b))
		return false;
	if (same & (SAME_SPAN | SAME_TRACE) && memcmp(a->trace_id, b->trace_id, sizeof(a->trace_id)) != 0)
		return false;
	if (same & SAME_SPAN && memcmp(a->span_id, b->span_id, sizeof(a->span_id)) != 0)
		return false;
	if (same & SAME_OPERATION && strcmp(a->operation, b->operation) != 0)
		return false;
	if (same & SAME_LABEL && strcmp(a->label, b->label) != 0)
		return false;
	return !(same & SAME_TARGET) || !record_get(a, NAME_METHOD) != !record_get(b, NAME_METHOD);
}

static int in_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? -1 : 1;
	if (x->theirs != y->theirs)
		return x->theirs ? 1 : -1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool nearer(const struct pair *a, const struct pair *b)
{
	return a->apart_ns != b->apart_ns ? a->apart_ns < b->apart_ns : a->left < b->left;
}

static void heap_add(struct round *r, struct pair pair)
{
	uint32_t at = r->heap_len++;

	while (at && nearer(&pair, &r->heap[(at - 1) / 2])) {
		r->heap[at] = r->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	r->heap[at] = pair;
}

static struct pair heap_take(struct round *r)
{
	struct pair top = r->heap[0], last = r->heap[--r->heap_len];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < r->heap_len) {
		if (child + 1 < r->heap_len && nearer(&r->heap[child + 1], &r->heap[child]))
			child++;
		if (!nearer(&r->heap[child], &last))
			break;
		r->heap[at] = r->heap[child];
		at = child;
	}
	if (r->heap_len)
		r->heap[at] = last;
	return top;
}

/* Neighbours of both sides that could be paired go to the heap. */
static void consider(struct round *r, uint32_t left, uint32_t right)
{
	const struct candidate *a, *b;

	if (left == RECORD_NONE || right == RECORD_NONE)
		return;
	a = &r->candidates[left];
	b = &r->candidates[right];
	if (a->key == b->key && a->theirs != b->theirs && fits(r, a, b))
		heap_add(r, (struct pair){ b->start_ns - a->start_ns, left, right });
}

static void unlink_candidate(struct round *r, uint32_t at)
{
	struct candidate *c = &r->candidates[at];

	c->taken = true;
	if (c->before != RECORD_NONE)
		r->candidates[c->before].after = c->after;
	if (c->after != RECORD_NONE)
		r->candidates[c->after].before = c->before;
}

static void take(struct round *r, uint32_t left, uint32_t right)
{
	struct candidate *a = &r->candidates[left], *b = &r->candidates[right];

	a->record->match = b->index;
	b->record->match = a->index;
	unlink_candidate(r, left);
	unlink_candidate(r, right);
}

/* The next candidate from `at` on of a side; `end`: there is none. */
static uint32_t next_of(const struct round *r, bool theirs, uint32_t at, uint32_t end)
{
	while (at < end && r->candidates[at].theirs != theirs)
		at++;
	return at;
}

/* Pairs the first of ours with the first of theirs, and so on, or only sees whether all of them fit. */
static bool each_in_order(struct round *r, uint32_t first, uint32_t end, bool pair)
{
	uint32_t left = next_of(r, false, first, end), right = next_of(r, true, first, end);

	while (left < end && right < end) {
		if (pair)
			take(r, left, right);
		else if (!fits(r, &r->candidates[left], &r->candidates[right]))
			return false;
		left = next_of(r, false, left + 1, end);
		right = next_of(r, true, right + 1, end);
	}
	return left == end && right == end;
}

/*
 * What both saw of one connection, and as often, is in the same order on both sides; the nearest two may be
 * the wrong ones where a clock is coarser than the time between two requests.
 */
static void pair_in_order(struct round *r, uint32_t len)
{
	uint32_t end;

	for (uint32_t first = 0; first < len; first = end) {
		for (end = first + 1; end < len && r->candidates[end].key == r->candidates[first].key; end++)
			;
		if (each_in_order(r, first, end, false))
			each_in_order(r, first, end, true);
	}
}

/* The nearest two of different sides are always neighbours among what is left. */
static void pair_nearest(struct round *r, uint32_t len)
{
	r->heap_len = 0;
	for (uint32_t i = 0; i + 1 < len; i++)
		if (!r->candidates[i].taken && !r->candidates[i + 1].taken)
			consider(r, i, i + 1);
	while (r->heap_len) {
		struct pair pair = heap_take(r);
		const struct candidate *a = &r->candidates[pair.left], *b = &r->candidates[pair.right];

		if (a->taken || b->taken)
			continue;
		take(r, pair.left, pair.right);
		consider(r, a->before, b->after);
	}
}

static uint32_t collect(struct round *r, struct recording *all, bool theirs, uint32_t len)
{
	for (uint32_t i = 0; i < all->len; i++) {
		struct record *s = &all->records[i];
		uint64_t late_ns = theirs ? (uint64_t)r->late_ns[s->kind] : 0;
		struct candidate c = { .record = s,
				       .start_ns = s->start_ns - late_ns,
				       .end_ns = s->end_ns - late_ns,
				       .index = i,
				       .theirs = theirs };

		if (s->match == RECORD_NONE && key_of(s, r->same, &c.key))
			r->candidates[len++] = c;
	}
	return len;
}

static void run_rounds(struct round *r, struct recording *ours, struct recording *theirs)
{
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		uint32_t len;

		r->same = rounds[i];
		len = collect(r, theirs, true, collect(r, ours, false, 0));
		qsort(r->candidates, len, sizeof(*r->candidates), in_order);
		for (uint32_t at = 0; at < len; at++) {
			r->candidates[at].before = at ? at - 1 : RECORD_NONE;
			r->candidates[at].after = at + 1 < len ? at + 1 : RECORD_NONE;
		}
		if (r->same & SAME_PLACE)
			pair_in_order(r, len);
		pair_nearest(r, len);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The median; there is room for a value of each of ours. */
static int64_t lateness(const struct recording *ours, const struct recording *theirs, enum record_kind kind,
			int64_t *room)
{
	size_t len = 0;

	for (uint32_t i = 0; i < ours->len; i++) {
		const struct record *s = &ours->records[i];

		if (s->kind == kind && s->match != RECORD_NONE)
			room[len++] = (int64_t)(theirs->records[s->match].start_ns - s->start_ns);
	}
	qsort(room, len, sizeof(*room), by_value);
	return len ? room[len / 2] : 0;
}

static void unmatch(struct recording *all)
{
	for (uint32_t i = 0; i < all->len; i++)
		all->records[i].match = RECORD_NONE;
}

int match(struct recording *ours, struct recording *theirs)
{
	size_t most = (size_t)ours->len + theirs->len;
	struct round r = { .candidates = calloc(most, sizeof(*r.candidates)),
			   .heap = calloc(2 * most, sizeof(*r.heap)) };
	int64_t *room = calloc(ours->len, sizeof(*room));
	int err = r.candidates && r.heap && room ? 0 : -ENOMEM;

	if (!err) {
		/* Clocks differ, and so does what counts as the start; the second time that is known. */
		r.tolerance_ns = TOLERANCE_FIRST_NS;
		run_rounds(&r, ours, theirs);
		for (int kind = 0; kind < KINDS; kind++)
			r.late_ns[kind] = lateness(ours, theirs, (enum record_kind)kind, room);
		r.tolerance_ns = TOLERANCE_NS +
				 (ours->clock_ns > theirs->clock_ns ? ours->clock_ns : theirs->clock_ns);
		unmatch(ours);
		unmatch(theirs);
		run_rounds(&r, ours, theirs);
	}
	free(room);
	free(r.candidates);
	free(r.heap);
	return err;
}
