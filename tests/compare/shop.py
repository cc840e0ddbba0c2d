# SPDX-License-Identifier: Apache-2.0
"""The order services with their backends, orders of every outcome for them, and the tracers."""

import http.client
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import BINARY, BUILD, ROOT, Program, wait_until  # noqa: E402

ROLES = ("user", "product", "inventory", "payment")
NODE = os.path.join(BUILD, "incode/node")
FUNCTIONS = ("create_order", "validate_user", "validate_products", "reserve_inventory", "calculate_total_amount",
             "create_order_record", "publish_order_created_event")
# All of them at full load: the budget is for processes that nobody wants to slow down.
FUNCTION_OPTIONS = ["--function-cpu", "100", "--function-rate", "1000k",
                    *(arg for name in FUNCTIONS for arg in ("--function", f"{name} error if return < 0"))]
ADDRESS = {"street": "Storgata 1", "city": "Oslo"}


class Missing(Exception):
    """Something that a service needs is not installed."""


class Listening(Program):
    """A program whose first line tells the port."""

    def __init__(self, folder, name, argv, **kw):
        super().__init__(folder, name, argv, **kw)
        wait_until(lambda: "listening on" in self.out() or not self.running(), f"{name} to listen")
        assert self.running(), f"{name} ended: {self.err()}"
        self.port = int(re.search(r"listening on \S*:(\d+)", self.out())[1])
        self.url = f"http://127.0.0.1:{self.port}"


class Shop:
    """Four backends, and what calls them; all ended by stop()."""

    def __init__(self, folder, undisturbed=False):
        """undisturbed: at real-time priority, so that what else the machine does cannot come between two clocks."""
        self.folder, self.programs = folder, []
        self.before = ["chrt", "--fifo", "1"] if undisturbed else []
        self.backends = {role: self.start(role, [
            f"{BUILD}/backend", "--role", role, "--port", "0", "--data", f"{ROOT}/service/data/{role}.json"])
            for role in ROLES}

    def start(self, name, argv, **kw):
        program = Listening(self.folder, name, [*self.before, *argv], **kw)
        self.programs.append(program)
        return program

    def options(self, name):
        options = [arg for role in ROLES for arg in (f"--{role}-url", self.backends[role].url)]
        return ["--port", "0", "--database", f"sqlite://{self.folder}/{name}.db", "--events",
                f"file://{self.folder}/{name}.events", *options]

    def plain(self, name="plain"):
        return self.start(name, [f"{BUILD}/order-service", *self.options(name)])

    def incode(self, name="incode"):
        """The C service that traces itself; its spans are in .traces once it has ended."""
        return self.traced(name, [f"{BUILD}/order-service-incode", *self.options(name)])

    def traced(self, name, argv, **env):
        traces = f"{self.folder}/{name}.otlp.jsonl"
        service = self.start(name, argv, env={**os.environ, "TRACE_FILE": traces, **env})
        service.traces = traces
        return service

    def node(self, name="node", traced=True, writes="sync"):
        need_node()
        options = [*self.options(name), "--writes", writes]
        if not traced:
            return self.start(name, ["node", f"{NODE}/server.js", *options])
        traces = f"{self.folder}/{name}.otlp.jsonl"
        sink = self.start(f"{name}-sink", ["node", f"{NODE}/sink.js", traces])
        service = self.start(
            name, ["node", "--require", f"{NODE}/tracing.js", f"{NODE}/server.js", *options],
            env={**os.environ, "OTEL_SERVICE_NAME": "order-service", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
                 "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_BSP_MAX_QUEUE_SIZE": "65536",
                 "OTEL_BSP_SCHEDULE_DELAY": "500"})
        service.traces = traces
        return service

    def stop(self, *programs):
        for program in programs or reversed(self.programs):
            program.stop()
        self.programs = [p for p in self.programs if p.running()]


