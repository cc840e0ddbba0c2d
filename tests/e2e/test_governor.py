# SPDX-License-Identifier: Apache-2.0
"""Over a budget less is traced, step by step; well under it all is traced again."""

import re
import socket
import threading

import pytest

from harness import Forked, Gate, connect, listen, receive_exactly, request, response, wait_peer_done, wait_until
from libpq import FATAL_ERROR, OK, Connection, library
from test_order_service import ORDER, backend, call, order_service, write  # fixtures among them
from test_postgres import database, pipelined  # a fixture among them

HEADERS = b"X-Long: " + b"v" * 600


class Server:
    """Answers any number of requests on any number of connections."""

    def __init__(self):
        self.listener = listen(socket.AF_INET)
        self.address = self.listener.getsockname()
        self.process = Forked(self.serve)
        self.pid = self.process.pid

    def serve(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=[conn], daemon=True).start()

    @staticmethod
    def answer(conn):
        while conn.recv(4096):
            conn.sendall(response(201, b"ok", b"X-Pad: " + b"p" * 400))

    def kill(self):
        self.process.kill()


class Load:
    """Requests one after the other, five a connection, until it is stopped."""

    def __init__(self, address):
        self.address, self.sent, self.stopped = address, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            with connect(socket.AF_INET, self.address) as conn:
                for i in range(5):
                    conn.sendall(request(b"GET", b"/orders/%d" % i, None, HEADERS))
                    assert conn.recv(4096)
                    self.sent += 1

    def stop(self):
        self.stopped.set()
        self.thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.kill()


def steps(tracer, way):
    return re.findall(rf"step {way} \w+ \d, (\w+):", tracer.err())


def test_steps_down_and_up(agent, server):
    """In the documented order, each step said in the log; nothing is lost uncounted, and all comes back."""
    tracer = agent("-p", server.pid, "--budget-cpu", "0.5")
    load = Load(server.address)
    wait_until(lambda: "heads" in steps(tracer, "down"), lambda: f"a step down\n{tracer.err()}", 60)
    wait_until(lambda: tracer.spans(truncated=True), "a span of a head that was cut", 30)
    wait_until(lambda: "connections" in steps(tracer, "down"), lambda: f"another step down\n{tracer.err()}", 60)
    assert tracer.metric("spanhook_sampling_ratio") == 0.1
    assert tracer.metric("spanhook_metrics_exact") == 0
    wait_until(lambda: tracer.spans(adjusted_count=10), "a span that stands for ten", 60)
    load.stop()
    assert steps(tracer, "down") == [s for s in ("heads", "connections", "functions") if s in steps(tracer, "down")]
    wait_until(lambda: "heads" in steps(tracer, "up"), lambda: f"all steps up\n{tracer.err()}", 120)
    assert steps(tracer, "up") == steps(tracer, "down")[::-1]
    assert tracer.metric("spanhook_governor_level") == 0 and tracer.metric("spanhook_sampling_ratio") == 1
    for step in ("heads", "connections"):
        for direction in ("down", "up"):
            assert tracer.metric("spanhook_governor_steps_total", step=step, direction=direction) == 1
    before = len(tracer.spans())
    assert before < load.sent  # connections were left out
    with connect(socket.AF_INET, server.address) as conn:
        conn.sendall(request(b"GET", b"/last", None, HEADERS))
        assert conn.recv(4096)
    (last,) = tracer.wait_spans(1, path="/last")
    assert "adjusted_count" not in tracer.spans()[0] and "adjusted_count" not in last
    wait_until(
        lambda: not any(value for _, value in tracer.metrics()["spanhook_unaccounted"]),
        lambda: f"the sums to hold: {tracer.metrics()['spanhook_unaccounted']}",
    )
    assert not any(value for _, value in tracer.metrics()["spanhook_dropped_total"])
    for span in tracer.spans():
        assert (span["method"], span["status"]) == ("GET", 201) and span["route"] in ("/orders/{id}", "/last")


def test_within_budget(agent, server):
    """Budgets that are kept change nothing."""
    tracer = agent("-p", server.pid, "--budget-cpu", "100", "--budget-target-cpu", "100", "--budget-memory", "512M")
    load = Load(server.address)
    wait_until(lambda: load.sent >= 500, "500 requests")
    load.stop()
    tracer.wait_spans(load.sent)
    assert tracer.metric("spanhook_governor_level") == 0 and tracer.metric("spanhook_metrics_exact") == 1
    assert len(tracer.spans()) == load.sent
    assert not any("truncated" in s or "adjusted_count" in s for s in tracer.spans())
    assert "step" not in tracer.err()


class Orders(Load):
    """Orders of one user, each on a connection of its own."""

    def __init__(self, service, user):
        self.service, self.order = service, {**ORDER, "user_id": user}
        super().__init__(None)

    def run(self):
        while not self.stopped.is_set():
            assert call(self.service, "POST", "/orders", self.order)[0] == 201
            self.sent += 1


ALL_STEPS = ["bodies", "heads", "connections", "functions"]
RULE = """
rules:
  - name: orders_total
    type: counter
    spans: { kind: server, method: POST, route: /orders }
    labels: { user: { field: request.body.user_id, below: { 2: first, 3: second }, else: third, missing: unknown } }
"""


