# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import resource
import shutil
import socket
import tempfile

import pytest

from harness import BINARY, Agent, Forked, Gate, Spanhook, Web, connect, listen, play


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="tracing takes root"))


@pytest.fixture(scope="session", autouse=True)
def binary():
    assert os.path.exists(BINARY), f"{BINARY} is not built"


@pytest.fixture
def folder():
    """A folder that servers with users of their own can enter too."""
    path = tempfile.mkdtemp(prefix="spanhook-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def started():
    """started(x) has x stopped at the end of the test."""
    programs = []

    def add(program):
        programs.append(program)
        return program

    yield add
    for program in reversed(programs):
        program.kill() if isinstance(program, Forked) else program.stop()


@pytest.fixture
def attach(folder, started):
    """attach(options...) runs `spanhook attach --output json options...` and waits until it is attached."""

    def run(*options, **kw):
        return started(Spanhook(folder, "attach", "--output", "json", *options, **kw)).wait_attached()

    return run


@pytest.fixture
def agent(folder, started):
    """agent(options...) runs `spanhook agent` with a log and a metrics page."""

    def run(*options, **kw):
        return started(Agent(folder, *options, **kw)).wait_attached()

    return run


class Talk:
    """Two processes at the two ends of one connection, waiting at the gate."""

    def __init__(self, folder, started, script, family=socket.AF_INET, before=None, server=(), client=()):
        address = f"{folder}/talk.sock" if family == socket.AF_UNIX else None
        self.listener = listen(family, address)
        self.port = None if address else self.listener.getsockname()[1]
        self.gate, early = Gate(), Gate()

        def serve():
            conn, _ = self.listener.accept()
            if play(conn, "server", (before or []) + script, *server):
                conn.close()

        def call():
            target = self.listener.getsockname()
            if before is None:
                self.gate.wait()
            sock = connect(family, target)
            if before is not None:
                play(sock, "client", before)
                early.open()
                self.gate.wait()
            if play(sock, "client", script, *client):
                sock.close()

        self.server, self.client = started(Forked(serve)), started(Forked(call))
        self.listener.close()
        if before is not None:
            early.wait()

    def select(self):
        return ["-p", self.server.pid, "-p", self.client.pid]

    def run(self):
        """Plays the script to its end."""
        self.gate.open()
        assert (self.client.wait(), self.server.wait()) == (0, 0), "a side could not play its part"


@pytest.fixture
def talk(folder, started):
    """talk(script, ...) has two processes ready to play it."""
    return lambda script, **kw: Talk(folder, started, script, **kw)


@pytest.fixture
def converse(talk, attach):
    """converse(script, ...) plays a script with both ends traced; returns (server spans, client spans)."""

    def run(script, options=(), **kw):
        t = talk(script, **kw)
        tracer = attach(*t.select(), *options)
        t.run()
        spans = tracer.wait_end()
        server = [s for s in spans if s["kind"] == "server"]
        client = [s for s in spans if s["kind"] == "client"]
        assert len(server) + len(client) == len(spans)
        assert all(s["pid"] == t.server.pid for s in server) and all(s["pid"] == t.client.pid for s in client)
        return server, client

    return run


@pytest.fixture
def web(started):
    return lambda **kw: Web(started, **kw)


@pytest.fixture
def clients():
    """clients(n, address) opens so many connections, closed at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda n, address: [stack.enter_context(connect(socket.AF_INET, address)) for _ in range(n)]


@pytest.fixture
def many_files():
    """Room for thousands of sockets, here and in what is forked."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6000:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
