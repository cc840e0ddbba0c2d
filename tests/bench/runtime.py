# SPDX-License-Identifier: Apache-2.0
"""What it costs a server that its runtime is asked for whom it works: traced without and with that, 8 requests open."""

import contextlib
import os
import sys

import figure
from process import cpu_ns
from targets import Missing
from tracer import Tracer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../accuracy"))
import workloads  # noqa: E402

# Name → the workload of `make accuracy`, and the option.
RUNTIMES = {"node": ("5 node", "--node-async-ids"), "go": ("9 Go", "--goroutines"), "python": ("6b aiohttp", "--python-contexts")}
OPEN = 8
REQUESTS_A_SECOND = 1500  # at most, of one that answers


def run(fixture, requests):
    """Processor time of the server for a request in us."""
    fixture.prepare_load(OPEN, requests)
    pids = [program.pid for program in fixture.traced]
    before = cpu_ns(pids)
    fixture.run_load()
    return (cpu_ns(pids) - before) / 1e3 / requests


def measure(name, folder, args, say):
    kind, option = RUNTIMES[name]
    requests = max(100, int(args.seconds * REQUESTS_A_SECOND))
    modes = {"off": "off", "again": "off", "auto": "auto"}
    rounds = {mode: [] for mode in modes}
    try:
        fixture = workloads.Fixture(folder, workloads.WORKLOADS[kind])
    except workloads.Missing as what:
        raise Missing(str(what)) from None
    with contextlib.closing(contextlib.ExitStack()) as ends:
        ends.callback(fixture.stop)
        run(fixture, requests)  # warms up
        for n in range(args.rounds):
            order = list(modes)
            for mode in order[n % 3 :] + order[: n % 3]:
                tracer = Tracer(folder, [program.pid for program in fixture.traced], option, modes[mode])
                try:
                    rounds[mode].append(run(fixture, requests))
                finally:
                    tracer.stop()
            say(f"round {n + 1} of {args.rounds}: " + ", ".join(f"{mode} {us[-1]:,.0f} us" for mode, us in rounds.items()))
    one = figure.figure(f"{kind}: CPU a request, traced with {option}", "us", rounds["auto"], rounds["off"], rounds["again"])
    return {"figures": [one], "rounds": rounds}
