/* SPDX-License-Identifier: Apache-2.0 */
#include "loaded.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"

void loaded_runs(const struct bpf_object *object, uint64_t *ret_misses, uint64_t *ret_run_ns)
{
	struct bpf_program *prog;

	*ret_misses = *ret_run_ns = 0;
	bpf_object__for_each_program(prog, object)
	{
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		if (!probe_stands_in(prog))
			*ret_misses += info.recursion_misses;
		*ret_run_ns += info.run_time_ns;
	}
}

void loaded_sums(const struct bpf_map *counters, uint64_t *ret_sums, uint32_t len)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t per_cpu[len * (size_t)(cpus > 0 ? cpus : 1)];
	uint32_t keys[len], next, read = len;

	memset(ret_sums, 0, len * sizeof(*ret_sums));
	if (cpus <= 0 || bpf_map_lookup_batch(bpf_map__fd(counters), NULL, &next, keys, per_cpu, &read, NULL))
		return;
	for (uint32_t i = 0; i < read; i++)
		for (int cpu = 0; cpu < cpus; cpu++)
			ret_sums[keys[i]] += per_cpu[i * (uint32_t)cpus + (uint32_t)cpu];
}

uint64_t loaded_sum(const struct bpf_map *counters)
{
	uint64_t sum;

	loaded_sums(counters, &sum, 1);
	return sum;
}

uint64_t loaded_map_bytes(const struct bpf_map *map)
{
	unsigned long long bytes = 0;
	char path[48], line[128];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (info)
		fclose(info);
	return bytes;
}
