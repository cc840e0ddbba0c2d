# SPDX-License-Identifier: Apache-2.0
"""What `attach` shows to people: trees, on a terminal and elsewhere."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from harness import BINARY, Spanhook, free_port, wait_until
from test_order_service import ORDER, backend, call, order_service  # fixtures among them

REQUEST = r"\d\d:\d\d:\d\d\.\d{3} POST /orders +503 +\d+\.\d{3} ms +\d+ B +\d+ B  order-service {left} 127\.0\.0\.1:\d+"
USER = r" +\+\d+\.\d ms {first} GET  /users/1 +200 +\d+\.\d{3} ms +- +\d+ B  {right} backend:{user} \(\d+\.\d{3} ms\)"
REFUSED = r" +\+\d+\.\d ms {last} connect +--- +\d+\.\d{3} ms +- +-  {right} 127\.0\.0\.1:{refusing} connect_refused"


@pytest.mark.parametrize("locale, signs", [
    ("C.UTF-8", {"first": "├─", "last": "└─", "left": "←", "right": "→"}),
    ("C", {"first": r"\|-", "last": "`-", "left": "<-", "right": "->"}),
])  # fmt: skip
def test_tree(order_service, backend, folder, started, locale, signs):
    """A call of a traced service is one line for both ends; there is one header, and the table at the end."""
    user, refusing = backend("user"), free_port()
    service = order_service(user=user.url, product=f"http://127.0.0.1:{refusing}")
    argv = ["attach", "-p", service.pid, "-p", user.pid]
    tracer = started(Spanhook(folder, *argv, env={**os.environ, "LC_ALL": locale})).wait_attached()
    assert [call(service, "POST", "/orders", ORDER)[0] for _ in range(2)] == [503] * 2
    wait_until(lambda: tracer.out().count("connect_refused") == 2, "two trees")
    tracer.finish()
    lines = tracer.out().split("\n")
    assert lines[0].split()[:4] == ["TIME", "REQUEST", "STATUS", "DURATION"]
    values = {**signs, "user": user.port, "refusing": refusing}
    for i in (1, 4):
        for pattern, line in zip((REQUEST, USER, REFUSED), lines[i : i + 3]):
            assert re.fullmatch(re.sub(r"\{(\w+)\}", lambda m: str(values.get(m[1], m[0])), pattern), line), line
    assert lines[7] == "" and lines[8].startswith("requests served") and "p99 ms" in lines[8]
    columns = {re.search(r" (200|503|---) ", line).start() for line in lines[1:7]}
    assert len(columns) == 1, "the columns are not aligned"


@pytest.mark.parametrize("width", [80, 120, 200])
def test_terminal(order_service, started, width):
    """Lines fit, long paths are cut in their middle."""
    service = order_service()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    argv = [BINARY, "attach", "-p", str(service.pid), "--color", "never"]
    tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"})
    os.close(theirs)
    out = b""
    try:
        while b"attached" not in tracer.stderr.readline():
            assert tracer.poll() is None
        assert call(service, "GET", "/start-" + "x" * 200 + "-end")[0] == 404
        assert call(service, "GET", "/health")[0] == 200
        while b"/health" not in out:
            out += os.read(ours, 4096)
    finally:
        tracer.kill()
        tracer.communicate()
        os.close(ours)
    lines = out.decode().replace("\r", "").split("\n")
    (long,) = [line for line in lines if "/start-" in line]
    assert re.search(r"/start-x*…x*-end ", long)
    assert [line for line in lines if len(line) > width] == []
