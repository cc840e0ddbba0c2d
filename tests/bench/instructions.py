# SPDX-License-Identifier: Apache-2.0
"""What `make bench-guest` found last, where time follows the instruction count."""

import json
import os
import time

import figure
from harness import BUILD


def measure(folder, args, say):
    path = os.path.join(BUILD, "bench/guest.json")
    if not os.path.exists(path):
        return {"figures": [figure.figure("guest", "", note="not measured: `make bench-guest` does it")]}
    with open(path) as f:
        r = json.load(f)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.path.getmtime(path)))
    note = f"Debian's {r['kernel']}, {when}"
    return {
        "figures": [
            figure.figure("nginx: CPU at 1,000/s", "us", [r["nginx_ns_traced"] / 1e3], [r["nginx_ns"] / 1e3], note=note),
            figure.figure("agent: CPU at 1,000/s, of untraced nginx", "", [r["agent_cpu_ratio"]]),
            figure.figure("throughput, closed loop on one CPU", "/s", [r["requests_per_s_traced"]], [r["requests_per_s"]]),
            figure.figure("not counted", "", [r["uncounted"]]),
        ],
        "guest": r,
    }
