/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <sched.h>

#include "base/queue.h"

static void order(void **state)
{
	struct queue q;
	void *value;

	(void)state;
	assert_int_equal(queue_init(&q, 4), 0);
	assert_false(queue_take(&q, &value));
	for (uintptr_t round = 0; round < 1000; round++) {
		for (uintptr_t i = 0; i < 4; i++)
			assert_true(queue_put(&q, (void *)(round + i)));
		assert_false(queue_put(&q, (void *)99));
		for (uintptr_t i = 0; i < 4; i++) {
			assert_true(queue_take(&q, &value));
			assert_int_equal((uintptr_t)value, round + i);
		}
		assert_false(queue_take(&q, &value));
	}
	queue_free(&q);
}

/* Several threads at both ends: every value comes out once, those of one producer in their order. */
enum { PRODUCERS = 3, CONSUMERS = 3, VALUES = 60000 };

struct shared {
	struct queue q;
	_Atomic unsigned taken;
	_Atomic unsigned disordered;
	_Atomic unsigned char seen[PRODUCERS][VALUES];
};

struct producer {
	struct shared *shared;
	uintptr_t number;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (uintptr_t i = 0; i < VALUES; i++)
		while (!queue_put(&p->shared->q, (void *)(p->number * VALUES + i)))
			sched_yield();
	return NULL;
}

static void *consume(void *arg)
{
	struct shared *s = arg;
	uintptr_t last[PRODUCERS] = { 0 };
	void *value;

	while (s->taken < PRODUCERS * VALUES) {
		uintptr_t producer, i;

		if (!queue_take(&s->q, &value)) {
			sched_yield();
			continue;
		}
		s->taken++;
		producer = (uintptr_t)value / VALUES;
		i = (uintptr_t)value % VALUES;
		s->disordered += i + 1 <= last[producer];
		last[producer] = i + 1;
		s->seen[producer][i]++;
	}
	return NULL;
}

static void threads(void **state)
{
	static struct shared shared;
	struct producer producers[PRODUCERS];
	pthread_t put[PRODUCERS], take[CONSUMERS];

	(void)state;
	assert_int_equal(queue_init(&shared.q, 16), 0);
	for (uintptr_t i = 0; i < CONSUMERS; i++)
		assert_int_equal(pthread_create(&take[i], NULL, consume, &shared), 0);
	for (uintptr_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ &shared, i };
		assert_int_equal(pthread_create(&put[i], NULL, produce, &producers[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(put[i], NULL);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(take[i], NULL);
	assert_int_equal(shared.disordered, 0);
	for (int p = 0; p < PRODUCERS; p++)
		for (int i = 0; i < VALUES; i++)
			assert_int_equal(shared.seen[p][i], 1);
	queue_free(&shared.q);
}

/* A producer that takes the oldest out when the queue is full never waits, and loses the oldest only. */
static void drop_oldest(void **state)
{
	struct queue q;
	uintptr_t dropped = 0;
	void *value;

	(void)state;
	assert_int_equal(queue_init(&q, 8), 0);
	for (uintptr_t i = 0; i < 100; i++)
		while (!queue_put(&q, (void *)i))
			if (queue_take(&q, &value))
				assert_int_equal((uintptr_t)value, dropped++);
	assert_int_equal(dropped, 92);
	for (uintptr_t i = 92; i < 100; i++) {
		assert_true(queue_take(&q, &value));
		assert_int_equal((uintptr_t)value, i);
	}
	queue_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(threads),
		cmocka_unit_test(drop_oldest),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
