/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the spine, from ring_dispatch() to the sink of settle_flush(). The input says what passes on four
 * connections between two processes, in the lines of a *.case file (tests/protocols/README.md): both ends of
 * each send are events. The lines between say what else happens; their arguments are hex digits, one each:
 *
 *	@ NCS    from here on: connection N, its client's thread C, its server's thread S
 *	e E      the ends that are seen: 1 the client's, 2 the server's; + 4: the server's events come first
 *	c N      at most 2^N bytes of each event are captured
 *	d N      N events get lost
 *	b N      the positions go back by N
 *	a F      the connection is announced; F: 1 fresh, 2 not connected yet, 4 by whom is unknown
 *	s ONFE   its state turns from O to N; F: 1, 2 the shutdowns, 4 closed; E: the error
 *	p CTP    change C of thread T's process, whose parent is P's
 *	w N      2^N ms pass
 *	r BYTES  a record as it is
 */
#include "fuzz.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "../protocols/script.h"
#include "base/random.h"
#include "conn.h"
#include "exchange.h"
#include "function.h"
#include "link.h"
#include "metric.h"
#include "ring.h"
#include "settle.h"
#include "span_json.h"
#include "sqlite.h"
#include "stats.h"
#include "target.h"
#include "work.h"

#define CONNECTIONS 4
#define THREADS     16
#define PID         0x70000000u /* more than there can be: nothing is found in /proc */
#define SPANS_MAX   32
#define START_NS    1000000000000ULL

enum end { CLIENT, SERVER };

struct pair {
	uint32_t tid[2];
	uint32_t pos[2]; /* of what each end sends next */
};

static struct pair pairs[CONNECTIONS], *pair;
static unsigned ends, capture, lost;
static uint64_t now_ns;

/* In memory of just its size, so that nothing behind it can be read unnoticed. */
static void dispatch(const void *record, size_t size)
{
	void *copy;

	if (lost) {
		lost--;
		return;
	}
	copy = fuzz_copy((struct slice){ record, size });
	ring_dispatch(copy, size);
	free(copy);
}

static struct event event_of(enum end end, enum event_type type, unsigned flags)
{
	return (struct event){
		.type = (uint16_t)type,
		.flags = (uint16_t)flags,
		.pid = PID + pair->tid[end] / 4,
		.tid = PID + pair->tid[end],
		.time_ns = now_ns += 1000,
		.sock = (uint64_t)(pair - pairs) * 2 + end + 1,
	};
}

/* Calls see(end, arg) for each end that is seen, in the order that was asked for. */
static void each_end(void (*see)(enum end end, const void *arg), const void *arg)
{
	enum end first = ends & 4 ? SERVER : CLIENT;

	for (int i = 0; i < 2; i++, first = !first)
		if (ends & (1u << first))
			see(first, arg);
}

struct transfer {
	enum end from;
	uint32_t pos;
	uint64_t len;
	const char *p; /* NULL: not captured */
};

static void see_transfer(enum end end, const void *arg)
{
	static union {
		struct event_data e;
		char bytes[sizeof(struct event_data) + SCRIPT_BYTES];
	} record;
	const struct transfer *t = arg;
	bool sent = end == t->from;
	size_t head = t->p ? t->len : 0, tail = 0;

	if (sent && !t->len)
		return; /* who shuts down sends nothing */
	if (head > capture) {
		tail = head - capture < 16 ? head - capture : 16;
		head = capture;
	}
	record.e = (struct event_data){
		.h = event_of(end, EVENT_DATA, (sent ? EVENT_TX : 0u) | (t->p ? 0u : EVENT_NO_PAYLOAD)),
		.pos = t->pos,
		.len = (uint32_t)t->len,
		.head_len = (uint16_t)head,
		.tail_len = (uint16_t)tail,
	};
	if (head)
		memcpy(record.e.data, t->p, head);
	if (tail)
		memcpy(record.e.data + head, t->p + t->len - tail, tail);
	dispatch(&record, sizeof(record.e) + head + tail);
}

static void see_shutdown(enum end end, const void *arg)
{
	struct event_state e = {
		.h = event_of(end, EVENT_STATE, 0), .old_state = 1, .new_state = 4, .shutdown = 2
	};

	if (end == *(const enum end *)arg)
		dispatch(&e, sizeof(e));
}

