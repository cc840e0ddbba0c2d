# SPDX-License-Identifier: Apache-2.0
"""Whole traces at /traces: the spans of the log, below one another, within bounds, and what is missing said."""

import json
import socket

import pytest

import servers
from harness import Forked, Gate, connect, http_get, listen, request, response, wait_until
from test_order_service import ORDER, backend, call, order_service  # fixtures among them


def get(tracer, path="/traces"):
    status, text = http_get(tracer.url + path)
    assert status == 200, text
    return json.loads(text)


def wait_traces(tracer, n, **want):
    """n traces or more, newest first, of which each item of `want` is true."""

    def found():
        return [t for t in get(tracer)["traces"] if all(t.get(k) == v for k, v in want.items())]

    wait_until(lambda: len(found()) >= n, lambda: f"{n} traces {want}, got {get(tracer)}")
    return found()


def names(traces):
    return [trace["name"] for trace in traces]


def timeless(spans):
    """Comparable to those that were made at another time, when the clock of the day may have been set."""
    return sorted(({**s, "timestamp": None} for s in spans), key=lambda s: s["span_id"])


def test_same_as_log(order_service, backend, agent):
    """Each trace has all spans of its id in the log, each as it is there, and nothing is left over."""
    backends = {role: backend(role) for role in ("user", "product", "inventory")}
    service = order_service(**{role: b.url for role, b in backends.items()})
    pids = [service.pid, *(b.pid for b in backends.values())]
    tracer = agent("--traces", 256, "--sqlite", "off", *[arg for pid in pids for arg in ("-p", pid)])
    assert [call(service, "POST", "/orders?token=secret", {**ORDER, "user_id": u})[0] for u in (1, 2, 999)] == [201, 201, 400]
    assert call(service, "GET", "/health")[0] == 200
    traces = wait_traces(tracer, 4)
    assert names(traces) == ["GET /health"] + ["POST /orders"] * 3
    log = tracer.wait_spans(sum(len(t["spans"]) for t in traces))
    for trace in traces:
        spans = trace["spans"]
        logged = [s for s in log if s["trace_id"] == trace["trace_id"]]
        assert timeless(spans) == timeless(logged)
        assert trace["service"] == "order-service" and "missing" not in trace and "losses" not in trace
        assert trace["duration_ms"] == spans[0]["duration_ms"] and trace["timestamp"] == spans[0]["timestamp"]
        seen = {spans[0]["span_id"]}
        for span in spans[1:]:  # each stands below its parent
            assert span["parent_span_id"] in seen
            seen.add(span["span_id"])
        assert get(tracer, f"/traces/{trace['trace_id']}") == trace
        assert get(tracer, f"/traces/{trace['trace_id'].upper()}") == trace
    assert [len(t["spans"]) for t in traces] == [1, 3, 7, 7]
    assert "secret" not in json.dumps(traces) and "REDACTED" in json.dumps(traces)


def test_filters(agent, folder, started):
    server = started(servers.nginx(folder))
    tracer = agent("--traces", 256, *server.select())
    for path in ("/small.txt", "/absent", "/s/503/300", "/small.txt"):
        assert http_get(server.url + path)[0]
    assert len(wait_traces(tracer, 4)) == 4
    service = get(tracer)["traces"][0]["service"]
    for query, count in {"?limit=3": 3, "?limit=9": 4, "?status=error": 1, f"?service={service}": 4, "?service=nobody": 0,
                         f"?service={service}&status=error&limit=5": 1, "?min_duration_ms=0": 4,
                         "?min_duration_ms=3600000": 0}.items():  # fmt: skip
        traces = get(tracer, "/traces" + query)["traces"]
        assert len(traces) == count, query
        assert traces == [t for t in get(tracer)["traces"] if t in traces]
    (failed,) = get(tracer, "/traces?status=error")["traces"]
    assert failed["status"] == "error" and failed["spans"][0]["status"] == 503
    slowest = max(t["duration_ms"] for t in get(tracer)["traces"])
    assert len(get(tracer, f"/traces?min_duration_ms={slowest}")["traces"]) >= 1
    for query in "limit=0", "limit=-1", "limit=x", "limit", "status=ok", "service=", "min_duration_ms=-1", "min_duration_ms=nan", "a=b":
        assert http_get(f"{tracer.url}/traces?{query}")[0] == 400, query
    for trace_id, status in {"x" * 32: 400, "0" * 31: 400, "0" * 33: 400, "0" * 32: 404}.items():
        assert http_get(f"{tracer.url}/traces/{trace_id}")[0] == status, trace_id


@pytest.mark.parametrize("kept", [0, 1, 16])
def test_bounds(agent, folder, started, kept):
    """Only the last ones are kept; none when that is asked for."""
    server = started(servers.nginx(folder))
    tracer = agent("--traces", kept, *server.select())
    for n in range(40):
        assert http_get(f"{server.url}/absent?n={n}")[0] == 404
    tracer.wait_spans(40)
    if not kept:
        assert http_get(tracer.url + "/traces")[0] == 404
        assert tracer.metric("spanhook_trace_spans_total") == 0
        return
    wait_until(lambda: [t["spans"][0]["query"] for t in get(tracer)["traces"][:1]] == ["n=39"], "the last trace")
    assert [t["spans"][0]["query"] for t in get(tracer)["traces"]] == [f"n={n}" for n in range(39, 39 - kept, -1)]


class Caller:
    """A process that, for one request, calls another one so often, and answers when it is told to."""

    def __init__(self, started, calls):
        self.gate = Gate()
        self.front, back = listen(), listen()
        self.address = self.front.getsockname()
        self.backend = started(Forked(self.answer_all, back))
        self.process = started(Forked(self.serve, back.getsockname(), calls))
        self.pid = self.process.pid
        back.close()

    @staticmethod
    def answer_all(back):
        conn, _ = back.accept()
        answered, seen = 0, b""
        while data := conn.recv(65536):
            seen += data
            conn.sendall(response(200, b"ok") * (seen.count(b"\r\n\r\n") - answered))
            answered = seen.count(b"\r\n\r\n")

    def serve(self, address, calls):
        conn, _ = self.front.accept()
        upstream = connect(socket.AF_INET, address)
        assert conn.recv(65536)
        for at in range(0, calls, 10):  # pipelined: over before the first one has waited for too long
            n = min(10, calls - at)
            upstream.sendall(request(target=b"/call") * n)
            assert len(upstream.recv(n * len(response(200, b"ok")), socket.MSG_WAITALL))
        self.gate.wait()
        conn.sendall(response(200, b"ok"))
        conn.recv(1)


def test_orphan(agent, started):
    """The call of a request that is not over is an orphan; when that is over it hangs below it."""
    caller = Caller(started, 1)
    tracer = agent("--traces", 256, "-p", caller.pid)
    with connect(socket.AF_INET, caller.address) as sock:
        sock.sendall(request(target=b"/front"))
        (trace,) = wait_traces(tracer, 1)
        assert [(s["path"], s.get("orphan"), s["evidence"]) for s in trace["spans"]] == [("/call", True, "thread")]
        caller.gate.open()
        assert sock.recv(4096)
        wait_until(lambda: [len(t["spans"]) for t in get(tracer)["traces"][:1]] == [2], "the request")
        (whole,) = get(tracer)["traces"]
    assert whole["trace_id"] == trace["trace_id"] and whole["name"] == "GET /front"
    assert {s["path"]: s.get("orphan") for s in whole["spans"]} == {"/call": None, "/front": None}
    assert whole["duration_ms"] >= trace["duration_ms"]
