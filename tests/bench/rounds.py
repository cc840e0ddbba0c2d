# SPDX-License-Identifier: Apache-2.0
"""One target untraced and traced, in turn, round after round: what tracing costs it, and what is seen of it."""

import figure
import process
from load import quantile_ns
from targets import socket_calls
from tracer import Tracer

WARM_S = 0.2
SHARE = 0.7  # of the untraced saturation, where latency is measured
OBSERVERS = {
    "untraced": lambda folder, target: None,
    "again": lambda folder, target: None,
    "traced": lambda folder, target: Tracer(folder, target.pids[:1]),
    "logged": lambda folder, target: Tracer(folder, target.pids[:1], log=True),
}


def record(target, observer, **load):
    """One run of the load: what the client saw, what the processes used, what was counted against the truth."""
    counted = observer.counts() if observer else {}
    before, own = process.cpu_ns(target.pids), process.cpu_ns(observer.pids) if observer else 0
    result = target.load.run(**load)
    requests = result["requests"]
    result["target_ns"] = process.cpu_ns(target.pids) - before
    if observer:
        truth = {name: n * requests for name, n in target.truth.items()}
        counted = observer.counts_since(counted, truth)
        result["agent_ns"] = process.cpu_ns(observer.pids) - own
        result["counted"] = {name: n for name, n in counted.items() if n}
        result["missing"] = {name: n - counted[name] for name, n in truth.items() if name in counted}
        result["dropped"] = sum(n for name, n in counted.items() if name.startswith("dropped "))
    return result


def saturation(target, seconds):
    """Operations a second, untraced."""
    target.load.run(WARM_S)
    return sum(target.load.run(seconds / 2)["per_s"] for _ in range(2)) / 2


def one_round(folder, target, mode, seconds, rate, observers):
    observer = observers[mode](folder, target)
    try:
        record(target, observer, seconds=WARM_S)
        result = {"closed": record(target, observer, seconds=seconds)}
        result["paced"] = record(target, observer, seconds=seconds, rate=rate)
        if observer:
            now, peak = process.memory_kb(observer.pids)
            result["memory"] = {"rss_kb": now, "peak_kb": peak, "map_bytes": process.bpf(observer.pid)["map_bytes"]}
        return result
    finally:
        if observer:
            observer.stop()


def bpf_time(folder, target, seconds):
    """Time in our BPF programs for each operation, in ns, in all processes of the host; and how often they ran."""
    tracer = OBSERVERS["traced"](folder, target)
    try:
        with process.bpf_stats():
            record(target, tracer, seconds=WARM_S)
            before = process.bpf(tracer.pid)
            requests = record(target, tracer, seconds=seconds)["requests"]
            after = process.bpf(tracer.pid)
    finally:
        tracer.stop()
    return {name: (after[name] - before[name]) / requests for name in ("run_ns", "runs")}


def run(folder, target, modes, args, say, observers=None):
    """mode → its rounds. Whoever comes first in a round comes later in the next one."""
    observers = {**OBSERVERS, **(observers or {})}
    rate = SHARE * saturation(target, args.seconds)
    rounds = {mode: [] for mode in modes}
    for n in range(args.rounds):
        for i in range(len(modes)):
            mode = modes[(n + i) % len(modes)]
            result = one_round(folder, target, mode, args.seconds, rate, observers)
            rounds[mode].append(result)
            closed, paced = result["closed"], result["paced"]
            own = f", it takes {closed['agent_ns'] / closed['requests'] / 1e3:.2f} us" if "agent_ns" in closed else ""
            say(
                f"round {n + 1} of {args.rounds}, {mode}: {closed['per_s']:,.0f}/s, "
                f"{closed['target_ns'] / closed['requests'] / 1e3:.2f} us{own}; "
                f"at {rate:,.0f}/s p99 {paced['p99_ns'] / 1e3:,.0f} us"
            )
    return rate, rounds


def values(rounds, mode, load, key, scale=1.0, per=None):
    """One number of each round; per: divided by another one, such as "requests"."""
    return [r[load][key] / scale / (r[load][per] if per else 1) for r in rounds.get(mode, []) if load in r]


