# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set while requests are open, as the agent sees it: the machine's own stays as it is."""

import datetime
import mmap
import os
import socket
import struct

import pytest

from harness import Forked, Gate, connect, listen, request, response
from test_functions import compile_program

# Preloaded: the wall clock is ahead by as many seconds as a file says.
STEPPED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*original)(clockid_t, struct timespec *);
	static volatile long long *ahead_s;
	int result;

	if (!original) {
		ahead_s = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open(getenv("AHEAD"), O_RDONLY), 0);
		original = dlsym(RTLD_NEXT, "clock_gettime");
	}
	result = original(clock, t);
	if (clock == CLOCK_REALTIME)
		t->tv_sec += *ahead_s;
	return result;
}
"""
HOUR = 3600


class Clock:
    """The wall clock of whoever is started with `env`."""

    def __init__(self, folder):
        library = compile_program(folder, "stepped.so", STEPPED, "-shared", "-fPIC", "-ldl")
        with open(f"{folder}/ahead", "wb") as f:
            f.write(bytes(4096))
        self.env = {**os.environ, "LD_PRELOAD": library, "AHEAD": f"{folder}/ahead"}
        with open(f"{folder}/ahead", "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 4096)

    def set_ahead(self, seconds):
        self.memory[:8] = struct.pack("q", seconds)


def ahead_of(span):
    """By how many hours the time of a span's end is ahead of this machine's."""
    end = datetime.datetime.fromisoformat(span["timestamp"][:26] + "+00:00")
    return round((end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / HOUR)


@pytest.mark.parametrize("hours", [24, -24], ids=["forward", "back"])
def test_step(folder, attach, started, hours):
    """Durations are those that passed, parents are right, and what ends later carries the new time."""
    front, back, received, go_on = listen(), listen(), Gate(), Gate()

    def proxy():
        caller, _ = front.accept()
        upstream = connect(socket.AF_INET, back.getsockname())
        for _ in range(3):
            caller.recv(4096)
            upstream.sendall(request(target=b"/back"))
            upstream.recv(4096)
            caller.sendall(response(200, b"front"))

    def serve():
        conn, _ = back.accept()
        for _ in range(3):
            conn.recv(4096)
            received.open()
            go_on.wait()
            conn.sendall(response(200, b"back"))

    clock = Clock(folder)
    middle, last = started(Forked(proxy)), started(Forked(serve))
    tracer = attach("-p", middle.pid, "-p", last.pid, env=clock.env)
    with connect(socket.AF_INET, front.getsockname()) as sock:
        for i in range(3):
            sock.sendall(request(target=b"/front/%d" % i))
            received.wait()
            if i == 1:  # amid a request
                clock.set_ahead(hours * HOUR)
            go_on.open()
            assert sock.recv(4096)
            tracer.wait_spans(3 * (i + 1))
    spans = tracer.wait_end()
    assert len(spans) == 9
    for i in range(3):
        (root,) = [s for s in spans if s["path"] == f"/front/{i}"]
        trace = [s for s in spans if s["trace_id"] == root["trace_id"]]
        call, served = sorted((s for s in trace if s is not root), key=lambda s: s["kind"])
        assert (call["kind"], call["parent_span_id"]) == ("client", root["span_id"])
        assert (served["kind"], served["parent_span_id"]) == ("server", call["span_id"])
        assert HOUR * 1000 > root["duration_ms"] >= call["duration_ms"] > 0
        assert [ahead_of(s) for s in trace] == [0 if i < 1 else hours] * 3
