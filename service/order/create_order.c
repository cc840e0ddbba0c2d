/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

int create_order(struct order *order, struct service *service, struct reason *why)
{
	int err;

	if ((err = validate_user(order, service, why)) || (err = validate_products(order, service, why)) ||
	    (err = reserve_inventory(order, service, why)) || (err = calculate_total_amount(order, why)) ||
	    (err = create_order_record(order, service, why)))
		return err;

	/* The order stands once it is stored: its client must not send it again because nobody was told. */
	err = publish_order_created_event(order, service);
	if (err)
		fprintf(stderr, "%s: order %s: order.created not published: %s\n", SERVICE_NAME,
			order->order_id, strerror(-err));
	return 0;
}
