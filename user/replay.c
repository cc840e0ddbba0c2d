/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/table.h"
#include "base/wall.h"
#include "exit_code.h"
#include "export.h"
#include "function.h"
#include "function_tape.h"
#include "http.h"
#include "ring.h"
#include "round.h"
#include "stats.h"
#include "summary.h"
#include "tape.h"

#define PROCESSES_MAX 65536

static struct table names; /* what processes were called, by id: the last that was recorded */
static struct pool names_pool;
static uint64_t first_ns, last_ns;

static void names_put(const struct tape_names *n)
{
	struct tape_names *known = table_get(&names, n->pid);

	if (!known) {
		known = pool_get(&names_pool);
		if (!known || table_put(&names, n->pid, known))
			return;
	}
	*known = *n;
}

static bool names_get(struct process *p)
{
	const struct tape_names *n = table_get(&names, p->pid);

	if (!n)
		return false;
	memcpy(p->command, n->command, sizeof(p->command));
	memcpy(p->service, n->service, sizeof(p->service));
	return n->ignored;
}

static void ignore_rejected(uint32_t pid)
{
	(void)pid;
}

/* Returns 0, -ENOMEM, or -EPROTO when the record is none of its kind. */
static int apply(enum tape_kind kind, const void *data, size_t len)
{
	struct tape_names n;
	uint64_t now_ns;
	uint32_t pid;

	switch (kind) {
	case TAPE_EVENT:
		/* Only what found room in the ring is on the tape. */
		stat_add(STAT_events_sent, 1);
		stat_add(STAT_events, 1);
		stat_add(STAT_events_used, ring_dispatch(data, len));
		return 0;
	case TAPE_TARGET:
	case TAPE_HOPS:
		if (len != sizeof(pid))
			return -EPROTO;
		memcpy(&pid, data, sizeof(pid));
		if (kind == TAPE_HOPS)
			target_hops(pid);
		else
			target_find(pid);
		return 0;
	case TAPE_NAMES:
		if (len != sizeof(n))
			return -EPROTO;
		memcpy(&n, data, sizeof(n));
		n.command[sizeof(n.command) - 1] = n.service[sizeof(n.service) - 1] = '\0';
		names_put(&n);
		return 0;
	case TAPE_FUNCTION:
		return function_tape_take(data, len);
	case TAPE_ROUND:
	case TAPE_END:
		if (len != sizeof(now_ns))
			return -EPROTO;
		memcpy(&now_ns, data, sizeof(now_ns));
		first_ns = first_ns ? first_ns : now_ns;
		last_ns = now_ns;
		if (kind == TAPE_ROUND)
			round_run(now_ns);
		else
			rounds_end(now_ns);
		export_drain();
		return 0;
	}
	return -EPROTO;
}

static int play(struct tape *r, const char *path)
{
	enum tape_kind kind = TAPE_ROUND;
	const void *data;
	size_t len;
	int n;

	while ((n = tape_next(r, &kind, &data, &len)) > 0)
		if ((n = apply(kind, data, len)))
			break;
	if (n < 0)
		log_error("%s: cut or broken at byte %zu; what came before it is shown", path, r->at);
	if (n < 0 || kind != TAPE_END)
		rounds_end(last_ns);
	return n;
}

int replay(const struct config *config, bool attach)
{
	struct tape_start start;
	struct tape r;
	int err = tape_open(config->replay_path, &r, &start);

	if (err) {
		log_error("cannot replay %s: %s", config->replay_path,
			  err == -EPROTO ? "it is no recording of this version of Spanhook" : strerror(-err));
		return EXIT_USAGE;
	}
	first_ns = last_ns = 0;
	random_seed(start.seed);
	wall_fix(start.wall_offset_ns);
	if ((err = pool_init(&names_pool, sizeof(struct tape_names), PROCESSES_MAX)) ||
	    (err = table_init(&names, PROCESSES_MAX)) || (err = functions_init()) ||
	    (err = rounds_init(config, attach, ignore_rejected))) {
		log_error("cannot reserve memory: %s", strerror(-err));
		return EXIT_FAILED;
	}
	targets_resolve_from(names_get);
	if ((config->listen && http_start(config)) || export_start(config))
		return EXIT_FAILED;
	http_set_ready(true);
	err = play(&r, config->replay_path);
	export_stop();
	http_stop();
	if (attach)
		summary_report(config, last_ns - first_ns);
	rounds_fini();
	functions_fini();
	function_tape_fini();
	table_free(&names);
	pool_free(&names_pool);
	tape_free(&r);
	return err ? EXIT_FAILED : EXIT_OK;
}
