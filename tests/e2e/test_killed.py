# SPDX-License-Identifier: Apache-2.0
"""A traced program is killed amid all that it does: what was open ends as what it is, nothing stays, the next one is traced."""

import collections
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess

import pytest

from harness import BUILD, Forked, Gate, check_sums, connect, listen, request, wait_until
from test_agent import BPFTOOL, kernel_objects
from test_losses import in_call
from test_order_service import ORDER, backend, call, order_service  # fixtures among them


def dump(tracer, name):
    """The entries of a BPF map that the tracer holds."""
    for number in kernel_objects(tracer.pid)["map"]:
        run = [BPFTOOL, "-j", "map", "dump", "id", str(number)]
        if json.loads(subprocess.run([*run[:3], "show", *run[4:]], capture_output=True).stdout)["name"] == name[:15]:
            return json.loads(subprocess.run(run, capture_output=True, check=True).stdout)


def targets(tracer):
    """The processes that the kernel traces for it."""
    return [int.from_bytes(bytes(int(b, 16) for b in entry["key"]), "little") for entry in dump(tracer, "targets")]


CLOCK_NANOSLEEP = 230  # x86-64; in which SQLite waits for a lock


def silent(started, n):
    """A service that answers nothing: its address, and what is open once it has n requests."""
    listener, all_there = listen(), Gate()

    def serve():
        held = [listener.accept()[0] for _ in range(n)]
        for conn in held:
            assert conn.recv(65536)
        all_there.open()
        signal.pause()

    started(Forked(serve))
    return f"http://127.0.0.1:{listener.getsockname()[1]}", all_there


def locked(path):
    """A database that somebody writes to for ever."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def waits_for_lock(pid):
    """Does one of its threads sleep?"""
    return any(in_call(tid, CLOCK_NANOSLEEP) for tid in os.listdir(f"/proc/{pid}/task"))


FUNCTIONS = ("create_order", "create_order_record", "reserve_inventory")


def post_order(port):
    """Sends an order; its answer is for the caller to read."""
    sock = connect(socket.AF_INET, ("127.0.0.1", port))
    sock.sendall(request(b"POST", b"/orders", json.dumps(ORDER).encode(), b"Content-Type: application/json"))
    return sock


# Name, error and whether it is incomplete, of the spans of each order. SQLite's own comes with the end of a statement.
DONE = [("GET /users/{id}", None, False), ("POST /products/batch", None, False), ("create_order", None, True),
        ("POST /orders", "local_closed", False)]
OPEN_CALL = [("reserve_inventory", None, True), ("POST /inventory/reserve", "local_closed", False)]
OPEN_STATEMENT = [("reserve_inventory", None, False), ("POST /inventory/reserve", None, False),
                  ("create_order_record", None, True)]


@pytest.mark.parametrize("where, n", [("a call", 3), ("a statement", 1)], ids=["call", "statement"])
def test_order_service(folder, started, order_service, agent, where, n):
    """Killed in requests, the functions that serve them, and the calls or the statement of those."""
    url, all_there = silent(started, n)
    service = order_service("--timeout-ms", "20000", **({"inventory": url} if where == "a call" else {}))
    lock = locked(f"{folder}/orders.db") if where == "a statement" else None
    tracer = agent("-p", service.pid, *[arg for name in FUNCTIONS for arg in ("--function", name)], "--stats")
    socks = [post_order(service.port) for _ in range(n)]
    if lock:
        wait_until(lambda: waits_for_lock(service.pid), "a statement to wait for the lock")
    else:
        all_there.wait()
    service.stop(signal.SIGKILL)
    for sock in socks:
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(4096) == b""
        sock.close()
    wait_until(lambda: tracer.metric("spanhook_processes") == 0, "the process to be forgotten")
    wait_until(lambda: tracer.metric("spanhook_connections") == 0, "its connections to be forgotten")
    assert dump(tracer, "targets") == []
    tracer.finish()
    check_sums(tracer)
    ends = collections.Counter((s["name"], s.get("error_type"), s.get("incomplete", False)) for s in tracer.spans())
    assert ends == dict.fromkeys([*DONE, *(OPEN_CALL if where == "a call" else OPEN_STATEMENT)], n)


def test_next_one(folder, started, order_service, agent):
    """The same program starts again: it is traced as the one before it was, with its functions."""
    first = order_service()
    tracer = agent("--exe", f"{BUILD}/order-service", "--function", "create_order")
    assert call(first, "POST", "/orders", ORDER)[0] == 201
    tracer.wait_spans(1, name="create_order", pid=first.pid)
    first.stop(signal.SIGKILL)
    wait_until(lambda: first.pid not in targets(tracer), "the process to be forgotten")
    second = order_service()

    def is_traced():
        assert call(second, "POST", "/orders", ORDER)[0] == 201
        return tracer.spans(name="create_order", pid=second.pid)

    wait_until(is_traced, "its functions to be traced")
    tracer.wait_spans(1, name="POST /orders", kind="server", pid=second.pid)


def test_streamed_response(started, agent):
    """Killed with half of it sent, which the client's end and its own say."""
    listener, half = listen(), Gate()

    def serve():
        conn, _ = listener.accept()
        conn.recv(4096)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + 1000 * b"a" + b"\r\n")
        half.open()
        signal.pause()

    server = started(Forked(serve))
    address = listener.getsockname()
    listener.close()
    tracer = agent("-p", server.pid, "--stats")
    with connect(socket.AF_INET, address) as sock:
        sock.sendall(request(target=b"/stream"))
        half.wait()
        server.kill()
        (span,) = tracer.wait_spans(1)
    assert (span["status"], span["response_bytes"]) == (200, 1000)
    assert span.get("error_type") or span.get("incomplete")
    wait_until(lambda: tracer.metric("spanhook_connections") == 0, "its connection to be forgotten")
    tracer.finish()
    check_sums(tracer)
