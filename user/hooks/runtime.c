/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"

static const struct runtime_probes *const probes[RUNTIMES_LEN] = {
#define RUNTIME(name, option, map, map_len, help) &name##_probes,
#include "../../bpf/runtimes.def"
#undef RUNTIME
};

static bool opened[RUNTIMES_LEN];

void runtimes_open(const bool wanted[RUNTIMES_LEN],
		   void (*kernel_of)(enum runtime runtime, struct runtime_kernel *ret_kernel))
{
	struct runtime_kernel kernel;

	for (unsigned i = 0; i < RUNTIMES_LEN; i++) {
		if (!wanted[i])
			continue;
		kernel_of((enum runtime)i, &kernel);
		probes[i]->open(&kernel);
		opened[i] = true;
	}
}

void runtimes_close(void)
{
	for (unsigned i = 0; i < RUNTIMES_LEN; i++) {
		if (opened[i])
			probes[i]->close();
		opened[i] = false;
	}
}

void runtimes_see(const struct mapping *m)
{
	for (unsigned i = 0; i < RUNTIMES_LEN; i++)
		if (opened[i])
			probes[i]->see(m);
}

void runtimes_seen(uint32_t pid)
{
	for (unsigned i = 0; i < RUNTIMES_LEN; i++)
		if (opened[i] && probes[i]->seen)
			probes[i]->seen(pid);
}
