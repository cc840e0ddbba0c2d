# SPDX-License-Identifier: Apache-2.0
"""`spanhook agent` on the processes of a target, and what it counts."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import BINARY, Program, free_port, http_get, parse_metrics, wait_until  # noqa: E402

ATTACH_S = 60  # seconds until it must be attached
PATIENCE = 10  # seconds until what was sent must have been counted

# What a target's truth may name → the counter that must agree with it.
COUNTERS = {
    "http server": "http_server_request_duration_seconds_count",
    "http client": "http_client_request_duration_seconds_count",
    "db server": "db_server_operation_duration_seconds_count",
    "db client": "db_client_operation_duration_seconds_count",
    "bytes of an unknown protocol": "spanhook_unknown_protocol_bytes_total",
}


class Tracer(Program):
    def __init__(self, folder, pids, *options, log=False):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = f"{folder}/spans.jsonl" if log else None
        argv = [BINARY, "agent", "--listen", self.url[7:], *options]
        argv += [arg for pid in pids for arg in ("-p", str(pid))]
        start = time.monotonic()
        super().__init__(folder, "agent", argv + (["--log", self.log] if log else []))
        try:
            wait_until(lambda: "attached" in self.err() or not self.running(), "the agent to attach", ATTACH_S)
            assert self.running(), f"the agent ended: {self.err()}"
        except AssertionError:
            super().stop()
            raise
        self.attach_s = time.monotonic() - start
        self.pids = [self.pid]

    def metrics(self):
        return parse_metrics(http_get(self.url + "/metrics")[1])

    def counts(self):
        """All that it counts, from one reading of /metrics."""
        metrics = self.metrics()
        total = lambda name: sum(value for _, value in metrics.get(name, []))  # noqa: E731
        dropped = {f"{labels['stage']} {labels['reason']}": n for labels, n in metrics["spanhook_dropped_total"]}
        return {
            "events": total("spanhook_events_total"),
            "event_bytes": total("spanhook_event_bytes_total"),
            "spans": total("spanhook_spans_total"),
            "incomplete": total("spanhook_spans_incomplete_total"),
            **{name: total(counter) for name, counter in COUNTERS.items()},
            **{f"dropped {why}": n for why, n in dropped.items()},
        }

    def counts_since(self, before, truth):
        """What was counted since `before`, once it agrees with the truth (name → number), or does not in PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while True:
            counted = {name: n - before.get(name, 0) for name, n in self.counts().items()}
            if all(counted[name] >= n for name, n in truth.items()) or time.monotonic() > deadline:
                return counted
            time.sleep(0.05)

    def stop(self, sig=signal.SIGTERM):
        super().stop(sig)
        if self.log:
            os.unlink(self.log)