def cost_figures(rounds, rate, traced="traced"):
    """What tracing costs the target: throughput, latency, CPU."""

    def compared(measure, unit, load, key, scale=1.0, per=None, **kw):
        columns = [values(rounds, mode, load, key, scale, per) for mode in (traced, "untraced", "again")]
        return figure.figure(measure, unit, *columns, **kw)

    return [
        compared("throughput", "/s", "closed", "per_s"),
        *(
            compared(f"{name} at 70 %", "us", "paced", f"{key}_ns", 1e3, note=f"at {rate:,.0f}/s" if name == "p50" else "")
            for name, key in (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"))
        ),
        compared("target, of one processor", "", "closed", "target_ns", 1e9, "seconds"),
        compared("target CPU", "us", "closed", "target_ns", 1e3, "requests"),
        compared("target CPU at 70 %", "us", "paced", "target_ns", 1e3, "requests"),
    ]


def agent_figures(rounds, bpf, mode="traced"):
    """What the agent needs, and what it saw."""
    both = [r[load] for r in rounds[mode] for load in ("closed", "paced")]
    closed = [r["closed"] for r in rounds[mode]]
    missing = [n for r in both for n in r["missing"].values()]
    seen = [r["counted"].get(name, 0) for r in both for name in r["missing"]]
    lost = {}
    for r in both:
        for name, n in r["counted"].items():
            if name.startswith("dropped "):
                lost[name[8:]] = lost.get(name[8:], 0) + n
    return [
        figure.figure("agent CPU", "us", values(rounds, mode, "closed", "agent_ns", 1e3, "requests")),
        figure.figure("agent CPU at 70 %", "us", values(rounds, mode, "paced", "agent_ns", 1e3, "requests")),
        figure.figure("BPF run time", "us", [bpf["run_ns"] / 1e3], note=f"{bpf['runs']:.1f} runs, all processes; being timed adds to it"),
        figure.figure("agent RSS", "MB", values(rounds, mode, "memory", "rss_kb", 1024)),
        figure.figure("agent peak", "MB", values(rounds, mode, "memory", "peak_kb", 1024)),
        figure.figure("BPF maps", "MB", values(rounds, mode, "memory", "map_bytes", 1 << 20)),
        figure.figure("events", "", [r["counted"].get("events", 0) / r["requests"] for r in closed]),
        figure.figure("bytes of events", "B", [r["counted"].get("event_bytes", 0) / r["requests"] for r in closed]),
        figure.figure("dropped", "", [sum(r["dropped"] for r in both)], note=", ".join(f"{k} {n:,.0f}" for k, n in lost.items())),
        figure.figure("not counted", "", [sum(n for n in missing if n > 0)], note=f"of {sum(seen) + sum(missing):,.0f}"),
        figure.figure("counted too often", "", [-sum(n for n in missing if n < 0)]),
    ]


def calls_figure(rounds, calls):
    if not calls:
        return figure.figure("target CPU added a socket call", "us", note="strace is not installed")
    columns = [values(rounds, mode, "closed", "target_ns", 1e3, "requests") for mode in ("traced", "untraced", "again")]
    one = figure.figure("target CPU added a socket call", "us", *columns, per=calls, note=f"{calls:.2f} calls")
    one.pop("traced")
    one.pop("untraced")
    return one


def merge_histograms(rounds):
    """mode → quantiles of all its rounds together; the histograms leave the rounds."""
    merged = {}
    for mode, results in rounds.items():
        all_ = [r["paced"].pop("histogram_ns") for r in results]
        merged[mode] = {f"p{100 * q:g}_ns": quantile_ns(all_, q) for q in (0.5, 0.9, 0.99, 0.999, 0.9999)}
        for r in results:
            r["closed"].pop("histogram_ns")
    return merged


def measure(folder, start, args, say, logged=False):
    """start(folder) → a target."""
    target = start(folder)
    try:
        calls = socket_calls(target, folder)
        modes = ["untraced", "again", "traced"] + (["logged"] if logged else [])
        rate, rounds = run(folder, target, modes, args, say)
        bpf = bpf_time(folder, target, args.seconds)
    finally:
        target.stop()
    figures = cost_figures(rounds, rate) + [calls_figure(rounds, calls)] + agent_figures(rounds, bpf)
    if logged:
        agent_cpu = values(rounds, "logged", "closed", "agent_ns", 1e3, "requests")
        figures.append(figure.figure("agent CPU, JSON log on", "us", agent_cpu))
    failed = sum(r[load]["failed"] + r[load]["late"] for rs in rounds.values() for r in rs for load in ("closed", "paced"))
    figures.append(figure.figure("requests failed or late", "", [failed]))
    return {
        "figures": figures, "latency_all_rounds": merge_histograms(rounds), "rounds": rounds, "rate": rate,
        "socket_calls": calls, "bpf": bpf,
    }
