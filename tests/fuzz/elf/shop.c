/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled into seeds: functions whose arguments and results are of every type that can be read. */
enum state { NEW, PAID = 7 };
union amount {
	long cents;
	double units;
};
struct item {
	struct item *next;
	char name[16];
	enum state state : 3;
	union amount amount;
};
typedef const struct item *item_ref;

__attribute__((noinline)) int count_items(item_ref first, unsigned char wanted, const char *name)
{
	int n = 0;

	for (; first; first = first->next)
		n += first->state == wanted && first->name[0] == name[0];
	return n;
}

__attribute__((noinline)) struct item *find_item(struct item *items, float limit, _Bool last, short at[4])
{
	return last ? &items[at[3]] : items[at[0]].amount.units < (double)limit ? items : items->next;
}
