/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "../../bpf/sample.h"

#define CONNECTIONS 100000

/* The fields of struct tcp_sock that tell how far an end has come. */
struct end {
	uint32_t rcv_nxt, bytes_received, snd_una, bytes_acked;
};

static uint32_t noise(uint32_t i)
{
	uint32_t x = i * 0x9e3779b9U;

	x = (x ^ x >> 15) * 0x85ebca6bU;
	return x ^ x >> 13;
}

/* An end whose first sequence number is own and whose peer's is peer, n bytes later each way. */
static struct end end_after(uint32_t own, uint32_t peer, bool connected, uint32_t sent, uint32_t received)
{
	return (struct end){ .rcv_nxt = peer + 1 + received,
			     .bytes_received = received,
			     .snd_una = own + 1 + sent,
			     .bytes_acked = sent + connected };
}

static uint32_t key(bool accepted, const struct end *e)
{
	return sample_key(accepted, e->rcv_nxt, e->bytes_received, e->snd_una, e->bytes_acked);
}

static void both_ends_have_the_same_key_at_any_time(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		uint32_t client_isn = noise(i), server_isn = noise(i + CONNECTIONS), n = noise(i) >> (i % 32);
		struct end client = end_after(client_isn, server_isn, true, n / 2, n / 3);
		struct end server = end_after(server_isn, client_isn, false, n / 5, n / 7);

		assert_int_equal(key(false, &client), key(true, &server));
		assert_int_equal(key(false, &client), client_isn + 1);
	}
}

static uint32_t sampled(uint32_t one_of, uint32_t (*number)(uint32_t i))
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CONNECTIONS; i++)
		n += is_sampled(number(i), one_of) != 0;
	return n;
}

/* As the time alone makes them, for connections of one pair of addresses: 64 ns a step, some microseconds
 * apart. */
static uint32_t by_time(uint32_t i)
{
	return i * 469;
}

static void one_of_so_many_is_sampled(void **state)
{
	static const uint32_t some[] = { 2, 3, 10, 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		uint32_t right = CONNECTIONS / some[i];

		assert_in_range(sampled(some[i], noise), right - right / 10, right + right / 10);
		assert_in_range(sampled(some[i], by_time), right - right / 10, right + right / 10);
	}
}

static void all_are_when_none_is_to_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(sampled(1, noise), CONNECTIONS);
	assert_int_equal(sampled(0, noise), CONNECTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_have_the_same_key_at_any_time),
		cmocka_unit_test(one_of_so_many_is_sampled),
		cmocka_unit_test(all_are_when_none_is_to_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
