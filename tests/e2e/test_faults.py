# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the agent: it goes on or ends by its own word, the traced programs notice nothing, losses are counted."""

import fcntl
import os
import resource
import signal
import socket
import sys
import termios

import pytest

from harness import ROOT, Forked, Gate, Spanhook, check_sums, connect, http_get, wait_until
from servers import need


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
    wait_until(lambda: pipe_len(unread), "it to say that it is attached")
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


def limit_files(soft, pid=0):
    """Returns the limit that there was."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return before


def limit_all_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))


@pytest.mark.parametrize("argv", [["agent", "-p", os.getpid()], ["check"]], ids=lambda argv: argv[0])
def test_too_few_files(folder, argv):
    """It does not begin what it cannot keep up, and says what to do."""
    tracer = Spanhook(folder, *argv, preexec_fn=limit_all_files)
    assert tracer.wait() == 1
    assert "only 60 files may be open at a time" in tracer.err() and "ulimit -n" in tracer.err()


def test_few_files_at_first(attach):
    """The soft limit is raised, though not that of the command."""
    tracer = attach("--", need("sh"), "-c", "ulimit -Sn >&2", preexec_fn=lambda: limit_files(60))
    assert tracer.wait() == 0
    assert "\n60\n" in tracer.err()


LATE = """
import os, sys, urllib.request
running, gate, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.write(running, b"g")
os.read(gate, 1)
urllib.request.urlopen(url).read()
os.read(gate, 1)  # its name is read while it lives
"""


def test_out_of_files(folder, started, agent, web):
    """Nothing can be opened for a while: spans go on. When it is over, who began meanwhile is looked at, scrapes are answered."""
    server, begin, running, call = web(), Gate(), Gate(), Gate()

    def execute():
        begin.wait()
        for fd in running.w, call.r:
            os.set_inheritable(fd, True)
        url = f"http://127.0.0.1:{server.address[1]}/late"
        argv = [sys.executable, "-c", LATE, str(running.w), str(call.r), url]
        os.execve(argv[0], argv, {"OTEL_SERVICE_NAME": "late"})

    client = started(Forked(execute))
    tracer = agent("-p", server.pid, "-p", client.pid)
    with connect(socket.AF_INET, server.address) as sock:
        before = limit_files(3, tracer.pid)
        with pytest.raises(OSError):
            http_get(tracer.url + "/metrics", timeout=0.5)
        begin.open()
        running.wait()
        server.ask(sock, 10, b"/meanwhile")
        tracer.wait_spans(10, path="/meanwhile")
        limit_files(before, tracer.pid)
        tracer.wait_metric(1, "spanhook_processes_late_total")
        call.open()
        (span,) = tracer.wait_spans(1, kind="client")
        call.open()
    assert span["service"] == "late"
    assert client.wait() == 0
    assert tracer.metric("spanhook_processes_late_total") == 1
