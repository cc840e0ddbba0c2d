/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include "../target.h"
#include "mapping.h"

#define LOOKS      16   /* processes looked at each time */
#define REMEMBERED 1024 /* ... of which is known whether they have mapped anything since */

static uint32_t first, next; /* of the targets, those that are looked at this time */
static void (*looking)(uint32_t pid);

static struct mapped last[REMEMBERED];

void look_remember(uint32_t pid)
{
	mappings_changed(pid, &last[pid % REMEMBERED]);
}

static void look_at(uint32_t pid)
{
	if (next >= first && next < first + LOOKS && mappings_changed(pid, &last[pid % REMEMBERED]))
		looking(pid);
	next++;
}

void look_again(void (*look)(uint32_t pid))
{
	looking = look;
	next = 0;
	targets_each(look_at);
	first = first + LOOKS < next ? first + LOOKS : 0;
}
