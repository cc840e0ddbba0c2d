# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the agent: it goes on or ends by its own word, the traced programs notice nothing, losses are counted."""

import fcntl
import os
import signal
import socket
import termios

import pytest

from harness import ROOT, Spanhook, check_sums, connect, wait_until


@pytest.fixture
def unread():
    """A pipe that is held open and not read, as short as the kernel lets it be."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield writer
    os.close(reader)
    os.close(writer)


def pipe_len(fd):
    """Bytes that wait in it."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"1234"), "little")


@pytest.mark.parametrize("n", [1, 1000], ids=["full with the summary", "full with spans"])
@pytest.mark.parametrize("output", ["json", "text"])
def test_nobody_reads_the_output(folder, started, web, unread, output, n):
    """It ends all the same when it is told to, says why spans are lost, and counts them."""
    server = web()
    tracer = started(Spanhook(folder, "attach", "--output", output, "--stats", "-p", server.pid, stdout=unread))
    tracer.wait_attached()
    with connect(socket.AF_INET, server.address) as sock:
        server.ask(sock, n, b"/" + 700 * b"a")
    assert tracer.stop() == 0
    report = check_sums(tracer)
    assert report.stages["export"]["seen"] == report.stages["span"]["passed"] == n
    if n > 1:
        assert report.drops["send_failed"] >= n - 10
        assert "the exporter console wrote nothing for 3 s" in tracer.err()
    else:
        assert not report.drops["send_failed"]
        assert "cannot write the summary" in tracer.err()


def test_nobody_reads_the_log(folder, started, web, unread):
    """Neither spans nor what it says itself: no line holds it up for ever."""
    server = web()
    tracer = started(Spanhook(folder, "attach", "--stats", "-p", server.pid, stdout=unread, stderr=unread))
    with connect(socket.AF_INET, server.address) as sock:
        for _ in range(100):
            server.ask(sock, 10, b"/" + 700 * b"a")
        assert tracer.stop() == 0
        server.ask(sock, 10)


def test_replay_is_interrupted(folder, started, unread):
    """The tracer of a recording has nothing to save."""
    tape = os.path.join(ROOT, "tests/recordings/nginx.tape")
    tracer = started(Spanhook(folder, "attach", "--output", "json", "--replay", tape, stdout=unread))
    assert wait_until(lambda: pipe_len(unread), "spans in the pipe")
    assert tracer.stop() == -signal.SIGTERM
