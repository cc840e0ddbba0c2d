/* SPDX-License-Identifier: Apache-2.0 */
/* The business functions: each call is an internal span. */
#include "../order/order.h"
#include "trace.h"

#include <string.h>

struct step {
	struct trace_span span;
	bool traced;
};

static void begin(struct step *step, const char *name, const struct order *order)
{
	step->traced = trace_on() && trace_current();
	if (!step->traced)
		return;
	trace_begin(&step->span, TRACE_INTERNAL, name);
	trace_text(&step->span, "code.function.name", name);
	trace_thread(&step->span);
	trace_integer(&step->span, "user.id", order->user_id);
	trace_integer(&step->span, "order.items_count", order->items_count);
	trace_restart(&step->span);
}

static void text_if_any(struct trace_span *span, const char *key, const char *value)
{
	trace_text(span, key, *value ? value : NULL);
}

static int end(struct step *step, const struct order *order, int err)
{
	struct trace_span *span = &step->span;

	if (!step->traced)
		return err;
	trace_stop(span);
	text_if_any(span, "order.id", order->order_id);
	text_if_any(span, "reservation.id", order->reservation_id);
	if (order->total_amount > 0)
		trace_real(span, "order.total_amount", order->total_amount);
	trace_text(span, "result", err ? "error" : "success");
	if (err)
		trace_text(span, "error.type", strerrorname_np(-err));
	span->failed = err != 0;
	trace_end(span);
	return err;
}

int __real_create_order(struct order *order, struct service *service, struct reason *why);
int __real_validate_user(const struct order *order, struct service *service, struct reason *why);
int __real_validate_products(struct order *order, struct service *service, struct reason *why);
int __real_reserve_inventory(struct order *order, struct service *service, struct reason *why);
int __real_calculate_total_amount(struct order *order, struct reason *why);
int __real_create_order_record(struct order *order, struct service *service, struct reason *why);
int __real_publish_order_created_event(const struct order *order, struct service *service);

/* The linker sends every call of NAME here (ld(1), --wrap). */
#define STEP(NAME, ORDER, ...)                                                                               \
	int __wrap_##NAME(__VA_ARGS__);                                                                      \
	int __wrap_##NAME(__VA_ARGS__)                                                                       \
	{                                                                                                    \
		struct step step;                                                                            \
                                                                                                             \
		begin(&step, #NAME, order);                                                                  \
		return end(&step, order, __real_##NAME ORDER);                                               \
	}

STEP(create_order, (order, service, why), struct order *order, struct service *service, struct reason *why)
STEP(validate_user, (order, service, why), const struct order *order, struct service *service,
     struct reason *why)
STEP(validate_products, (order, service, why), struct order *order, struct service *service,
     struct reason *why)
STEP(reserve_inventory, (order, service, why), struct order *order, struct service *service,
     struct reason *why)
STEP(calculate_total_amount, (order, why), struct order *order, struct reason *why)
STEP(create_order_record, (order, service, why), struct order *order, struct service *service,
     struct reason *why)
STEP(publish_order_created_event, (order, service), const struct order *order, struct service *service)
