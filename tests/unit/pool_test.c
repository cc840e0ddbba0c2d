/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/pool.h"

static void get_and_put(void **state)
{
	struct pool pool;
	uint64_t *objects[5];

	(void)state;
	assert_int_equal(pool_init(&pool, 100, 5), 0);
	for (size_t i = 0; i < COUNT(objects); i++) {
		objects[i] = pool_get(&pool);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % 64, 0);
		for (size_t at = 0; at < 100; at++)
			assert_int_equal(((char *)objects[i])[at], 0);
		memset(objects[i], 'a' + (int)i, 100);
	}
	assert_null(pool_get(&pool));
	assert_int_equal(pool.used, 5);
	for (size_t i = 0; i < COUNT(objects); i++)
		assert_int_equal(((char *)objects[i])[99], 'a' + (int)i);
	pool_put(&pool, objects[1]);
	pool_put(&pool, objects[3]);
	assert_int_equal(pool.used, 3);
	/* The last one returned comes first, zeroed. */
	assert_ptr_equal(pool_get(&pool), objects[3]);
	assert_ptr_equal(pool_get(&pool), objects[1]);
	for (size_t at = 0; at < 100; at++)
		assert_int_equal(((char *)objects[1])[at], 0);
	assert_null(pool_get(&pool));
	pool_free(&pool);
	assert_int_equal(pool.capacity, 0);
	pool_free(&pool);
}

/* Memory that was never handed out is not resident, and few objects in turn stay few. */
static void touched(void **state)
{
	enum { CAPACITY = 4096, SIZE = 4096 };
	static unsigned char resident[CAPACITY];
	struct pool pool;
	size_t pages = 0;

	(void)state;
	assert_int_equal(pool_init(&pool, SIZE, CAPACITY), 0);
	for (int i = 0; i < 10000; i++) {
		void *one = pool_get(&pool), *two = pool_get(&pool);

		pool_put(&pool, one);
		pool_put(&pool, two);
	}
	assert_int_equal(pool.touched, 2);
	assert_int_equal(mincore(pool.memory, (size_t)SIZE * CAPACITY, resident), 0);
	for (size_t i = 0; i < CAPACITY; i++)
		pages += resident[i] & 1;
	assert_true(pages <= 2);
	pool_free(&pool);
}

static void too_large(void **state)
{
	struct pool pool;

	(void)state;
	assert_int_not_equal(pool_init(&pool, (size_t)1 << 40, UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_and_put),
		cmocka_unit_test(touched),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
