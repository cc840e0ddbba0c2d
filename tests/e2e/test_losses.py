# SPDX-License-Identifier: Apache-2.0
"""Each way to lose data of bpf/drops.def is forced: it is counted, and what was seen still adds up."""

import ctypes
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness import BUILD, CLOSE, ROOT, C, Forked, Gate, S, Web, check_sums, connect, request, response, wait_until
from test_agent import BPFTOOL, kernel_objects
from test_functions import Obedient, compile_program
from test_traces import Caller, wait_traces

libc = ctypes.CDLL(None, use_errno=True)


class PatientWeb(Web):
    """Answers a request when its body ends with a "!"."""

    @staticmethod
    def converse(conn, answer):
        data = conn.recv(65536)
        if data.endswith(b"!"):
            conn.sendall(answer)
        return bool(data)


@pytest.fixture
def lose(agent, folder):
    """
    lose(reason, act, options...) runs act(tracer) under an agent, waits for the loss to be counted, and returns
    what the agent reports in the end, in which everything adds up.
    """

    def run(reason, act, *options, at_least=1):
        tracer = agent("--stats", *options)
        act(tracer)
        tracer.wait_metric(at_least, "spanhook_dropped_total", reason=reason)
        tracer.finish()
        report = check_sums(tracer)
        assert report.drops[reason] >= at_least
        return tracer, report

    return run


def ring_full(lose, web, started):
    """
    The agent stands still while more happens than the ring holds; the next events show the hole. What was open
    then says that something was lost, what was over before or began after does not.
    """
    server, patient = web(), PatientWeb(started)

    def act(tracer):
        with connect(socket.AF_INET, server.address) as sock, connect(socket.AF_INET, patient.address) as waits:
            server.ask(sock, 5, b"/before")
            waits.sendall(request(b"POST", b"/open", b"x!")[:-1])
            tracer.wait_spans(5)
            os.kill(tracer.pid, signal.SIGSTOP)
            server.ask(sock, 2000)
            os.kill(tracer.pid, signal.SIGCONT)
            wait_until(lambda: tracer.metric("spanhook_dropped_total", reason="ring_full"), "the loss to be counted")
            server.ask(sock, 5, b"/after")
            tracer.wait_spans(4, path="/after")
            waits.sendall(b"!")
            tracer.wait_spans(1, path="/open")
        assert wait_traces(tracer, 1, name="POST /open")[0]["losses"]

    tracer, report = lose("ring_full", act, "--traces", "256", "-p", server.pid, "-p", patient.pid, "--ring-size", "64K")
    kernel = report.stages["kernel"]
    assert kernel["dropped"] == report.drops["ring_full"] and kernel["seen"] >= 2 * 2010
    assert report.drops["gap"] > 0
    assert all("incomplete" not in s for s in tracer.spans(path="/before"))
    assert all("incomplete" not in s for s in tracer.spans(path="/after")[1:])
    assert [(s.get("losses"), s.get("incomplete")) for s in tracer.spans(path="/open")] == [(True, None)]
    assert not any(s.get("losses") for s in tracer.spans(path="/before") + tracer.spans(path="/after")[1:])


def no_storage(lose, started):
    """A network namespace in which sockets may have next to no memory beside their buffers."""
    if subprocess.run(["unshare", "--net", "test", "-e", "/proc/sys/net/core/optmem_max"]).returncode:
        pytest.skip("before Linux 6.8 that limit is the whole machine's")
    ready, gate = Gate(), Gate()

    def act_inside():
        assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
        with open("/proc/sys/net/core/optmem_max", "w") as f:
            f.write("1")
        a, b = socket.socketpair()
        ready.open()
        gate.wait()
        for _ in range(10):
            a.sendall(request())
            b.recv(4096)

    actor = started(Forked(act_inside))
    ready.wait()

    def act(tracer):
        gate.open()
        assert actor.wait() == 0

    _, report = lose("no_storage", act, "-p", actor.pid, at_least=20)
    assert report.stats["spanhook_traffic_bytes_total"] == 0


