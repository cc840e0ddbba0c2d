/* SPDX-License-Identifier: Apache-2.0 */
#include "prepared.h"

#include "check.h"

#define MAX 4

static int setup(void **state)
{
	(void)state;
	return prepared_init(MAX);
}

static int teardown(void **state)
{
	(void)state;
	prepared_fini();
	return 0;
}

static void by_connection_and_key(void **state)
{
	const struct statement *a = prepared_put(1, 7), *b = prepared_put(2, 7);

	(void)state;
	assert_ptr_equal(prepared_get(1, 7), a);
	assert_ptr_equal(prepared_get(2, 7), b);
	assert_null(prepared_get(3, 7));
	assert_null(prepared_get(1, 8));
	prepared_rename(1, 7, 8);
	assert_ptr_equal(prepared_get(1, 8), a);
	assert_null(prepared_get(1, 7));
}

static void used_longest_ago_makes_room(void **state)
{
	(void)state;
	for (uint64_t key = 1; key <= MAX; key++)
		prepared_put(1, key);
	assert_non_null(prepared_get(1, 1));
	prepared_put(2, 1);
	assert_null(prepared_get(1, 2));
	assert_non_null(prepared_get(1, 1));
}

/* Those of connections that are closed take no room from others. */
static void closed(void **state)
{
	(void)state;
	prepared_put(1, 1);
	for (uint64_t sock = 2; sock < 100; sock++) {
		for (uint64_t key = 1; key < MAX; key++)
			prepared_put(sock, key);
		prepared_rename(sock, 2, 9);
		prepared_put(sock, 3); /* again */
		prepared_end(sock);
		for (uint64_t key = 1; key < 10; key++)
			assert_null(prepared_get(sock, key));
		assert_non_null(prepared_get(1, 1));
	}
	prepared_end(1);
	prepared_end(1);
	assert_null(prepared_get(1, 1));
}

/* Whichever of a connection is forgotten first, the others still are at its end. */
static void forgotten_in_any_order(void **state)
{
	(void)state;
	for (uint64_t first = 1; first <= MAX; first++) {
		for (uint64_t key = 1; key <= MAX; key++)
			prepared_put(1, key);
		for (uint64_t key = 1; key <= MAX; key++)
			if (key != first)
				prepared_get(1, key);
		prepared_put(2, 1);
		assert_null(prepared_get(1, first));
		prepared_end(1);
		for (uint64_t key = 1; key <= MAX; key++)
			assert_null(prepared_get(1, key));
		prepared_end(2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_connection_and_key, setup, teardown),
		cmocka_unit_test_setup_teardown(used_longest_ago_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(closed, setup, teardown),
		cmocka_unit_test_setup_teardown(forgotten_in_any_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
