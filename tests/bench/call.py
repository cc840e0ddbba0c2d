# SPDX-License-Identifier: Apache-2.0
"""What a socket call of TCP costs a thread that talks to itself, traced and beside another one that is."""

import os
import subprocess

import figure
from harness import BUILD
from tracer import Tracer

CALL = os.path.join(BUILD, "bench/call")


def ask(program):
    """Processor time of a call in ns; the first answer warms up."""
    for _ in range(2):
        program.stdin.write("\n")
        program.stdin.flush()
        answer = float(program.stdout.readline())
    return answer


def measure(folder, args, say):
    program, other = (subprocess.Popen([CALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2))
    pids = {"untraced": None, "again": None, "traced": program.pid, "beside": other.pid}
    rounds = {mode: [] for mode in pids}
    try:
        for n in range(args.rounds):
            modes = list(rounds)
            for mode in modes[n % 4 :] + modes[: n % 4]:
                tracer = Tracer(folder, [pids[mode]]) if pids[mode] else None
                try:
                    rounds[mode].append(ask(program))
                finally:
                    if tracer:
                        tracer.stop()
            say(f"round {n + 1} of {args.rounds}: " + ", ".join(f"{mode} {ns[-1]:,.0f} ns" for mode, ns in rounds.items()))
    finally:
        for p in (program, other):
            p.stdin.close()
            p.wait()
            p.stdout.close()
    names = {"traced": "socket call, traced", "beside": "socket call, another one is traced"}
    figures = [figure.figure(name, "ns", rounds[mode], rounds["untraced"], rounds["again"], per=1) for mode, name in names.items()]
    return {"figures": figures, "rounds": rounds}
