/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"
#include "service.h"
#include "store.h"

#include <stdio.h>

int create_order_record(struct order *order, struct service *service, struct reason *why)
{
	int err = stamp_uuid(order->order_id);

	if (err)
		return fail(why, err, "Cannot make an order id");
	stamp_time(0, order->created_at);
	snprintf(order->status, sizeof(order->status), "created");
	err = store_insert(service->store, order);
	if (err)
		return fail(why, err, "Cannot store the order");
	return 0;
}