def need_node():
    """Node and the packages, or Missing."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed")
    done = subprocess.run([f"{ROOT}/service/incode/node/install", NODE], capture_output=True, text=True)
    if done.returncode:
        raise Missing("npm cannot install the OpenTelemetry packages: " + (done.stderr.strip().split("\n") or [""])[-1])


class Tracer(Program):
    """spanhook agent on one process; its spans are in .spans once it has ended."""

    def __init__(self, folder, pid, *options, name="spanhook"):
        self.spans = f"{folder}/{name}.jsonl"
        super().__init__(folder, name, [BINARY, "agent", "-p", str(pid), "--listen", "none", "--stats", "--log", self.spans, *options])
        wait_until(lambda: "attached" in self.err() or not self.running(), "spanhook to attach")
        assert self.running(), self.err()

    def lost(self):
        """What was lost, by reason; known once it has ended."""
        return {k: int(v) for k, v in re.findall(r"dropped (\S+ \S+)\s+(\d+)", self.err()) if int(v)}


def order(number):
    """One of the outcomes: 201, 400 (empty, unknown user, unknown product), 503, reads of orders there are and are not."""
    user = number % 20 + 1
    items = [{"product_id": 1, "quantity": number % 5 + 1}, {"product_id": 2, "quantity": 1}]
    outcomes = [
        {"user_id": user, "items": items, "shipping_address": ADDRESS},
        {"user_id": user, "items": items[:1], "shipping_address": "Storgata 1"},
        {"user_id": user, "items": [], "shipping_address": ADDRESS},
        {"user_id": 900 + user, "items": items, "shipping_address": ADDRESS},
        {"user_id": user, "items": [{"product_id": 777, "quantity": 1}], "shipping_address": ADDRESS},
        {"user_id": user, "items": [{"product_id": 3, "quantity": 1}], "shipping_address": ADDRESS},
    ]
    # Most orders succeed.
    return outcomes[0] if number % 2 else outcomes[number // 2 % len(outcomes)]


def requests(numbers, seed, context):
    """(method, path, body, headers) of each number; every second one comes with a trace context."""
    ids = random.Random(seed)
    for n in numbers:
        headers = {"X-Request-ID": f"r-{n}"} if n % 3 else {}
        if context and n % 4 < 2:
            headers["traceparent"] = f"00-{ids.getrandbits(127) + 1:032x}-{ids.getrandbits(63) + 1:016x}-01"
        if n % 10 == 9:
            yield "GET", f"/orders/{'%08x' % n}-0000-4000-8000-000000000000", None, headers
        elif n % 50 == 8:
            yield "GET", "/health", None, headers
        else:
            yield "POST", "/orders", json.dumps(order(n)), {**headers, "Content-Type": "application/json"}


class Load:
    """So many requests with so many open at a time, each client with a connection of its own; .latencies in s."""

    def __init__(self, port, count, open_at_a_time, rate=None, context=True):
        self.port, self.rate, self.statuses, self.latencies, self.errors = port, rate, {}, [], []
        numbers = itertools.count()
        self.lock, self.start = threading.Lock(), time.monotonic()

        def client(i):
            try:
                self.run(i, open_at_a_time, count, context, numbers)
            except Exception as error:  # noqa: BLE001: told by the main thread
                self.errors.append(f"client {i}: {error!r}")

        threads = [threading.Thread(target=client, args=(i,)) for i in range(open_at_a_time)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - self.start
        assert not self.errors, self.errors

    def run(self, client, clients, count, context, numbers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        statuses, latencies = {}, []
        for n, (method, path, body, headers) in zip(
                range(client, count, clients), requests(range(client, count, clients), client, context)):
            if self.rate:
                time.sleep(max(0, self.start + n / self.rate - time.monotonic()))
            begin = time.monotonic()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
            latencies.append(time.monotonic() - begin)
            statuses[response.status] = statuses.get(response.status, 0) + 1
        connection.close()
        with self.lock:
            self.latencies += latencies
            for status, number in statuses.items():
                self.statuses[status] = self.statuses.get(status, 0) + number


def compare(ours, theirs, *options):
    """`spanhook compare` as an object, and its exit code."""
    done = subprocess.run([BINARY, "compare", ours, theirs, "--output", "json", *options], capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout), done.returncode
