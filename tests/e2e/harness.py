# SPDX-License-Identifier: Apache-2.0
"""What the tests are made of: waiting, processes, the tracer, and two ends that play a script."""

import contextlib
import json
import os
import re
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(ROOT, os.environ.get("B", "build"))
BINARY = os.path.join(BUILD, "spanhook")
PATIENCE = 20  # seconds that anything may take before a test gives up


def wait_until(predicate, what, timeout=PATIENCE):
    """Waits for predicate() to be true and returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {timeout} s in vain for {what() if callable(what) else what}"
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(address, family=socket.AF_INET):
    with socket.socket(family) as s:
        return s.connect_ex(address) == 0


def children(pid):
    """A process's descendants."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            direct = [int(p) for p in f.read().split()]
    except OSError:
        return []
    return direct + [p for child in direct for p in children(child)]


class Program:
    """A started program with its output in files; ended by its pid."""

    def __init__(self, folder, name, argv, **kw):
        self.out_path, self.err_path = f"{folder}/{name}.out", f"{folder}/{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            # In a session of its own: Apache ends its process group, wherever that came from.
            self.process = subprocess.Popen(
                argv, **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "start_new_session": True, **kw}
            )
        self.pid = self.process.pid

    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.process.poll() is None

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def stop(self, sig=signal.SIGTERM):
        """Ends it and returns its exit code."""
        if self.running():
            self.process.send_signal(sig)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Spanhook(Program):
    """build/spanhook at work."""

    def __init__(self, folder, *argv, binary=BINARY, **kw):
        super().__init__(folder, "spanhook", [binary, *map(str, argv)], **kw)
        self.offset, self.parsed = 0, []
        self.lines_path = self.out_path

    def wait_attached(self):
        def attached():
            assert self.running() or "attached" in self.err(), f"ended with {self.process.returncode}: {self.err()}"
            return "attached" in self.err()

        wait_until(attached, "spanhook to be attached")
        return self

    def spans(self, **want):
        """The spans printed so far, as dicts, of which each item of `want` is true."""
        with open(self.lines_path, "rb") as f:
            f.seek(self.offset)
            whole, _, _ = f.read().rpartition(b"\n")
        if whole:
            self.offset += len(whole) + 1
            for line in whole.decode("utf-8").split("\n"):  # not UTF-8 is a failure
                if line.startswith('{"') and '"span_id"' in line:
                    self.parsed.append(json.loads(line))
        return [s for s in self.parsed if all(s.get(k) == v for k, v in want.items())]

    def wait_spans(self, n, **want):
        wait_until(
            lambda: len(self.spans(**want)) >= n or not self.running(),
            lambda: f"{n} spans {want}, got {len(self.spans(**want))}: {self.spans()[-5:]}\n{self.err()}",
        )
        return self.spans(**want)

    def finish(self, sig=signal.SIGINT):
        """Stops it; all that it knew is flushed then. Returns the spans."""
        code = self.stop(sig)
        assert code == 0, f"ended with {code}: {self.err()}"
        return self.spans()

    def wait_end(self):
        """It ends by itself with the last process that it traces."""
        code = self.wait()
        assert code == 0, f"ended with {code}: {self.err()}"
        return self.spans()


