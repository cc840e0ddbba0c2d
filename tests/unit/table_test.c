/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>

#include "base/table.h"

struct item {
	uint64_t key;
	int number;
	int in; /* the table */
};

static int has_number(const void *value, const void *arg)
{
	return ((const struct item *)value)->number == *(const int *)arg;
}

static void put_get_remove(void **state)
{
	struct item a = { 1, 1, 0 }, b = { 1, 2, 0 }, c = { 0, 3, 0 };
	struct table table;
	int number = 2;

	(void)state;
	assert_int_equal(table_init(&table, 3), 0);
	assert_null(table_get(&table, 1));
	assert_int_equal(table_put(&table, a.key, &a), 0);
	assert_int_equal(table_put(&table, b.key, &b), 0);
	assert_int_equal(table_put(&table, c.key, &c), 0);
	assert_int_equal(table_put(&table, 9, &a), -ENOSPC);
	assert_null(table_get(&table, 9));
	assert_ptr_equal(table_get(&table, 0), &c);
	assert_ptr_equal(table_find(&table, 1, has_number, &number), &b);
	number = 7;
	assert_null(table_find(&table, 1, has_number, &number));

	table_remove(&table, 1, &c); /* that pair is not there */
	assert_int_equal(table.used, 3);
	table_remove(&table, 1, &a);
	assert_ptr_equal(table_get(&table, 1), &b);
	table_remove(&table, 1, &b);
	assert_null(table_get(&table, 1));
	assert_int_equal(table.used, 1);
	table_free(&table);
	table_free(&table);
}

/* Against a list, with keys of which many are equal and many share a home, as full as it gets. */
static void random_operations(void **state)
{
	enum { ITEMS = 256, LIMIT = 200 };
	static struct item items[ITEMS];
	struct table table;
	uint64_t seed = 1;
	uint32_t used = 0;

	(void)state;
	assert_int_equal(table_init(&table, LIMIT), 0);
	for (int i = 0; i < ITEMS; i++)
		items[i] = (struct item){ .key = draw_below(&seed, 2) ? draw_below(&seed, 20) : draw(&seed),
					  .number = i };
	for (int step = 0; step < 100000; step++) {
		struct item *item = &items[draw_below(&seed, ITEMS)];

		if (item->in) {
			table_remove(&table, item->key, item);
			item->in = 0;
			used--;
		} else if (used < LIMIT) {
			assert_int_equal(table_put(&table, item->key, item), 0);
			item->in = 1;
			used++;
		} else {
			assert_int_equal(table_put(&table, item->key, item), -ENOSPC);
		}
		assert_int_equal(table.used, used);
		for (int i = 0; i < ITEMS && step % 64 == 0; i++)
			assert_ptr_equal(table_find(&table, items[i].key, has_number, &items[i].number),
					 items[i].in ? &items[i] : NULL);
	}
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_get_remove),
		cmocka_unit_test(random_operations),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
