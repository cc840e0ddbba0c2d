# SPDX-License-Identifier: Apache-2.0
"""What programs that nobody traces pay on a host where another one is traced."""

import os
import subprocess

import figure
from harness import BUILD
from load import Load
from rounds import WARM_S, record
from targets import Nginx, Target
from tracer import Tracer

IDLE = os.path.join(BUILD, "bench/idle")
LOOPS = {"failing read": ("calls", 2000000), "round trip through pipes": ("wakes", 100000)}


def once(target, seconds):
    """Processor time of each in ns."""
    record(target, None, seconds=WARM_S)
    result = record(target, None, seconds=seconds)
    used = {"nginx: CPU a request": result["target_ns"] / result["requests"], "nginx: throughput": result["per_s"]}
    for name, (loop, count) in LOOPS.items():
        used[name] = float(subprocess.run([IDLE, loop, str(count)], capture_output=True, text=True, check=True).stdout)
    return used


def measure(folder, args, say, options=()):
    traced, server = Nginx(folder, "traced"), Nginx(folder, "other")
    target = Target(Load(server.port, "/1k"), [server], {})
    rounds = {"untraced": [], "again": [], "traced": []}
    try:
        for n in range(args.rounds):
            modes = list(rounds)
            for mode in modes[n % 3:] + modes[:n % 3]:
                tracer = Tracer(folder, [traced.pid], *options) if mode == "traced" else None
                try:
                    rounds[mode].append(once(target, args.seconds))
                finally:
                    if tracer:
                        tracer.stop()
            say(f"round {n + 1} of {args.rounds}: " + ", ".join(f"{k} {v:,.0f}" for k, v in rounds["traced"][-1].items()))
    finally:
        target.stop()
        traced.stop()
    figures = []
    for name in (*LOOPS, "nginx: CPU a request", "nginx: throughput"):
        unit = "/s" if "throughput" in name else "ns"
        figures.append(figure.figure(name, unit, *([r[name] for r in rounds[mode]] for mode in ("traced", "untraced", "again"))))
    return {"figures": figures, "rounds": rounds}
