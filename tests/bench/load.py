# SPDX-License-Identifier: Apache-2.0
"""Load on a port of this host by build/bench/pace."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import BUILD  # noqa: E402

PACE = os.path.join(BUILD, "bench/pace")


class Load:
    """What is sent to a server. `per` is how many operations one request stands for."""

    def __init__(self, port, path="/", connections=32, request=None, answer_len=None, each=None, per=1):
        """request: a file of its bytes, else GET path; answer_len: of what is not HTTP; each: requests a connection."""
        self.port, self.path, self.connections, self.per = port, path, connections, per
        self.options = []
        for option, value in (("-f", request), ("-l", answer_len), ("-k", each)):
            if value:
                self.options += [option, str(value)]

    def run(self, seconds=1.0, rate=None, total=None, connections=None, each=None):
        """Closed loop, or `rate` operations a second; for some time, or `total` operations. Returns what pace counted,
        in operations."""
        argv = [PACE, "-c", str(connections or self.connections), "-d", str(seconds), *self.options]
        if rate:
            argv += ["-r", str(rate / self.per)]
        if total:
            argv += ["-n", str(max(1, total // self.per))]
        if each:
            argv += ["-k", str(each)]
        done = subprocess.run([*argv, str(self.port), self.path], capture_output=True, text=True, timeout=300)
        if not done.stdout:
            raise RuntimeError(f"{done.stderr.strip()}: {' '.join(argv)}")
        result = json.loads(done.stdout)
        for count in ("requests", "failed", "late"):
            result[count] *= self.per
        result["per_s"] = result["requests"] / result["seconds"]
        return result


def quantile_ns(histograms, q):
    """Of several of pace's histograms together."""
    merged = {}
    for ns, count in (bucket for histogram in histograms for bucket in histogram):
        merged[ns] = merged.get(ns, 0) + count
    rank, seen = int(q * sum(merged.values())), 0
    for ns in sorted(merged):
        seen += merged[ns]
        if seen > rank:
            return ns
    return 0
