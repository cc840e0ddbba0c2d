# SPDX-License-Identifier: Apache-2.0
"""Memory of the agent and of its BPF maps with many connections open."""

import os

import figure
import process
from load import Load
from rounds import record
from targets import Nginx, Target
from tracer import Tracer

# Connections, requests a second on them.
POINTS = ((10, 10000), (1000, 10000), (10000, 10000))


def point(folder, connections, rate, seconds):
    nginx = Nginx(folder)
    target = Target(Load(nginx.port, "/1k", connections), [nginx], {"http server": 1})
    tracer = None
    try:
        tracer = Tracer(folder, [nginx.pid])
        # Every connection has a request at least, and the rate lasts for some seconds.
        result = record(target, tracer, rate=rate, seconds=max(3 * seconds, connections / rate))
        result.pop("histogram_ns")
        now, peak = process.memory_kb(tracer.pids)
        return {**result, "rss_kb": now, "peak_kb": peak, "attach_s": tracer.attach_s, **process.bpf(tracer.pid)}
    finally:
        if tracer:
            tracer.stop()
        target.stop()


def measure(folder, args, say):
    figures, points = [], []
    for connections, rate in POINTS:
        os.mkdir(f"{folder}/{connections}")
        os.chmod(f"{folder}/{connections}", 0o755)
        r = point(f"{folder}/{connections}", connections, rate, args.seconds)
        points.append({"connections": connections, **r})
        where = f"at {connections:,} connections, {rate:,}/s"
        say(f"{where}: {r['rss_kb'] / 1024:.1f} MB")
        figures += [
            figure.figure(f"RSS {where}", "MB", [r["rss_kb"] / 1024], note=f"peak {r['peak_kb'] / 1024:.1f}"),
            figure.figure(f"BPF maps {where}", "MB", [r["map_bytes"] / (1 << 20)]),
        ]
    figures.append(figure.figure("start to attached", "s", [p["attach_s"] for p in points]))
    return {"figures": figures, "points": points}