def targets_full(lose, started, folder):
    """The kernel's table of targets is full of others when a target forks."""
    gate = Gate()

    def fork():
        gate.wait()
        for _ in range(3):
            if os.fork() == 0:
                os._exit(0)
            os.wait()

    actor = started(Forked(fork))

    def act(tracer):
        table = next(m for m in held_maps(tracer.pid) if m["name"] == "targets")
        with open(f"{folder}/fill", "w") as f:
            for pid in range(table["max_entries"]):
                key = " ".join(str(b) for b in (0x7F000000 + pid).to_bytes(4, "little"))
                f.write(f"map update id {table['id']} key {key} value 0 0 0 0\n")
        subprocess.run([BPFTOOL, "batch", "file", f"{folder}/fill"], capture_output=True)
        gate.open()
        assert actor.wait() == 0

    lose("targets_full", act, "-p", actor.pid, at_least=3)


def held_maps(pid):
    shown = subprocess.run([BPFTOOL, "-j", "map", "show"], capture_output=True, text=True, check=True)
    ids = kernel_objects(pid)["map"]
    return [m for m in json.loads(shown.stdout) if m["id"] in ids]


class IOVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Message(ctypes.Structure):
    """struct mmsghdr"""

    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iov_len", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_len", ctypes.c_size_t),
                ("flags", ctypes.c_long), ("len", ctypes.c_long)]  # fmt: skip


def payload_unreadable(lose, started):
    """The vectors of a readv() are gone by the time that it returns."""
    gate = Gate()

    def receive():
        a, b = socket.socketpair()
        page = libc.mmap
        page.restype, page.argtypes = ctypes.c_void_p, [ctypes.c_void_p] + [ctypes.c_long] * 5
        at = page(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        buffer = ctypes.create_string_buffer(4096)
        IOVec.from_address(at).base, IOVec.from_address(at).len = ctypes.addressof(buffer), 4096
        got = []
        thread = threading.Thread(target=lambda: got.append(libc.readv(b.fileno(), ctypes.c_void_p(at), 1)))
        gate.wait()
        thread.start()
        wait_until(lambda: in_call(thread.native_id, 19), "the thread to be in readv()")
        libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(mmap.PAGESIZE))
        a.sendall(request())
        thread.join()
        assert got == [len(request())] and buffer.raw.startswith(request())

    actor = started(Forked(receive))

    def act(_):
        gate.open()
        assert actor.wait() == 0

    _, report = lose("payload_unreadable", act, "-p", actor.pid)
    assert report.stats["spanhook_traffic_bytes_total"] == 2 * len(request())


def in_call(tid, number):
    """Does the thread sleep in this system call (of x86-64)?"""
    with open(f"/proc/{tid}/syscall") as f:
        return f.read().split()[0] == str(number)


def payload_unlocatable(lose, started):
    """Two messages in one sendmmsg(): which of them is sent cannot be told."""
    gate = Gate()

    def send():
        a, b = socket.socketpair()
        data = ctypes.create_string_buffer(request(), len(request()))
        vector = IOVec(ctypes.addressof(data), len(request()))
        messages = (Message * 2)(*[Message(iov=ctypes.addressof(vector), iov_len=1)] * 2)
        gate.wait()
        assert libc.sendmmsg(a.fileno(), messages, 2, 0) == 2
        assert b.recv(2 * len(request()), socket.MSG_WAITALL) == 2 * request()

    actor = started(Forked(send))

    def act(_):
        gate.open()
        assert actor.wait() == 0

    _, report = lose("payload_unlocatable", act, "-p", actor.pid, at_least=2)
    assert report.stats["spanhook_traffic_bytes_total"] == 4 * len(request())


FUNCTIONS = r"""
#include <stdio.h>
#include <string.h>
#define OWN __attribute__((noipa))
#define HERE __asm__ volatile("" ::: "memory")
#define TEXTS const char *a, const char *b, const char *c, const char *d, const char *e, const char *f
OWN int deep(int n) { int below = n ? deep(n - 1) : 0; HERE; return below + 1; }
OWN int says(TEXTS) { HERE; return a == b; }

int main(void)
{
	char line[64], text[256] = "";

	memset(text, 'x', 200);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "deep\n")) deep(99);
		if (!strcmp(line, "long\n")) says(text, text, text, text, text, text);
		if (!strcmp(line, "bad\n")) says((char *)8, "", "", "", "", "");
		printf("done %s", line);
		fflush(stdout);
	}
	return 0;
}
"""
PROBES = ["--function", "deep(n)", "--function", "says(a, b, c, d, e, f)", "--function-cpu", "1000"]


@pytest.fixture
def program(folder, started):
    return lambda: started(Obedient(compile_program(folder, "functions", FUNCTIONS)))


