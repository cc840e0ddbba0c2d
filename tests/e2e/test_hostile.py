# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, and too many of them: memory stays bounded, what the others do is shown right."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess

import pytest

import servers
import stores
from harness import BUILD, Agent, check_sums, connect, request, response, wait_until
from memory_group import MemoryGroup

TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2


@pytest.fixture
def limited_memory():
    """limited_memory(size) makes a control group; request it before what ends the processes in it."""
    with contextlib.ExitStack() as stack:
        yield lambda size: stack.enter_context(contextlib.closing(MemoryGroup(size)))


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


# Options, connections, and what each of them sends again and again without an end: a head that never is whole.
LIMITED = {
    "defaults": ([], 1200, [b"GET /" + b"x" * 30000]),
    "every buffer in use": (["--max-connections", 2048, "--max-spans", 4096], 2500, [b"GET /", *[b"x" * 900] * 20]),
}


@pytest.mark.parametrize("name", LIMITED)
def test_32_megabytes(folder, limited_memory, started, many_files, clients, web, name):
    """In a control group of 32 MB, with more than 1,000 connections and ever new, large values, nobody misses an answer."""
    options, n, endless = LIMITED[name]
    server, group = web(), limited_memory(32 << 20)
    tracer = started(Agent(folder, "--stats", "-p", server.pid, *options, preexec_fn=group.enter)).wait_attached()
    socks, answers = clients(n, server.address), 2 * response(200, b"ok")
    for i, sock in enumerate(socks):
        large = request(target=b"/%d/%b?%b" % (i, b"p" * 3000, b"q" * 800))
        sock.sendall(large + request(method=b"M%d" % i, target=b"/%d" % i))
    for sock in socks:
        assert sock.recv(len(answers), socket.MSG_WAITALL) == answers
    for piece in endless:
        for sock in socks:
            sock.sendall(piece)
    with connect(socket.AF_INET, server.address) as sock:
        server.ask(sock, 10)
    tracer.metrics()
    tracer.finish()
    assert group.killed() == 0
    report, followed = check_sums(tracer), min(n, 2048)
    assert report.stages["span"]["seen"] >= 2 * followed or report.drops["ring_full"]
    assert bool(report.drops["connections_full"]) == (n > followed)


def test_too_little_memory(folder, limited_memory, started, web):
    """It ends, by its own word if the kernel lets it; nobody else notices."""
    server, group = web(), limited_memory(16 << 20)
    tracer = started(Agent(folder, "-p", server.pid, preexec_fn=group.enter))
    code = tracer.wait()
    assert group.killed() == 1 if code == -signal.SIGKILL else "no memory for the BPF programs" in tracer.err()
    with connect(socket.AF_INET, server.address) as sock:
        server.ask(sock, 10)


PACE = f"{BUILD}/bench/pace"


def test_100000_connections(folder, started, agent):
    """One after the other, as fast as they come: all are counted, the memory is that of those which are open."""
    if not os.path.exists(PACE):
        pytest.skip("make bench has not built its client")
    server = started(servers.nginx(folder, connections=4096))
    tracer = agent(*server.select(), "--stats", "--log", "/dev/null")
    held = []
    for n in (20000, 80000):
        run = [PACE, "-c", "64", "-n", str(n), "-k", "1", str(server.port), "/small.txt"]
        assert '"failed": 0' in subprocess.run(run, capture_output=True, text=True, check=True).stdout
        wait_until(lambda: tracer.metric("spanhook_connections") <= 2, "closed connections to be forgotten")
        held.append(resident_kb(tracer.pid))
    assert held[1] - held[0] <= 1024
    tracer.finish()
    report = check_sums(tracer)
    lost = report.drops["ring_full"] + report.drops["gap"]
    assert report.stages["span"]["seen"] == 100000 or lost
    assert not lost or report.stages["span"]["seen"] < 100000


ROUNDS = 2


def garbage(seed):
    """What somebody who scans ports may send."""
    some = random.Random(seed)
    return [
        some.randbytes(5000),
        TLS,
        b"A" * 200000,
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000,
        request(target=b"/half")[:-10],
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\0" * 3000,
        b"\r\n" * 3000,
        b"*3\r\n$3\r\nSET\r\n$999999999\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"\x80" * 1000 + request(target=b"/phantom"),
    ]


def throw(address, data):
    """Sends it, ends, and reads what comes; the other end may have had enough before."""
    with connect(socket.AF_INET, address) as sock, contextlib.suppress(OSError):
        sock.settimeout(0.2)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def test_garbage_on_every_port(folder, started, agent, web):
    """The traced servers' and the agent's own: it goes on, what is no request is none, the requests beside it are right."""
    redis, nginx, server = started(stores.Redis(folder)), started(servers.nginx(folder)), web()
    tracer = agent(*redis.select(), *nginx.select(), "-p", server.pid, "--stats")
    own = ("127.0.0.1", int(tracer.url.rsplit(":", 1)[1]))
    with connect(socket.AF_INET, server.address) as sock:
        for seed in range(ROUNDS):
            for address in ("127.0.0.1", redis.port), ("127.0.0.1", nginx.port), server.address, own:
                for data in garbage(seed):
                    throw(address, data)
                    server.ask(sock, target=b"/right")
    tracer.wait_metric(1, "spanhook_connections_unknown_protocol_total")
    assert tracer.metric("spanhook_unknown_protocol_bytes_total") >= ROUNDS * 5000
    spans = tracer.finish()
    right = [s for s in spans if s.get("path") == "/right"]
    assert len(right) == ROUNDS * 4 * len(garbage(0))
    assert all(s["status"] == 200 and not s.get("incomplete") for s in right)
    assert not [s for s in spans if s.get("path") == "/phantom" and s["pid"] == server.pid]
    assert {str(s["status"]) for s in spans if s["service"] == "nginx"} <= {entry["status"] for entry in nginx.log()}
    check_sums(tracer)


def test_slow_clients(folder, started, agent, many_files, clients, web):
    """Hundreds send a byte at a time and never come to an end: bounded memory, other requests are shown meanwhile."""
    server, head = web(), request(target=b"/slow")
    tracer = agent("-p", server.pid, "--stats")
    slow = clients(500, server.address)
    with connect(socket.AF_INET, server.address) as sock:
        for i in range(len(head) - 4):
            for s in slow:
                s.sendall(head[i : i + 1])
            server.ask(sock, target=b"/quick")
        quick = tracer.wait_spans(len(head) - 4, path="/quick")
        assert all(s["status"] == 200 and not s.get("incomplete") for s in quick)
        assert tracer.metric("spanhook_connections") == 501
        assert tracer.metric("spanhook_spans_total") == len(quick)
        for s in slow[:250]:
            s.sendall(head[-4:])
            assert s.recv(4096) == response(200, b"ok")
    for s in slow:
        s.close()
    tracer.wait_spans(250, path="/slow", status=200)
    wait_until(lambda: tracer.metric("spanhook_connections") == 0, "closed connections to be forgotten")
    tracer.finish()
    check_sums(tracer)
