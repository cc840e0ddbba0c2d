# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of processes: their CPU, their memory, the BPF maps and programs that they hold."""

import contextlib
import os
import re
import time

STATS = "/proc/sys/kernel/bpf_stats_enabled"


def cpu_ns(pids):
    """User and system time of these processes, their ended threads included, children not."""
    # The clock of another process's CPU time: ~pid << 3 | CPUCLOCK_SCHED (Linux, include/linux/posix-timers.h).
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids)


def memory_kb(pids):
    """(resident now, resident at most) of these processes."""
    now = peak = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        now += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        peak += int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    return now, peak


def bpf(pid):
    """Sums over a process's BPF maps and programs: memory of the maps (bytes_memlock; storage that hangs on sockets and
    threads is not in it), runs of the programs and their time while statistics are on."""
    maps, programs = {}, {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{fd}") as f:
            fields = dict(re.findall(r"^(\w+):\s*(\d+)$", f.read(), re.M))
            if "map_id" in fields and "memlock" in fields:
                maps[fields["map_id"]] = int(fields["memlock"])
            elif "run_time_ns" in fields:
                programs[fields["prog_id"]] = (int(fields["run_time_ns"]), int(fields["run_cnt"]))
    return {
        "map_bytes": sum(maps.values()),
        "run_ns": sum(ns for ns, _ in programs.values()),
        "runs": sum(runs for _, runs in programs.values()),
    }


@contextlib.contextmanager
def bpf_stats():
    """The kernel takes the time of each BPF program meanwhile, which itself takes time."""
    with open(STATS) as f:
        before = f.read()
    try:
        with open(STATS, "w") as f:
            f.write("1")
        yield
    finally:
        with open(STATS, "w") as f:
            f.write(before)