def test_all_steps(agent, order_service, folder):
    """Each gives up what it says, and what it gave up comes back."""
    service, rule = order_service(), write(f"{folder}/rule.yaml", RULE)
    function = "create_order(user.id=order->user_id)"
    tracer = agent("-p", service.pid, "--config", rule, "--function", function, "--budget-target-cpu", "0.01")

    first = Orders(service, 1)
    wait_until(lambda: steps(tracer, "down") == ALL_STEPS, lambda: f"all steps down\n{tracer.err()}", 120)
    first.stop()
    second = Orders(service, 2)
    assert f"in process {service.pid} (order-service) (--budget-target-cpu 0.01): step down to 1, bodies" in tracer.err()
    counted = tracer.metric("orders_total", user="unknown")
    tracer.wait_metric(counted + 5, "orders_total", user="unknown")
    assert tracer.metric("spanhook_rule_skipped_total", metric="orders_total", reason="body_not_captured") >= counted + 5
    second.stop()
    wait_until(lambda: steps(tracer, "up") == ALL_STEPS[::-1], lambda: f"all steps up\n{tracer.err()}", 180)
    assert call(service, "POST", "/orders", {**ORDER, "user_id": 3})[0] == 201
    tracer.wait_metric(1, "orders_total", user="third")
    assert tracer.metric("orders_total", user="first") > 0 and tracer.metric("orders_total", user="second") == 0
    assert tracer.metric("orders_total", user="third") == 1
    spans = tracer.finish()
    (last,) = (s for s in spans if s.get("attributes", {}).get("user.id") == 3)
    assert "incomplete" not in last
    assert sorted(s["name"] for s in spans if s.get("parent_span_id") == last["span_id"]) == ["GET /users/{id}", "INSERT orders", "POST /inventory/reserve", "POST /products/batch"]
    assert {s["attributes"]["user.id"] for s in spans if s["kind"] == "internal"} == {1, 3}


CONNECTIONS = 400
ANSWER = response(200, b"ok")


def converse_often(listener, gate, half_close):
    """The two ends of one connection after the other, each with a request of its own: (server, client)."""

    def serve():
        for _ in range(CONNECTIONS):
            conn, _ = listener.accept()
            with conn:
                if half_close:
                    wait_peer_done(conn)
                while conn.recv(4096):
                    conn.sendall(ANSWER)

    def call():
        gate.wait(50)
        for i in range(CONNECTIONS):
            with connect(listener.family, listener.getsockname()) as conn:
                conn.sendall(request(b"GET", b"/orders/%d" % i))
                if half_close:
                    conn.shutdown(socket.SHUT_WR)
                receive_exactly(conn, len(ANSWER))

    return Forked(serve), Forked(call)


@pytest.fixture
def sampling(agent):
    """sampling(options...) runs an agent that is over a budget for good, until one of ten connections is followed."""

    def run(*options):
        tracer = agent("--budget-memory", "1M", *options)
        wait_until(lambda: tracer.metric("spanhook_sampling_ratio") == 0.1, lambda: f"sampling\n{tracer.err()}", 60)
        return tracer

    return run


@pytest.mark.parametrize("half_close", [False, True], ids=["open", "half-closed"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX], ids=["tcp4", "tcp6", "unix"])
def test_both_ends_decide_alike(sampling, started, folder, family, half_close):
    """Of a connection both ends are followed, or none; and of so many, so many."""
    listener, gate = listen(family, f"{folder}/sock" if family == socket.AF_UNIX else None), Gate()
    server, client = (started(end) for end in converse_often(listener, gate, half_close))
    tracer = sampling("-p", server.pid, "-p", client.pid)
    gate.open()
    assert (client.wait(), server.wait()) == (0, 0)
    spans = tracer.finish()
    seen = {kind: sorted(s["path"] for s in spans if s["kind"] == kind) for kind in ("server", "client")}
    assert seen["server"] == seen["client"]
    assert 0.02 * CONNECTIONS <= len(seen["server"]) <= 0.25 * CONNECTIONS
    for span in spans:
        assert span["status"] == 200 and not span.get("incomplete")
        assert span["kind"] == "client" or span["evidence"] == "socket"
        assert span["adjusted_count"] == 10


def test_pipelines(sampling, started, database):
    """Of a connection that is followed every statement is read and paired right, though less of heads is captured."""
    library()
    texts, gate, ready, more = [f"{text} /* {'x' * 300} */" for text in pipelined()], Gate(), Gate(), Gate()

    def play():
        gate.wait(50)
        connections = [Connection(database.conninfo) for _ in range(90)]
        for c in connections:
            assert c.exec("SELECT 1 AS first")[0] in OK
        ready.open()
        more.wait()
        for c in connections:
            assert c.pipeline(texts, True) == [(FATAL_ERROR, "22012") if i % 10 == 9 else (OK[1], None) for i in range(100)]

    client = started(Forked(play))
    tracer = sampling("-p", client.pid)
    gate.open()
    ready.wait()
    tracer.wait_spans(1, db_query_text="SELECT ? AS first")
    known = {s["local"] for s in tracer.spans()}  # to be of a protocol that is read whole
    more.open()
    assert client.wait() == 0
    spans = [s for s in tracer.finish() if " AS first" not in s["db_query_text"]]
    by_connection = {local: {s["db_query_text"]: s for s in spans if s["local"] == local} for local in known}
    want = {f"SELECT ? / ? AS {'bad' if i % 10 == 9 else 'good'}_{i}" for i in range(100)}
    assert all(set(texts) == want for texts in by_connection.values())
    assert not [s for s in spans if s["local"] in known and "incomplete" in s]
    for span in spans:
        right = ("22012", None) if " bad_" in span["db_query_text"] else (None, 1)
        assert "incomplete" in span or (span.get("error_type"), span.get("db_rows")) == right
        assert span["adjusted_count"] == 10