def calls_deep(lose, program):
    """100 calls within one another: 64 are seen, the others counted."""
    p = program()
    tracer, report = lose("calls_deep", lambda _: p.do("deep"), "-p", p.pid, *PROBES)
    assert report.drops["calls_deep"] == 36 and len(tracer.spans(name="deep")) == 64


def value_unreadable(lose, program):
    p = program()
    tracer, report = lose("value_unreadable", lambda _: p.do("bad"), "-p", p.pid, *PROBES)
    (span,) = tracer.spans(name="says")
    assert report.drops["value_unreadable"] == 1 and set("bcdef") <= set(span["attributes"]) and "a" not in span["attributes"]


def values_long(lose, program):
    """More text than an event of a call holds: the last argument is left out."""
    p = program()
    tracer, report = lose("values_long", lambda _: p.do("long"), "-p", p.pid, *PROBES)
    (span,) = tracer.spans(name="says")
    assert report.drops["values_long"] == 1 and set("abcde") <= set(span["attributes"]) and "f" not in span["attributes"]


def connections_full(lose, web):
    """40 connections, of which 16 may be followed."""
    server = web()

    def act(tracer):
        socks = [connect(socket.AF_INET, server.address) for _ in range(40)]
        for sock in socks:
            server.ask(sock)
        tracer.wait_spans(16)
        for sock in socks:
            sock.close()

    tracer, _ = lose("connections_full", act, "-p", server.pid, "--max-connections", "16", at_least=2 * 24)
    assert len(tracer.spans()) == 16 and not any(s.get("incomplete") for s in tracer.spans())


def buffers_full(lose, talk, web):
    """More messages stop amid their heads, in both directions, than there are buffers for."""
    server = web(answer=None)
    halves = []

    def act(tracer):
        for _ in range(40):
            halves.append(connect(socket.AF_INET, server.address))
            halves[-1].sendall(request()[:-10])
        tracer.wait_metric(40, "spanhook_connections")

    lose("buffers_full", act, "-p", server.pid, "--max-connections", "64", at_least=1)
    for sock in halves:
        sock.close()


def out_of_step(lose, talk):
    """After one exchange something else than the protocol."""
    garbage = b"\0\1garbage" * 20
    t = talk([C(request()), S(response()), C(garbage), S(CLOSE)])
    _, report = lose("out_of_step", lambda _: t.run(), *t.select())
    assert report.drops["out_of_step"] == 2 * len(garbage)  # at both ends


def response_unpaired(lose, talk):
    """A second response to one request."""
    t = talk([C(request()), S(response()), S(response(500)), C(CLOSE)])
    tracer, report = lose("response_unpaired", lambda _: t.run(), *t.select())
    assert report.drops["response_unpaired"] == 2
    assert [s["status"] for s in tracer.spans()] == [200, 200]


def pending_full(lose, talk):
    """A pipeline of 4,200 requests, of which the last ones are only counted."""
    n, limit = 4200, 4096
    t = talk([C(request())] * n + [S(CLOSE)])
    tracer, report = lose("pending_full", lambda _: t.run(), "-p", t.server.pid)
    assert report.drops["pending_full"] == n - limit and len(tracer.spans()) == limit
    assert report.stages["span"]["seen"] == n


def spans_full(lose, web):
    """40 open requests, of which 16 may be."""
    server = web(answer=None)
    socks = []

    def act(tracer):
        for _ in range(40):
            socks.append(connect(socket.AF_INET, server.address))
            socks[-1].sendall(request())

    tracer, report = lose("spans_full", act, "-p", server.pid, "--max-spans", "16", at_least=24)
    for sock in socks:
        sock.close()
    assert report.stages["span"] == dict(seen=40, passed=16, dropped=24, open=0)
    assert len(tracer.spans()) == 16 and all(s["incomplete"] for s in tracer.spans())


@pytest.fixture
def small_disk(folder):
    disk = f"{folder}/disk"
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def taped_events(path):
    """How many events are on a tape, which has no record that is not whole."""
    with open(path, "rb") as f:
        tape = f.read()
    at, n = 56, 0  # struct tape_start
    while at < len(tape):
        kind, size = struct.unpack_from("II", tape, at)
        at += 8 + (size + 7) // 8 * 8
        n += kind == 1  # TAPE_EVENT
    assert at == len(tape)
    return n


def tape_full(lose, web, small_disk):
    """The disk of the tape is full: that is said, and what is not on the tape is counted."""
    server = web()

    def act(_):
        with connect(socket.AF_INET, server.address) as sock:
            server.ask(sock, 1000)

    tracer, report = lose("tape_full", act, "-p", server.pid, "--record", f"{small_disk}/tape")
    assert "No space left" in tracer.err() and len(tracer.spans()) == 1000
    assert taped_events(f"{small_disk}/tape") + report.drops["tape_full"] == report.stats["spanhook_events_total"]


