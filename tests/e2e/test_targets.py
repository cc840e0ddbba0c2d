# SPDX-License-Identifier: Apache-2.0
"""Which processes are traced: by id, name, port and command, across fork, exec and exit."""

import collections
import http.client
import os
import shutil
import socket

import pytest

import servers
from harness import Forked, Gate, Program, children, connect, free_port, http_get, listen, request, response, wait_until


def get(port, path):
    return http_get(f"http://127.0.0.1:{port}{path}")[0]


def test_children_that_run_already(folder, started, attach):
    """Attached to a prefork server's parent: the workers that it has are traced."""
    server = started(servers.gunicorn(folder, workers=3))
    tracer = attach("-p", server.pid)
    for i in range(20):
        assert get(server.port, f"/small.txt?{i}") == 200
    assert {s["pid"] for s in tracer.wait_spans(20)} <= set(children(server.pid))


def test_children_that_start_later(folder, started, attach):
    """A worker that is killed is replaced by the parent; the new one is traced from its first request on."""
    server = started(servers.gunicorn(folder, workers=1))
    tracer = attach("-p", server.pid)
    (old,) = children(server.pid)
    os.kill(old, 9)
    wait_until(lambda: children(server.pid) not in ([], [old]), "another worker")
    (new,) = children(server.pid)
    wait_until(lambda: get(server.port, "/small.txt") == 200, "the other worker to answer")
    assert tracer.wait_spans(1, status=200)[0]["pid"] == new


FORK_SERVER = """
import os, socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    conn, _ = s.accept()
    pid = os.fork()
    if pid == 0:
        conn.recv(4096)
        body = b"%d" % os.getpid()
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
        os._exit(0)
    conn.close()
    os.waitpid(pid, 0)
"""


@pytest.fixture
def python(folder, started):
    """python(text) runs a server written in Python, which prints its port first; returns it with its port."""

    def run(text):
        program = started(Program(folder, "server", ["/usr/bin/python3", "-I", "-S", "-c", text]))
        program.port = int(wait_until(lambda: "\n" in program.out() and program.out(), "the server's port"))
        return program

    return run


def test_1000_forks(python, agent):
    """A process for each request: every span is there, with the process's own id; none is remembered."""
    n, server = 1000, python(FORK_SERVER)
    tracer = agent("-p", server.pid)
    pids = []
    for i in range(n):
        with connect(socket.AF_INET, ("127.0.0.1", server.port)) as sock:
            sock.sendall(request(target=b"/%d" % i))
            data = b""
            while part := sock.recv(4096):
                data += part
        pids.append(int(data.rpartition(b"\r\n")[2]))
    spans = tracer.wait_spans(n)
    assert sorted((int(s["path"][1:]), s["pid"]) for s in spans) == list(enumerate(pids))
    wait_until(lambda: tracer.metric("spanhook_processes") == 1, "all but one process to be forgotten")
    assert tracer.metric("spanhook_dropped_total") == 0


LAST_PID = "/proc/sys/kernel/ns_last_pid"


@pytest.mark.skipif(not os.path.exists(LAST_PID), reason="the kernel lets nobody choose a process id")
def test_process_id_that_is_used_again(python, agent):
    """Whoever gets the process id of a target that has ended is not traced."""

    def python_with(pid):
        with open(LAST_PID, "w") as f:
            f.write(str(pid - 1))
        server = python(FORK_SERVER)
        return server if server.pid == pid else server.stop() and None

    stays, ends = python(FORK_SERVER), python(FORK_SERVER)
    tracer = agent("-p", stays.pid, "-p", ends.pid)
    assert get(ends.port, "/ends") == 200
    tracer.wait_spans(1, path="/ends")
    ends.stop()
    wait_until(lambda: tracer.metric("spanhook_processes") == 1, "the process to be forgotten")
    other = wait_until(lambda: python_with(ends.pid), "a process with that id")
    assert get(other.port, "/other") == 200
    assert get(stays.port, "/stays") == 200
    tracer.wait_spans(1, path="/stays")
    assert not tracer.spans(path="/other")
    assert tracer.metric("spanhook_events_ignored_total") == 0


THREAD_SERVER = """
import http.server, threading
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(*a): pass
    def do_GET(self):
        body = str(threading.get_native_id()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()
"""


def test_threads(python, attach):
    """Requests of many threads at a time: each span has the thread that answered it."""
    server = python(THREAD_SERVER)
    tracer = attach("-p", server.pid)
    connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(20)]
    expected = []
    for round in range(10):
        for i, c in enumerate(connections):
            c.request("GET", f"/{i}/{round}")
        for i, c in enumerate(connections):
            expected.append((f"/{i}/{round}", int(c.getresponse().read())))
    spans = tracer.wait_spans(200)
    assert sorted((s["path"], s["tid"]) for s in spans) == sorted(expected)
    for c in connections:
        c.close()


@pytest.fixture
def own_python(folder):
    """An executable that no other process runs."""
    path = f"{folder}/shop-service"
    shutil.copy(os.path.realpath("/usr/bin/python3"), path)
    return path


SERVE = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"


def test_exe_glob(folder, started, attach, own_python):
    """Those that run and those that start later, and nobody else."""
    def serve(name, python):
        return started(servers.Server(folder, name, port := free_port(), [python, "-c", SERVE, str(port)], cwd=folder))

    first = serve("first", own_python)
    tracer = attach("--exe", f"{folder}/shop-*")
    other = serve("other", "/usr/bin/python3")
    second = serve("second", own_python)
    for server in (first, second, other) * 3:
        assert get(server.port, "/") == 200
    spans = tracer.wait_spans(6)
    assert collections.Counter(s["pid"] for s in spans) == {first.pid: 3, second.pid: 3}
    assert {s["service"] for s in spans} == {"shop-service"}
    assert len(tracer.finish()) == 6