static void traffic(struct slice line)
{
	static struct script script;
	bool fresh = false;
	struct transfer t;

	script.ops_len = script.bytes_len = 0;
	if (!script_line(&script, line, &fresh) || !script.ops_len)
		return;
	t.from = script.ops[0].flow == FLOW_REQUEST ? CLIENT : SERVER;
	t.pos = pair->pos[t.from];
	t.len = script.ops[0].kind == OP_CLOSE ? 0 : script.ops[0].len & INT32_MAX;
	t.p = script.ops[0].kind == OP_BYTES ? script.ops[0].p : NULL;
	if (script.ops[0].kind == OP_CLOSE)
		each_end(see_shutdown, &t.from);
	else if (!t.len)
		return;
	each_end(see_transfer, &t);
	pair->pos[t.from] += (uint32_t)t.len;
}

static void see_announced(enum end end, const void *arg)
{
	static const uint16_t families[CONNECTIONS] = { AF_INET, AF_INET6, AF_UNIX, AF_INET };
	uint64_t number = (uint64_t)(pair - pairs);
	unsigned how = *(const unsigned *)arg, flags = how & 1 ? EVENT_FRESH : 0;
	bool connecting = how & 2 && end == CLIENT;
	struct event_conn e = {
		.family = families[number],
		.local_port = end == SERVER ? 80
			      : connecting  ? 0
					    : (uint16_t)(1000 + number),
		.peer_port = end == CLIENT ? 80 : (uint16_t)(1000 + number),
		.tx_pos = pair->pos[end],
		.rx_pos = pair->pos[!end],
		.id = number * 2 + end + 1,
		.peer_id = number * 2 + !end + 1,
		.local_ip = { 127 },
		.peer_ip = { 127 },
		.path_len = 6,
		.path = "/a.sock",
	};

	if (!(how & 4))
		flags |= end == CLIENT ? EVENT_CLIENT : EVENT_ACCEPTED;
	e.h = event_of(end, EVENT_CONN, flags);
	dispatch(&e, sizeof(e));
}

static void see_state(enum end end, const void *arg)
{
	static const uint32_t errors[] = { 0, ECONNREFUSED, ETIMEDOUT, ECONNRESET, EPIPE, ENETUNREACH, EIO };
	const uint8_t *how = arg;
	struct event_state e = {
		.h = event_of(end, EVENT_STATE, 0),
		.old_state = how[0],
		.new_state = how[1],
		.shutdown = how[2] & 3,
		.closed = how[2] >> 2 & 1,
		.error = errors[how[3] % (sizeof(errors) / sizeof(errors[0]))],
		.tx_pos = pair->pos[end],
		.rx_pos = pair->pos[!end],
		.local_ip = { 127 },
		.local_port = end == SERVER ? 80 : (uint16_t)(1000 + (pair - pairs)),
	};

	dispatch(&e, sizeof(e));
}

static void process(uint32_t change, uint32_t tid, uint32_t parent)
{
	struct event_process e = {
		.h = { .type = EVENT_PROCESS,
		       .pid = PID + tid / 4,
		       .tid = PID + tid,
		       .time_ns = now_ns += 1000 },
		.change = change,
		.parent = PID + parent / 4,
		.command = "shop",
		.path = "/usr/bin/shop",
	};

	dispatch(&e, sizeof(e));
}

/* A record of any bytes, but of a process and a socket that the end of the run can clear away. */
static void raw(struct slice text)
{
	static struct script script;
	struct event *e = (struct event *)script.bytes;

	script.bytes_len = 0;
	if (!script_unescape(&script, text))
		return;
	e->pid = PID + e->pid % (THREADS / 4);
	e->sock %= 2 * CONNECTIONS + 2;
	e->time_ns = now_ns += 1000;
	dispatch(script.bytes, script.bytes_len);
}

static void sink(struct span *span)
{
	static const uint8_t none[16];
	static struct wall wall;
	char line[SPAN_JSON_MAX];
	size_t len = span_json(span, &wall, line, sizeof(line));
	cJSON *object = cJSON_ParseWithLength(line, len);

	HOLD(object);
	cJSON_Delete(object);
	HOLD(line[len - 1] == '\n' && fuzz_is_utf8((struct slice){ line, len - 1 }));
	HOLD(span->start_ns >= START_NS);
	HOLD(span->start_ns <= span->end_ns && span->end_ns <= now_ns);
	HOLD(!span->first_byte_ns || span->first_byte_ns <= span->end_ns);
	HOLD(span->has_parent == (span->evidence != EVIDENCE_UNKNOWN));
	HOLD(memcmp(span->trace_id, none, 16) != 0 && memcmp(span->span_id, none, 8) != 0);
	HOLD(!span->status || span->first_byte_ns);
	/* What other protocols and functions say when all went well is nothing. */
	HOLD(span->status || span->error_type || span->incomplete || strcmp(span->protocol, "http"));
	metrics_add(span);
}

