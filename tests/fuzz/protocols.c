/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes every parser: the input is a *.case file (tests/protocols/README.md), so that cases are seeds and a
 * finding is nearly a case. Checks the contract of parser.h, and that neither messages nor what is told by
 * the first bytes depend on how bytes arrive.
 */
#include "fuzz.h"

#define driver_fail(text)                                                                                    \
	do {                                                                                                 \
		fprintf(stderr, "does not hold: %s\n", text);                                                \
		abort();                                                                                     \
	} while (0)
#include "../protocols/driver.h"

/* Longer ones are too slow byte by byte. */
#define BYTES_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script script;
	static struct driver driver;
	static struct text whole, split;
	const struct parser *parser = NULL;
	bool lost;

	script_read(&script, (struct slice){ (const char *)data, size });
	if (script.ops_len == 0)
		return 0;

	if (script.ops[0].kind == OP_BYTES)
		driver_check_guesses(&driver, script.ops[0].p, script.ops[0].len);
	driver_run(&driver, NULL, &script, (struct arrival){ 0 });
	if (!driver.parser) {
		parser = parsers[data[size - 1] % parsers_len];
		driver_run(&driver, parser, &script, (struct arrival){ 0 });
	}
	driver_report(&driver, &whole);
	lost = driver.lost;

	/* Once something was lost, what is found again depends on the events. */
	if (script.bytes_len <= BYTES_MAX)
		driver_run(&driver, parser, &script, (struct arrival){ .bytes = true });
	else
		driver_run(&driver, parser, &script, (struct arrival){ .at = 1 + data[size - 1] });
	driver_report(&driver, &split);
	if (!lost && (whole.len != split.len || memcmp(whole.p, split.p, whole.len) != 0)) {
		fprintf(stderr, "whole:\n%.*sin pieces:\n%.*s", (int)whole.len, whole.p, (int)split.len,
			split.p);
		driver_fail("messages do not depend on how their bytes arrive");
	}
	return 0;
}