def http_get(url, timeout=PATIENCE):
    """Status and text, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def parse_metrics(text):
    """name → list of (labels, value)."""
    metrics = {}
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
        metrics.setdefault(name, []).append((dict(pairs), float(value)))
    return metrics


class Agent(Spanhook):
    """`spanhook agent` with its metrics page."""

    def __init__(self, folder, *argv, port=None, **kw):
        self.url = f"http://127.0.0.1:{port or free_port()}"
        super().__init__(folder, "agent", "--listen", self.url[7:], "--log", f"{folder}/log.jsonl", *argv, **kw)
        self.lines_path = f"{folder}/log.jsonl"
        open(self.lines_path, "a").close()

    def metrics(self):
        status, text = http_get(self.url + "/metrics")
        assert status == 200
        return parse_metrics(text)

    def metric(self, name, **labels):
        """The sum of the samples with these labels."""
        samples = self.metrics().get(name, [])
        return sum(value for have, value in samples if all(have.get(k) == v for k, v in labels.items()))

    def wait_metric(self, at_least, name, **labels):
        wait_until(
            lambda: self.metric(name, **labels) >= at_least,
            lambda: f"{name}{labels} >= {at_least}, it is {self.metric(name, **labels)}",
        )


class Report:
    """What --stats says at the end."""

    def __init__(self, text):
        self.stages = {
            stage: dict(seen=int(seen), passed=int(passed), dropped=int(dropped), open=int(sign + left))
            for stage, seen, passed, dropped, sign, left in re.findall(
                r"^spanhook: (\w+) +(\d+) \w+ = (\d+) passed on \+ (\d+) dropped ([+-]) (\d+) open$", text, re.M
            )
        }
        self.drops = {reason: int(n) for reason, n in re.findall(r"^spanhook: dropped \w+ (\w+) +(\d+)$", text, re.M)}
        self.stats = {name: int(n) for name, n in re.findall(r"^spanhook: (spanhook_\w+) +(\d+)$", text, re.M)}


def check_sums(tracer):
    """Nothing is on its way any more: all that was seen was passed on or dropped."""
    report = Report(tracer.err())
    assert report.stages and report.drops
    for stage, sums in report.stages.items():
        assert sums["open"] == 0, f"{stage}: {sums}"
    return report


class Forked:
    """A function that runs in a process of its own."""

    def __init__(self, function, *args):
        sys.stdout.flush()
        sys.stderr.flush()
        self.code = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                signal.alarm(60)  # a test that failed must not leave it behind
                function(*args)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)

    def wait(self):
        if self.code is None:
            deadline = time.monotonic() + PATIENCE
            while True:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
                    break
                assert time.monotonic() < deadline, "waited in vain for a forked process"
                time.sleep(0.005)
        return self.code

    def kill(self):
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


class Gate:
    """One process waits until another one opens it."""

    def __init__(self):
        self.r, self.w = os.pipe()

    def wait(self, timeout=PATIENCE):
        ready, _, _ = select.select([self.r], [], [], timeout)
        assert ready and os.read(self.r, 1), "a gate stayed shut"

    def open(self):
        os.write(self.w, b"g")


# A script is a list of steps; each is one side's bytes, which the other side receives in full
# before the script goes on, or CLOSE or RESET.
CLOSE, RESET, HALF_CLOSE = "close", "reset", "half-close"


def C(what):
    return "client", what


def S(what):
    return "server", what


def send_whole(sock, data):
    sock.sendall(data)


def send_bytewise(sock, data):
    for i in range(len(data)):
        sock.sendall(data[i : i + 1])


def receive_exactly(sock, n):
    while n:
        data = sock.recv(n)
        assert data, f"the other end closed {n} bytes early"
        n -= len(data)


def wait_peer_done(sock):
    """Waits for the peer to have sent all that it will send, read or not."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    assert poll.poll(PATIENCE * 1000), "the other end did not close"


def play(sock, side, script, send=send_whole, receive=receive_exactly):
    """Plays one side's part of a script. Returns False when it closed the socket."""
    for who, what in script:
        if who == side:
            if what == CLOSE:
                sock.close()
                return False
            if what == RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
                return False
            if what == HALF_CLOSE:
                sock.shutdown(socket.SHUT_WR)
            else:
                send(sock, what)
        elif what in (CLOSE, HALF_CLOSE):
            assert sock.recv(1) == b""
        elif what == RESET:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        else:
            receive(sock, len(what))
    return True


def listen(family=socket.AF_INET, address=None, backlog=128):
    s = socket.socket(family)
    if family != socket.AF_UNIX:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
    s.bind(address or (("::1" if family == socket.AF_INET6 else "127.0.0.1"), 0))
    s.listen(backlog)
    return s


def connect(family, address):
    s = socket.socket(family)
    if family != socket.AF_UNIX:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(PATIENCE)
    s.connect(address[:2] if family != socket.AF_UNIX else address)
    s.settimeout(None)
    return s


def request(method=b"GET", target=b"/", body=None, *headers, version=b"HTTP/1.1"):
    lines = [b"%b %b %b" % (method, target, version), b"Host: shop.test", *headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def response(status=200, body=b"", *headers, version=b"HTTP/1.1", length=True):
    lines = [b"%b %d Reason" % (version, status), *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Web:
    """A process that answers each request on each connection, until the test ends; answer=None: never."""

    def __init__(self, started, answer=response(200, b"ok")):
        self.listener = listen(backlog=4096)
        self.address = self.listener.getsockname()
        self.process = started(Forked(self.serve, answer))
        self.pid = self.process.pid
        self.listener.close()

    def serve(self, answer):
        with selectors.DefaultSelector() as ready:
            ready.register(self.listener, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self.listener:
                        ready.register(self.listener.accept()[0], selectors.EVENT_READ)
                    elif not self.converse(key.fileobj, answer):
                        ready.unregister(key.fileobj)
                        key.fileobj.close()

    @staticmethod
    def converse(conn, answer):
        """Answers what is there. Returns whether the connection goes on."""
        with contextlib.suppress(ConnectionError):
            data = conn.recv(65536)
            if answer:
                conn.sendall(answer * data.count(b"\r\n\r\n"))
            return bool(data)

    def ask(self, sock, n=1, target=b"/"):
        """n requests, one after the other; checks each answer."""
        expected = len(response(200, b"ok"))
        for _ in range(n):
            sock.sendall(request(target=target))
            assert sock.recv(expected, socket.MSG_WAITALL) == response(200, b"ok")