def test_exe_glob_and_wrappers(folder, started, attach, own_python):
    """What executes another program at once, or forks at once: only what becomes of it counts."""
    tracer = attach("--exe", f"{folder}/shop-*")

    def serve(name, *argv):
        return started(servers.Server(folder, name, port := free_port(), [*argv, "-c", SERVE, str(port)], cwd=folder))

    asked = [serve("executed", "env", "A=1", "nice", own_python), serve("forked", "timeout", "60", own_python)]
    others = [serve("other", "timeout", "60", "/usr/bin/python3")]
    for server in (asked + others) * 3:
        assert get(server.port, "/") == 200
    tracer.wait_spans(6)
    assert collections.Counter(s["local"] for s in tracer.finish()) == {f"127.0.0.1:{server.port}": 3 for server in asked}


@pytest.mark.parametrize("delay_s", [0, 1, 5])
def test_exe_glob_and_port(delay_s, folder, started, attach):
    """Whoever listens on the port is traced beside those that are asked for by name, before it is looked at, after, and long after."""
    port = free_port()
    tracer = attach("--exe", f"{folder}/nobody", "--port", port)
    text = f"import time; time.sleep({delay_s}); {SERVE}"
    server = started(servers.Server(folder, "asked", port, ["/usr/bin/python3", "-c", text, str(port)], cwd=folder))
    for _ in range(3):
        assert get(port, "/") == 200
    assert [s["pid"] for s in tracer.wait_spans(3)] == [server.pid] * 3


def test_port(folder, started, attach):
    """Whoever listens there, now or later."""
    first = started(servers.nginx(folder, name="first"))
    later, unasked = free_port(), started(servers.nginx(folder, name="unasked"))
    tracer = attach("--port", first.port, "--port", later)
    second = started(servers.Server(folder, "second", later, ["/usr/bin/python3", "-c", SERVE, str(later)], cwd=folder))
    for server in (first, second, unasked) * 3:
        assert get(server.port, "/") == 200
    tracer.wait_spans(6)
    spans = tracer.finish()
    assert collections.Counter(s["local"] for s in spans) == {
        f"127.0.0.1:{first.port}": 3,
        f"127.0.0.1:{second.port}": 3,
    }


def test_command(folder, started, attach):
    """The command's exit code is passed on; its children are traced."""
    server = started(servers.nginx(folder))
    tracer = attach("--", "sh", "-c", f"curl -s -o {folder}/a {server.url}/small.txt; (curl -s -o {folder}/b {server.url}/absent); exit 42")
    assert tracer.wait() == 42
    assert [(s["status"], s["command"]) for s in tracer.spans()] == [(200, "curl"), (404, "curl")]


def test_exec_keeps_the_target(folder, started, attach):
    """A traced process that becomes another program, with its connections."""
    server, gate = started(servers.nginx(folder)), Gate()

    def become():
        gate.wait()
        os.execv("/usr/bin/curl", ["curl", "-s", "-o", "/dev/null", f"{server.url}/small.txt"])

    client = started(Forked(become))
    tracer = attach("-p", client.pid)
    gate.open()
    (span,) = tracer.wait_end()
    assert (span["pid"], span["command"], span["service"]) == (client.pid, "curl", "curl")


def test_service_name_from_the_environment(folder, started, attach):
    server = started(servers.nginx(folder))
    env = {**os.environ, "OTEL_SERVICE_NAME": "shop-front"}
    tracer = attach("--", "curl", "-s", "-o", "/dev/null", f"{server.url}/small.txt", env=env)
    (span,) = tracer.wait_end()
    assert span["service"] == "shop-front"


def test_passed_connection(started, attach):
    """One process accepts and another one, which got the socket by SCM_RIGHTS, answers."""
    listener = listen()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def accept():
        conn, _ = listener.accept()
        socket.send_fds(near, [b"c"], [conn.fileno()])

    def answer():
        _, fds, _, _ = socket.recv_fds(far, 10, 1)
        with socket.socket(fileno=fds[0]) as conn:
            conn.recv(4096)
            conn.sendall(response(200, b"passed"))

    acceptor, worker = started(Forked(accept)), started(Forked(answer))
    tracer = attach("-p", acceptor.pid, "-p", worker.pid)
    with connect(socket.AF_INET, listener.getsockname()) as sock:
        sock.sendall(request(target=b"/passed"))
        assert sock.recv(4096)
    (span,) = tracer.wait_end()
    assert (span["path"], span["status"], span["pid"]) == ("/passed", 200, worker.pid)


def test_same_connection_used_by_forked_workers(started, attach):
    """An inherited connection: whoever answers is named, and requests stay apart."""
    listener = listen()

    def serve():
        conn, _ = listener.accept()
        for i in range(4):
            pid = os.fork()
            if pid == 0:
                conn.recv(4096)
                conn.sendall(response(200, b"%d" % os.getpid()))
                os._exit(0)
            os.waitpid(pid, 0)

    server = started(Forked(serve))
    tracer = attach("-p", server.pid)
    pids = []
    with connect(socket.AF_INET, listener.getsockname()) as sock:
        for i in range(4):
            sock.sendall(request(target=b"/%d" % i))
            pids.append(int(sock.recv(4096).rpartition(b"\r\n")[2]))
    spans = tracer.wait_end()
    assert [(s["path"], s["status"], s["pid"]) for s in spans] == [(f"/{i}", 200, pid) for i, pid in enumerate(pids)]
