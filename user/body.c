/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "base/pool.h"
#include "rule.h"

static struct pool pool;
static uint32_t limit;
static bool off;

int bodies_init(const struct config *config)
{
	if (!rules_read_bodies(config->rules))
		return 0;
	limit = config->body_limit_len;
	off = false;
	return pool_init(&pool, sizeof(struct body) + limit, config->bodies_max);
}

void bodies_keep(bool keep)
{
	off = !keep;
}

void bodies_trim(void)
{
	pool_trim(&pool);
}

void bodies_fini(void)
{
	pool_free(&pool);
}

void body_begin(struct work *w, enum flow flow, unsigned flags)
{
	struct body *body;

	if (off || !rules_want_body(&w->span, flow) || w->bodies[flow] || !(body = pool_get(&pool)))
		return;
	body->encoded = flags & MESSAGE_ENCODED;
	w->bodies[flow] = body;
}

void body_add(struct work *w, enum flow flow, const char *bytes, uint64_t len)
{
	struct body *body = w->bodies[flow];

	if (!body)
		return;
	if (!bytes || len > limit - body->len)
		body->cut = true;
	if (body->cut || body->encoded)
		return;
	memcpy(body->bytes + body->len, bytes, len);
	body->len += (uint32_t)len;
}

void body_end(struct work *w, enum flow flow, bool lost)
{
	struct body *body = w->bodies[flow];

	if (!body)
		return;
	body->ended = true;
	body->cut |= lost;
}

void bodies_release(struct work *w)
{
	for (int flow = FLOW_REQUEST; flow <= FLOW_RESPONSE; flow++) {
		if (w->bodies[flow])
			pool_put(&pool, w->bodies[flow]);
		w->bodies[flow] = NULL;
	}
}
