/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "governor.h"

#define LEVELS 4

/* So many seconds of a load. Returns the level at the end, and in *ret_at (unless NULL) the second of the
 * first step. */
static uint32_t pass(struct governor *g, double load, unsigned seconds, unsigned *ret_at)
{
	unsigned first = 0;

	for (unsigned i = 1; i <= seconds; i++) {
		uint32_t before = g->level;
		int way = governor_decide(g, load, 1);

		assert_int_equal((int)g->level - (int)before, way);
		if (way && !first)
			first = i;
	}
	if (ret_at)
		*ret_at = first;
	return g->level;
}

static void within_the_budget_nothing_happens(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	assert_int_equal(pass(&g, 1, 10000, NULL), 0);
	assert_int_equal(pass(&g, 0, 10000, NULL), 0);
}

static void a_short_burst_is_no_reason(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pass(&g, 50, 2, NULL), 0);
		assert_int_equal(pass(&g, 0.9, 1, NULL), 0);
	}
}

static void over_it_goes_down_step_by_step_and_no_further(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	for (uint32_t level = 1; level <= LEVELS; level++) {
		unsigned at;

		assert_int_equal(pass(&g, 1.01, 3, &at), level);
		assert_int_equal(at, 3);
	}
	assert_int_equal(pass(&g, 100, 1000, NULL), LEVELS);
}

static void just_under_it_stays(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	pass(&g, 2, 6, NULL);
	assert_int_equal(pass(&g, 0.8, 10000, NULL), 2);
}

static void well_under_it_comes_up_more_slowly_than_it_went_down(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	pass(&g, 2, 12, NULL);
	for (uint32_t level = LEVELS; level-- > 0;) {
		unsigned at;

		assert_int_equal(pass(&g, 0.1, 10, &at), level);
		assert_int_equal(at, 10);
	}
}

/* What a step saves is what taking it back costs. */
static void it_does_not_flap(void **state)
{
	struct governor g;
	unsigned steps = 0;

	(void)state;
	governor_reset(&g, LEVELS);
	for (int second = 0; second < 3600; second++)
		steps += governor_decide(&g, g.level ? 0.5 : 1.5, 1) != 0;
	assert_in_range(steps, 1, 24); /* of 13 s each, without patience, there would be 550 */
}

static void patience_ends_when_a_step_back_holds(void **state)
{
	struct governor g;
	unsigned at;

	(void)state;
	governor_reset(&g, LEVELS);
	pass(&g, 2, 3, NULL);
	for (unsigned patience = 10; patience <= 40; patience *= 2) {
		assert_int_equal(pass(&g, 0.1, patience, &at), 0);
		assert_int_equal(at, patience);
		pass(&g, 2, 3, NULL);
	}
	assert_int_equal(pass(&g, 0.1, 80 + 60, NULL), 0);
	assert_int_equal(pass(&g, 2, 3, NULL), 1);
	assert_int_equal(pass(&g, 0.1, 10, &at), 0);
	assert_int_equal(at, 10);
}

static void without_steps_there_is_nothing_to_do(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, 0);
	assert_int_equal(pass(&g, 10, 100, NULL), 0);
}

static void long_periods_count_as_what_they_are(void **state)
{
	struct governor g;

	(void)state;
	governor_reset(&g, LEVELS);
	assert_int_equal(governor_decide(&g, 2, 30), 1);
	assert_int_equal(governor_decide(&g, 0, 30), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_the_budget_nothing_happens),
		cmocka_unit_test(a_short_burst_is_no_reason),
		cmocka_unit_test(over_it_goes_down_step_by_step_and_no_further),
		cmocka_unit_test(just_under_it_stays),
		cmocka_unit_test(well_under_it_comes_up_more_slowly_than_it_went_down),
		cmocka_unit_test(it_does_not_flap),
		cmocka_unit_test(patience_ends_when_a_step_back_holds),
		cmocka_unit_test(without_steps_there_is_nothing_to_do),
		cmocka_unit_test(long_periods_count_as_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
