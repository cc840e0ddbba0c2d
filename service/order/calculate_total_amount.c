/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include <errno.h>

int calculate_total_amount(struct order *order, struct reason *why)
{
	double total = 0;

	for (int i = 0; i < order->items_count; i++)
		total += order->items[i].price * (double)order->items[i].quantity;
	if (!(total <= ORDER_TOTAL_MAX))
		return fail(why, -ERANGE, "Order total is above %d %s", ORDER_TOTAL_MAX, order->currency);
	order->total_amount = (double)(int64_t)(total * 100 + 0.5) / 100;
	return 0;
}