static void tick(void)
{
	conns_tick(now_ns);
	functions_tick();
	sqlite_tick();
	links_tick(now_ns);
	settle_flush(sink);
}

static void command(char name, const uint8_t *arg)
{
	switch (name) {
	case '@':
		pair = &pairs[arg[0] % CONNECTIONS];
		pair->tid[CLIENT] = arg[1];
		pair->tid[SERVER] = arg[2];
		break;
	case 'e':
		ends = arg[0];
		break;
	case 'c':
		capture = 1u << arg[0];
		break;
	case 'd':
		lost = arg[0];
		break;
	case 'b':
		pair->pos[CLIENT] -= arg[0];
		pair->pos[SERVER] -= arg[0];
		break;
	case 'a':
		each_end(see_announced, &(unsigned){ arg[0] });
		break;
	case 's':
		each_end(see_state, arg);
		break;
	case 'p':
		process(arg[0], arg[1], arg[2]);
		break;
	case 'w':
		now_ns += 1000000ULL << arg[0];
		tick();
		break;
	}
}

static void run_line(struct slice line)
{
	uint8_t arg[4] = { 0 };

	if (line.p[0] == '>' || line.p[0] == '<') {
		traffic(line);
	} else if (line.p[0] == 'r') {
		raw(slice_from(line, 2));
	} else {
		for (size_t i = 2; i < line.len && i < 6; i++) {
			int digit = script_hex(line.p[i]);

			arg[i - 2] = (uint8_t)(digit < 0 ? 0 : digit);
		}
		command(line.p[0], arg);
	}
}

/* Everything ends; then everything that was borrowed must be back. */
static void finish(void)
{
	struct work *works[SPANS_MAX];

	lost = 0;
	sqlite_end(now_ns);
	functions_end(now_ns);
	conns_end(now_ns);
	links_tick(UINT64_MAX);
	targets_resolve(0);
	settle_flush(sink);
	links_tick(UINT64_MAX); /* now that nothing of threads waits they are let go, with what they hold */
	for (uint32_t tid = 0; tid < THREADS; tid += 4)
		process(PROCESS_EXITED, tid, 0);
	targets_resolve(0);
	HOLD(stat_get(STAT_connections) == 0);
	HOLD(targets_alive() == 0);
	for (size_t i = 0; i < SPANS_MAX; i++)
		HOLD(works[i] = work_new());
	for (size_t i = 0; i < SPANS_MAX; i++)
		work_unref(works[i]);
	HOLD(drop_get(DROP_buffers_full) == 0 && drop_get(DROP_processes_full) == 0);
}

static void reject(uint32_t pid)
{
	(void)pid;
}

/* A function with a value of every type on each side, and a rule. */
static void make_function(void)
{
	static struct enumerator names[] = { { -1, "MINUS" }, { 0, "ZERO" }, { 5, "FIVE" } };
	struct function *f = function_new();

	HOLD(f);
	strcpy(f->name, "function");
	for (uint32_t i = 0; i < READS_MAX; i++) {
		enum value_type type = (enum value_type)(i % (VALUE_STRING + 1));

		f->values[i] =
			(struct value){ .name = "value", .type = type, .size = (uint8_t)(1u << i % 4) };
		if (type == VALUE_ENUM)
			f->values[i].names = names, f->values[i].names_len = 3;
		f->reads.reads[i].at_return = i & 1;
		f->reads.reads_len++;
	}
	f->rule = (struct error_rule){ .comparison = COMPARE_LESS, .is_errno = true, .read = 1 };
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct config config = {
		.connections_max = 2 * CONNECTIONS,
		.statements_max = 64,
		.spans_max = SPANS_MAX,
		.label_sets_max = 16,
		.metrics_classic = true,
		.metrics_semconv = true,
	};

	(void)argc, (void)argv;
	HOLD(!random_init() && !work_init(config.spans_max) && !links_init(config.spans_max) &&
	     !targets_init(&config, reject) && !conns_init(&config) && !sqlite_init() && !functions_init() &&
	     !metrics_init(&config));
	make_function();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };

	for (unsigned i = 0; i < CONNECTIONS; i++)
		pairs[i] = (struct pair){ .tid = { 4 + i, 8 + i }, .pos = { 0xfffffff0, 0x7ffffff0 } };
	pair = pairs;
	ends = 3;
	capture = 4096;
	lost = 0;
	now_ns = START_NS;
	while (text.len) {
		struct slice line = fuzz_line(&text);

		if (slice_eq(line, SLICE("expect")))
			break;
		if (line.len)
			run_line(line);
	}
	finish();
	return 0;
}
