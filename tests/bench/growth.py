# SPDX-License-Identifier: Apache-2.0
"""How what tracing costs grows: with connections, processes, the rate, the size of bodies. The cost is the agent's CPU and
the time in our BPF programs, which are never negative and hardly noisy; the target's CPU is shown beside it."""

import math
import os
import statistics

import figure
import process
from load import Load
from rounds import WARM_S, record
from targets import SIZES, Echo, Nginx, Target, file
from tracer import Tracer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
SOME = 20000  # requests for each second of --seconds
REACHED = 0.95  # of a rate: the last answers come after its end


def nginx(folder, path, connections):
    server = Nginx(folder)
    return Target(Load(server.port, path, connections), [server], {"http server": 1})


def connections(folder, n, seconds):
    """So many at a time, each closed after ten requests."""
    return nginx(folder, "/1k", n), {"total": max(10 * n, int(SOME * seconds)), "each": 10}


def processes(folder, n, seconds):
    """So many servers, each with a connection of its own."""
    server = Echo(folder, n, 1, file(folder, "answer", ANSWER))
    return Target(Load(server.port, "/1k", n), [server], {"http server": 1}), {"total": max(10 * n, int(SOME * seconds))}


def rate(folder, n, seconds):
    return nginx(folder, "/1k", 32), {"rate": n, "seconds": seconds}


def body(folder, n, seconds):
    name = next(name for name, size in SIZES.items() if size == n)
    return nginx(folder, f"/{name}", 8), {"seconds": seconds}


class Dimension:
    """power: of n in the total cost, when the cost of an operation does not grow with n."""

    def __init__(self, start, points, unit, power, what):
        self.start, self.points, self.unit, self.power, self.what = start, points, unit, power, what


DIMENSIONS = {
    "connections": Dimension(connections, (10, 100, 1000, 10000), "connections", 1, "connections at a time, ten requests on each"),
    "processes": Dimension(processes, (1, 10, 100, 1000), "processes", 1, "processes, a connection to each"),
    "rate": Dimension(rate, (1000, 3000, 10000, 30000, 50000), "requests/s", 1, "requests a second"),
    "body": Dimension(body, tuple(SIZES.values()), "bytes", 0, "bytes of each response, by sendfile"),
}


def exponent(points):
    """Of y in x, by least squares on logarithms."""
    if len(points) < 2 or any(y <= 0 for _, y in points):
        return None
    logs = [(math.log(x), math.log(y)) for x, y in points]
    return statistics.linear_regression(*zip(*logs)).slope


def observe(folder, dimension, n, seconds, traced):
    """One point: costs of an operation in ns."""
    folder = f"{folder}/{n}-{'traced' if traced else 'untraced'}"
    os.mkdir(folder)
    target, load = dimension.start(folder, n, seconds)
    tracer = None
    try:
        tracer = Tracer(folder, target.pids[:1]) if traced else None
        record(target, tracer, seconds=WARM_S)
        before = process.bpf(tracer.pid) if tracer else {}
        if not tracer:
            result = record(target, None, **load)
        else:
            with process.bpf_stats():
                result = record(target, tracer, **load)
            result["run_ns"] = process.bpf(tracer.pid)["run_ns"] - before["run_ns"]
            result["attach_s"] = tracer.attach_s
            result["rss_kb"] = process.memory_kb(tracer.pids)[0]
        result.pop("histogram_ns")
        return result
    finally:
        if tracer:
            tracer.stop()
        target.stop()


def of_request(rounds, *keys):
    return [sum(r[key] for key in keys) / r["requests"] / 1e3 for r in rounds]


def point_figure(dimension, n, untraced, traced):
    cost = statistics.median(of_request(traced, "agent_ns", "run_ns"))
    copied = statistics.median(r["counted"].get("event_bytes", 0) / r["requests"] for r in traced)
    note = f"agent and BPF {cost:.2f} us; {copied:,.0f} B of events; RSS {max(r['rss_kb'] for r in traced) / 1024:.0f} MB"
    one = figure.figure(
        f"target CPU, {n:,} {dimension.unit}", "us", of_request(traced, "target_ns"), of_request(untraced, "target_ns"), note=note
    )
    one["x"], one["cost_us"] = n, cost
    return one


def loss_figures(traced):
    """At the highest rate; not judged when it was not reached."""
    reached = statistics.median(r["requests"] / r["seconds"] for r in traced)
    note = f"{reached:,.0f}/s reached"
    if reached < REACHED * DIMENSIONS["rate"].points[-1]:
        return [figure.figure(measure, "", note=f"only {note}") for measure in ("dropped", "not counted")]
    return [
        figure.figure("dropped", "", [sum(r["dropped"] for r in traced)], note=note),
        figure.figure("not counted", "", [sum(max(0, n) for r in traced for n in r["missing"].values())], note=note),
    ]


def measure(name, folder, args, say):
    dimension = DIMENSIONS[name]
    rounds = {n: {"untraced": [], "traced": []} for n in dimension.points}
    count = max(1, args.rounds // 2)
    for i in range(count):
        os.mkdir(f"{folder}/{i}")
        os.chmod(f"{folder}/{i}", 0o755)
        for n in dimension.points:
            for mode in ("untraced", "traced") if i % 2 else ("traced", "untraced"):
                result = observe(f"{folder}/{i}", dimension, n, args.seconds, mode == "traced")
                rounds[n][mode].append(result)
            say(
                f"round {i + 1} of {count}, {n:,} {dimension.unit}: "
                f"agent and BPF {of_request(rounds[n]['traced'][-1:], 'agent_ns', 'run_ns')[0]:.2f} us"
            )
    points = [point_figure(dimension, n, r["untraced"], r["traced"]) for n, r in rounds.items()]
    slope = exponent([(p["x"], p["cost_us"] * p["x"] ** dimension.power) for p in points])
    of = "all requests, as many on each" if name in ("connections", "processes") else "a second" if name == "rate" else "a request"
    total = figure.figure("exponent", "", [slope] if slope is not None else None, note=f"of agent and BPF, for {of}")
    ends = figure.figure("largest against smallest", "", [points[-1]["cost_us"] / points[0]["cost_us"]], note="agent and BPF, of one request")
    losses = loss_figures(rounds[dimension.points[-1]]["traced"]) if name == "rate" else []
    return {"figures": points + [total, ends] + losses, "rounds": rounds, "unit": dimension.unit}
