# SPDX-License-Identifier: Apache-2.0
"""What the figures were measured on."""

import datetime
import os
import platform
import re
import subprocess
import sys


def first(path, pattern):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
            return found[1] if found else "unknown"
    except OSError:
        return "unknown"


def output(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


def facts(binary):
    """Also how busy it was before: 1.0 is one process that always ran."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join([os.path.relpath(sys.argv[0]), *sys.argv[1:]]),
        "version": output(binary, "--version"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "distribution": first("/etc/os-release", r'^PRETTY_NAME="(.*)"'),
        "cpu": first("/proc/cpuinfo", r"^model name\s*: (.*)"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": int(first("/proc/meminfo", r"^MemTotal:\s+(\d+)")) // 1024,
        "load_before": os.getloadavg()[0],
    }