def queue_full(lose, web, folder):
    """Nobody reads the log for a while, which is a pipe."""
    server, lines = web(), []
    os.mkfifo(f"{folder}/pipe")
    reader = os.open(f"{folder}/pipe", os.O_RDONLY | os.O_NONBLOCK)

    def read():
        os.set_blocking(reader, True)
        with open(reader, "rb") as f:
            lines.extend(f)

    thread = threading.Thread(target=read)

    def act(tracer):
        with connect(socket.AF_INET, server.address) as sock:
            while not tracer.metric("spanhook_dropped_total", reason="queue_full"):
                server.ask(sock, 1000)
        thread.start()

    _, report = lose("queue_full", act, "-p", server.pid, "--log", f"{folder}/pipe")
    thread.join()
    assert len(lines) == report.stages["export"]["passed"]


def send_failed(lose, web):
    server = web()

    def act(_):
        with connect(socket.AF_INET, server.address) as sock:
            server.ask(sock, 100)

    tracer, report = lose("send_failed", act, "-p", server.pid, "--log", "/dev/full", at_least=100)
    assert report.stages["export"] == dict(seen=100, passed=0, dropped=100, open=0)
    assert report.stages["span"]["passed"] == 100


def trace_full(lose, started):
    """More calls for one request than a trace keeps."""
    calls, kept = 1300, 768
    caller = Caller(started, calls)

    def act(tracer):
        caller.gate.open()
        with connect(socket.AF_INET, caller.address) as sock:
            sock.sendall(request())
            assert sock.recv(4096)
        tracer.wait_spans(1, kind="server")
        (trace,) = wait_traces(tracer, 1)
        assert (len(trace["spans"]), trace["missing"]) == (1 + kept, calls - kept)

    tracer, report = lose("trace_full", act, "--traces", "256", "-p", caller.pid, at_least=calls - kept)
    assert report.stages["trace"] == dict(seen=1 + calls, passed=1 + kept, dropped=calls - kept, open=0)
    assert len(tracer.spans()) == 1 + calls


class Unit:
    """It cannot be brought about from outside: the test of this name in tests/unit/account_test.c does."""


class Skip:
    def __init__(self, reason):
        self.reason = reason


# Each row of bpf/drops.def, and what forces it.
FORCED = {
    "ring_full": ring_full,
    "no_storage": no_storage,
    "targets_full": targets_full,
    "hook_busy": Skip("a hook is missed only if an interrupt hits the very program that it runs, too"),
    "payload_unreadable": payload_unreadable,
    "payload_unlocatable": payload_unlocatable,
    "calls_deep": calls_deep,
    "value_unreadable": value_unreadable,
    "values_long": values_long,
    "function_unknown": Unit,
    "stacks_full": Unit,
    "event_malformed": Unit,
    "connections_full": connections_full,
    "wholes_full": Unit,
    "buffers_full": buffers_full,
    "gap": ring_full,
    "out_of_order": Unit,
    "out_of_step": out_of_step,
    "response_unpaired": response_unpaired,
    "pending_full": pending_full,
    "spans_full": spans_full,
    "tape_full": tape_full,
    "queue_full": queue_full,
    "send_failed": send_failed,
    "trace_full": trace_full,
    "processes_full": Unit,
}


def rows():
    with open(f"{ROOT}/bpf/drops.def") as f:
        return re.findall(r"^DROP\((\w+), ", f.read(), re.M)


def unit_test(reason):
    program = f"{BUILD}/tests/unit/account_test"
    if not os.path.exists(program):
        pytest.skip("the unit tests are not built")
    done = subprocess.run([program], env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"}, capture_output=True, text=True)
    assert re.search(rf"^ok \d+ - {reason}$", done.stdout, re.M), done.stdout


def test_every_reason_has_its_test():
    assert list(FORCED) == rows()


@pytest.mark.parametrize("reason", rows())
def test_loss(reason, request):
    force = FORCED[reason]
    if isinstance(force, Skip):
        pytest.skip(force.reason)
    if force is Unit:
        unit_test(reason)
        return
    names = force.__code__.co_varnames[: force.__code__.co_argcount]
    force(**{name: request.getfixturevalue(name) for name in names})
