# SPDX-License-Identifier: Apache-2.0
"""HTTP/1 on the wire: two processes play a script, both are traced, each exchange gives one span at each end."""

import os
import random
import socket

import pytest

from harness import CLOSE, HALF_CLOSE, C, S, receive_exactly, request, response, send_bytewise, send_whole, wait_peer_done

TOKEN = b"!#$%&'*+-.^_`|~09az"
CHUNKED = b"Transfer-Encoding: chunked"


def span(method, path, status, request_bytes=0, response_bytes=0, **more):
    return dict(method=method, path=path, status=status, request_bytes=request_bytes, response_bytes=response_bytes, **more)


def in_order(spans, expected):
    """A span may wait for the other end's, so they are not printed in the order of the requests."""
    paths = [want.get("path") for want in expected]
    return sorted(spans, key=lambda s: paths.index(s.get("path")) if s.get("path") in paths else -1)


def check(spans, expected):
    spans = in_order(spans, expected)
    got = [{k: s.get(k) for k in want} for s, want in zip(spans, expected)]
    assert got == expected
    assert len(spans) == len(expected), f"{len(spans) - len(expected)} spans too many: {spans}"
    assert not any("incomplete" in s or "error_type" in s and s["status"] < 400 for s in spans)


def check_joined(server, client):
    """Each server span hangs below the client span of the same request."""
    calls = {c["span_id"]: c for c in client}
    for s in server:
        call = calls.pop(s["parent_span_id"])
        assert s["evidence"] == "socket" and s["trace_id"] == call["trace_id"]
        assert [s.get(k) for k in ("method", "path", "status")] == [call.get(k) for k in ("method", "path", "status")]
    assert not calls


# name → script, expected spans
SCRIPTS = {
    "keep-alive": (
        [C(request(target=b"/a?x=1")), S(response(200, b"one")), C(request(b"POST", b"/b", b"hello")), S(response(404, b""))],
        [span("GET", "/a", 200, 0, 3, query="x=1", host="shop.test"), span("POST", "/b", 404, 5, 0)],
    ),
    "HTTP/1.0 ended by close": (
        [C(request(target=b"/old", version=b"HTTP/1.0")), S(response(200, b"x" * 5000, version=b"HTTP/1.0", length=False)), S(CLOSE)],
        [span("GET", "/old", 200, 0, 5000)],
    ),
    "HTTP/1.1 ended by close": (
        [C(request(target=b"/c")), S(response(200, b"x" * 70000, b"Connection: close", length=False)), S(CLOSE)],
        [span("GET", "/c", 200, 0, 70000)],
    ),
    "half-closed request": (
        [C(request(target=b"/half")), C(HALF_CLOSE), S(response(200, b"late"))],
        [span("GET", "/half", 200, 0, 4)],
    ),
    "chunks with extensions and trailers": (
        [
            C(request(b"PUT", b"/up", None, CHUNKED) + b"5;name=value\r\nhello\r\n"),
            C(b"1A;q=\"a;b\"\r\nabcdefghijklmnopqrstuvwxyz\r\n"),
            C(b"0\r\nDigest: x\r\nX-More: GET / HTTP/1.1\r\n\r\n"),
            S(b"HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\ntrailer: X-End\r\n\r\n"),
            S(b"3\r\nabc\r\n"),
            S(b"00007\r\n1234567\r\n0\r\nX-End: 1\r\n\r\n"),
            C(request(target=b"/next")),
            S(response(200, b"ok")),
        ],
        [span("PUT", "/up", 200, 31, 10), span("GET", "/next", 200, 0, 2)],
    ),
    "large chunks": (
        [
            C(request(b"POST", b"/big", None, CHUNKED) + b"20000\r\n" + b"r" * 0x20000 + b"\r\n0\r\n\r\n"),
            S(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            *[S(b"8000\r\n" + b"b" * 0x8000 + b"\r\n")] * 8,
            S(b"0\r\n\r\n"),
            C(request(target=b"/next")),
            S(response(204, length=False)),
        ],
        [span("POST", "/big", 200, 0x20000, 0x40000), span("GET", "/next", 204)],
    ),
    "no body by rule": (
        [
            C(request(b"HEAD", b"/h")),
            S(response(200, b"", b"Content-Length: 1000", length=False)),
            C(request(target=b"/n")),
            S(response(204, length=False)),
            C(request(target=b"/m")),
            S(response(304, b"", b"Content-Length: 1000", length=False)),
            C(request(target=b"/e")),
            S(response(200, b"end")),
        ],
        [span("HEAD", "/h", 200), span("GET", "/n", 204), span("GET", "/m", 304), span("GET", "/e", 200, 0, 3)],
    ),
    "interim responses": (
        [
            C(request(b"PUT", b"/x", None, b"Content-Length: 5", b"Expect: 100-continue")),
            S(b"HTTP/1.1 100 Continue\r\n\r\n"),
            C(b"hello"),
            S(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"),
            S(response(201, b"done")),
            C(request(target=b"/y")),
            S(response(200, b"")),
        ],
        [span("PUT", "/x", 201, 5, 4), span("GET", "/y", 200)],
    ),
    "expectation that fails": (
        [
            C(request(b"PUT", b"/x", None, b"Content-Length: 5", b"Expect: 100-continue")),
            S(response(417, b"no", b"Connection: close")),
            S(CLOSE),
        ],
        [span("PUT", "/x", 417, 0, 2)],
    ),
    "upgrade": (
        [
            C(request(target=b"/chat", body=None) [:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            S(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            C(request(target=b"/phantom")),
            S(response(200, b"phantom")),
            S(b"\x81\x05hello" * 300),
        ],
        [span("GET", "/chat", 101)],
    ),
    "upgrade that is declined": (
        [
            C(request(target=b"/chat", body=None) [:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
            S(response(200, b"plain")),
            C(request(target=b"/again")),
            S(response(200, b"")),
        ],
        [span("GET", "/chat", 200, 0, 5), span("GET", "/again", 200)],
    ),
    "connect": (
        [
            C(b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"),
            S(b"HTTP/1.1 200 Connection established\r\n\r\n"),
            C(b"\x16\x03\x01\x02\x00\x01" + b"\x55" * 500),
            S(request(target=b"/phantom")),
        ],
        [dict(method="CONNECT", status=200, host="shop.test:443")],
    ),
    "connect that is refused": (
        [
            C(b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"),
            S(response(407, b"who?")),
            C(request(target=b"/next")),
            S(response(200, b"")),
        ],
        [dict(method="CONNECT", status=407, response_bytes=4), span("GET", "/next", 200)],
    ),
    "any method": (
        [C(request(TOKEN, b"/t")), S(response(200)), C(request(b"M-SEARCH", b"*")), S(response(501)), C(request(b"x", b"/l", b"b")), S(response(405))],
        [span(TOKEN.decode(), "/t", 200), span("M-SEARCH", "*", 501), span("x", "/l", 405, 1)],
    ),
    "forms of the target": (
        [
            C(b"GET http://other.test:81/p/q?z=2 HTTP/1.1\r\nHost: shop.test\r\n\r\n"),
            S(response(200)),
            C(b"GET http://other.test HTTP/1.1\r\nHost: shop.test\r\n\r\n"),
            S(response(200)),
            C(request(b"OPTIONS", b"*")),
            S(response(204, length=False)),
            C(request(target=b"/http://not.a.host/")),
            S(response(200)),
        ],
        [
            span("GET", "/p/q", 200, query="z=2"),
            span("GET", "/", 200),
            span("OPTIONS", "*", 204),
            span("GET", "/http://not.a.host/", 200),
        ],
    ),
    "header names in any case, without a space": (
        [
            C(b"POST /c HTTP/1.1\r\nhOsT:\tlower.test \r\nUSER-AGENT:ua/1\r\nCONTENT-LENGTH:4\r\n\r\nabcd"),
            S(b"HTTP/1.1 200 OK\r\ncontent-LENGTH:   3\r\n\r\nabc"),
            C(request(target=b"/d")),
            S(response(200)),
        ],
        [span("POST", "/c", 200, 4, 3, host="lower.test", user_agent="ua/1"), span("GET", "/d", 200)],
    ),
    "bodies that look like messages": (
        [
            C(request(b"POST", b"/a", request(target=b"/phantom") * 3)),
            S(response(200, response(500, b"phantom") * 2)),
            C(request(b"POST", b"/b", None, b"Content-Length: 80000")),
            C((request(target=b"/phantom") + b" " * 80000)[:80000]),
            S(response(200, b"", b"Content-Length: 50000", length=False)),
            S((b"HTTP/1.1 404 Not Found\r\n\r\n" + b" " * 50000)[:50000]),
            C(request(target=b"/c")),
            S(response(200)),
        ],
        [
            span("POST", "/a", 200, len(request(target=b"/phantom")) * 3, len(response(500, b"phantom")) * 2),
            span("POST", "/b", 200, 80000, 50000),
            span("GET", "/c", 200),
        ],
    ),
    "empty lines between messages": (
        [C(request(target=b"/a")), S(response(200)), C(b"\r\n" + request(target=b"/b")), S(response(200))],
        [span("GET", "/a", 200), span("GET", "/b", 200)],
    ),
    "heads in pieces": (
        [
            C(b"GE"), C(b"T /pieces?a="), C(b"b HTTP/1.1\r"), C(b"\nHost: shop"), C(b".test\r\n\r"), C(b"\n"),
            S(b"H"), S(b"TTP/1.1 20"), S(b"0 OK\r\nContent-Le"), S(b"ngth: 4\r\n\r\nbo"), S(b"dy"),
            C(request(target=b"/next")), S(response(200)),
        ],
        [span("GET", "/pieces", 200, 0, 4, query="a=b", host="shop.test"), span("GET", "/next", 200)],
    ),
    "answer before the request's end": (
        [
            C(request(b"POST", b"/early", None, b"Content-Length: 100") + b"x" * 50),
            S(response(413, b"too much")),
            C(b"x" * 50),
            C(request(target=b"/next")),
            S(response(200)),
        ],
        [span("POST", "/early", 413, 100, 8), span("GET", "/next", 200)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(converse, name):
    script, expected = SCRIPTS[name]
    server, client = converse(script)
    check(server, expected)
    check(client, expected)
    check_joined(server, client)
    assert all(s["protocol"] == "http" for s in server + client)


def test_many_chunks_in_one_call(converse):
    """Their sizes lie in bytes that are not captured: the length is that of the wire, and marked as such."""
    framed = (b"8000\r\n" + b"b" * 0x8000 + b"\r\n") * 8 + b"0\r\n\r\n"
    script = [
        C(request(target=b"/chunks")),
        S(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed),
        C(request(target=b"/next")),
        S(response(404, b"no")),
    ]
    for spans in converse(script):
        assert [(s["path"], s["status"]) for s in spans] == [("/chunks", 200), ("/next", 404)]
        assert spans[0].get("truncated") or spans[0].get("incomplete") or spans[0]["response_bytes"] == 0x40000
        assert 0x40000 <= spans[0]["response_bytes"] <= len(framed)
        assert "truncated" not in spans[1] and "incomplete" not in spans[1] and "error_type" not in spans[0]


@pytest.mark.parametrize("name", ["keep-alive", "chunks with extensions and trailers", "no body by rule", "interim responses"])
def test_byte_by_byte(converse, name):
    script, expected = SCRIPTS[name]
    server, client = converse(script, server=[send_bytewise], client=[send_bytewise])
    check(server, expected)
    check(client, expected)
    check_joined(server, client)


@pytest.mark.parametrize("family", [socket.AF_INET6, socket.AF_UNIX], ids=["IPv6", "unix"])
def test_family(converse, family):
    script, expected = SCRIPTS["keep-alive"]
    server, client = converse(script, family=family)
    check(server, expected)
    check(client, expected)
    check_joined(server, client)
    place = "[::1]:" if family == socket.AF_INET6 else "talk.sock"
    assert all(place in s["local"] for s in server) and all(place in s["peer"] for s in client)


def vectors(data, n):
    """Data cut into n parts; the first ones are small."""
    cuts = sorted(random.Random(n).sample(range(1, len(data)), n - 1))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def send_vectors(n):
    def send(sock, data):
        assert sock.sendmsg(vectors(data, min(n, len(data)))) == len(data)

    return send


def receive_vectors(sock, n):
    """Eight buffers at a time, filled in part."""
    while n:
        buffers = [bytearray(size) for size in (1, 2, 3, 10, 50, 100, 1000, 100000)]
        got, _, _, _ = sock.recvmsg_into(buffers)
        assert got
        n -= got
    assert n == 0


def send_writev(sock, data):
    assert os.writev(sock.fileno(), vectors(data, 8)) == len(data)


def receive_readv(sock, n):
    while n:
        got = os.readv(sock.fileno(), [bytearray(7), bytearray(11), bytearray(5000)])
        assert got
        n -= got


def send_write(sock, data):
    while data:
        data = data[os.write(sock.fileno(), data) :]


def receive_read(sock, n):
    while n:
        n -= len(os.read(sock.fileno(), n))


def receive_peeked(sock, n):
    """Looks at everything first, twice, and takes a part of what it saw."""
    while n:
        for _ in range(2):
            seen = sock.recv(n, socket.MSG_PEEK)
        assert seen
        n -= len(sock.recv(max(1, len(seen) // 2)))


def receive_waitall(sock, n):
    assert len(sock.recv(n, socket.MSG_WAITALL)) == n


def receive_into(sock, n):
    buffer = memoryview(bytearray(n))
    while n:
        n -= sock.recvfrom_into(buffer, n)[0]


CALLS = {
    "sendmsg of 8 iovecs, recvmsg": (send_vectors(8), receive_vectors),
    "writev, readv": (send_writev, receive_readv),
    "write, read": (send_write, receive_read),
    "MSG_PEEK": (send_write, receive_peeked),
    "MSG_WAITALL": (send_write, receive_waitall),
    "recvfrom": (send_write, receive_into),
}


@pytest.mark.parametrize("name", CALLS)
def test_system_calls(converse, name):
    script = [
        C(request(b"POST", b"/one?a=1", b"b" * 20000)),
        S(response(200, b"r" * 30000)),
        C(request(target=b"/two")),
        S(response(404, b"no")),
    ]
    server, client = converse(script, server=CALLS[name], client=CALLS[name])
    expected = [span("POST", "/one", 200, 20000, 30000, query="a=1"), span("GET", "/two", 404, 0, 2)]
    check(server, expected)
    check(client, expected)
    check_joined(server, client)


@pytest.mark.parametrize("n", [24, 200, 1000])
def test_many_iovecs(converse, n):
    """A head in two vectors, then a body in many: the head is whole, the body's length is known."""

    def send(sock, data):
        head, _, body = data.partition(b"\r\n\r\n")
        parts = [head[:10], head[10:] + b"\r\n\r\n"] + (vectors(body, n) if body else [])
        assert sock.sendmsg(parts) == len(data)

    script = [C(request(b"POST", b"/v", b"b" * 4000)), S(response(200, b"r" * 6000)), C(request(target=b"/w")), S(response(204, length=False))]
    server, client = converse(script, server=[send, receive_vectors], client=[send, receive_vectors])
    expected = [span("POST", "/v", 200, 4000, 6000), span("GET", "/w", 204)]
    check(server, expected)
    check(client, expected)


def test_head_in_many_iovecs(converse):
    """One vector a header, as some servers write: 40 of them before the one that tells the length."""

    def send(sock, data):
        lines = data.split(b"\r\n")
        parts = [line + b"\r\n" for line in lines[:-1]] + [lines[-1]]
        assert sock.sendmsg(parts) == len(data)

    fields = [b"X-Field-%d: value" % i for i in range(40)]
    script = [
        C(request(b"POST", b"/v", b"b" * 300, *fields)),
        S(response(201, b"r" * 500, *fields)),
        C(request(target=b"/w")),
        S(response(204, length=False)),
    ]
    server, client = converse(script, server=[send], client=[send])
    # Whoever sends with them sees all of it all the same.
    check(server, [span("POST", "/v", 201, 300, 500), span("GET", "/w", 204)])
    check(client, [span("POST", "/v", 201, 300, 500), span("GET", "/w", 204)])


def test_sendfile(converse, folder):
    size = 3_000_000
    with open(f"{folder}/file", "wb") as f:
        f.write(b"GET / HTTP/1.1\r\n\r\n" * (size // 18 + 1))
        f.truncate(size)

    def send(sock, data):
        head, separator, body = data.partition(b"\r\n\r\n")
        sock.sendall(head + separator)
        with open(f"{folder}/file", "rb") as f:
            sent = 0
            while sent < len(body):
                sent += os.sendfile(sock.fileno(), f.fileno(), sent, len(body) - sent)

    script = [C(request(target=b"/file")), S(response(200, b"x" * size)), C(request(target=b"/next")), S(response(200))]
    server, client = converse(script, server=[send])
    expected = [span("GET", "/file", 200, 0, size), span("GET", "/next", 200)]
    check(server, expected)
    check(client, expected)


def pieces(data):
    """Data cut anywhere, into pieces of which each is captured whole."""
    cut = random.Random(len(data))
    while data:
        n = cut.randint(1, 1000)
        yield data[:n]
        data = data[n:]


def pipeline(rounds, scale):
    """Batches of 16 whose heads, bodies, statuses and sizes all differ: (requests, responses), expected spans."""
    methods = [b"GET", b"POST", b"HEAD", b"PUT"]
    statuses = [200, 404, 204, 503, 304, 201]
    batches, expected = [], []
    for n in range(16 * rounds):
        if n % 16 == 0:
            batches.append((b"", b""))
        method, status = methods[n % 4], statuses[n % 6]
        body = None if method in (b"GET", b"HEAD") else b"b" * (n * 37 % scale)
        size = n * 101 % (3 * scale)
        if method == b"HEAD" or status in (204, 304):
            answer, size = response(status, length=False), 0
        elif n % 5 == 0:
            answer = response(status, b"", CHUNKED, length=False)
            answer += (b"%x\r\n" % size + b"r" * size + b"\r\n" if size else b"") + b"0\r\n\r\n"
        else:
            answer = response(status, b"r" * size)
        requests, responses = batches[-1]
        batches[-1] = requests + request(method, b"/%d/%d" % (n, status), body), responses + answer
        expected.append(span(method.decode(), f"/{n}/{status}", status, len(body or b""), size))
    return batches, expected


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in pieces"])
def test_pipeline(converse, at_once):
    """Each response belongs to its own request."""
    batches, expected = pipeline(5, 120 if at_once else 3000)
    script = []
    for requests, responses in batches:
        if at_once:
            assert max(len(requests), len(responses)) < 8192, "all of it is captured"
            script += [C(requests), S(responses)]
        else:
            script += [C(part) for part in pieces(requests)] + [S(part) for part in pieces(responses)]
    server, client = converse(script)
    check(server, expected)
    check(client, expected)
    check_joined(server, client)


def test_pipeline_beyond_the_capture(converse):
    """
    Many messages in one call of 30 KB and more: those that lie beyond what is captured may be missing, but none
    has another's status, and the exchanges after it are right.
    """
    batches, expected = pipeline(4, 4000)
    script = []
    for i, (requests, responses) in enumerate(batches):
        script += [C(requests), S(responses), C(request(target=b"/after/%d" % i)), S(response(202, b"after"))]
    for spans in converse(script):
        right = {e["path"]: e["status"] for e in expected}
        assert len({s["path"] for s in spans}) == len(spans)
        for s in spans:
            if s["path"].startswith("/after/"):
                assert s["status"] == 202 and s["response_bytes"] == 5
            else:
                assert s.get("status") in (right[s["path"]], None)
                assert "status" in s or s["incomplete"]
        assert [s["path"] for s in spans if s.get("status") == 202] == [f"/after/{i}" for i in range(4)]


def test_long_head(converse):
    """A cookie of 12 KB: marked, with method, path and status right, and the next request right as well."""
    cookie = b"Cookie: " + b"c" * 12000
    script = [
        C(request(b"POST", b"/long?q=1", b"body" * 10, cookie)),
        S(response(200, b"r" * 77, b"X-Long: " + b"l" * 12000)),
        C(request(target=b"/next")),
        S(response(404, b"no")),
    ]
    for spans in converse(script):
        assert [(s["method"], s["path"], s["status"]) for s in spans] == [("POST", "/long", 200), ("GET", "/next", 404)]
        assert [s.get("truncated", False) for s in spans] == [True, False]
        assert not any(s.get("error_type") for s in spans if s["status"] == 200)


def test_head_longer_than_the_capture(converse):
    """What lies beyond --capture is not seen, but the length before it keeps the boundaries."""
    long = b"X-Long: " + b"l" * 3000
    script = [
        C(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n" + long + b"\r\n\r\nabcdef"),
        S(b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n" + long + b"\r\n\r\nabc"),
        C(request(target=b"/b")),
        S(response(200)),
    ]
    for spans in converse(script, options=["--capture", "512"]):
        assert [(s["method"], s["path"], s["status"]) for s in spans] == [("POST", "/a", 500), ("GET", "/b", 200)]
        assert spans[0]["truncated"] is True and "truncated" not in spans[1]


def test_opened_before_attach(converse):
    """The connection carried requests already; the next one is a span, roles and addresses are known."""
    before = [C(request(target=b"/before")), S(response(200, b"unseen")), C(request(target=b"/b2")), S(response(200))]
    script = [C(request(target=b"/after")), S(response(503, b"seen")), C(request(b"POST", b"/next", b"xyz")), S(response(201))]
    server, client = converse(script, before=before)
    expected = [span("GET", "/after", 503, 0, 4), span("POST", "/next", 201, 3)]
    check(server, expected)
    check(client, expected)
    check_joined(server, client)


def test_attached_amid_a_body(converse):
    """The first bytes seen belong to nobody: no span for them, none invented, the next request is right."""
    before = [C(request(target=b"/before")), S(response(200, b"", b"Content-Length: 9000", length=False) + b"b" * 4000)]
    script = [S(b"GET /phantom HTTP/1.1\r\n\r\n".ljust(5000, b"b")), C(request(target=b"/after")), S(response(200, b"abc"))]
    for spans in converse(script, before=before):
        assert [(s["path"], s["status"]) for s in spans if s["path"] != "/before"] == [("/after", 200)]


def test_reader_slower_than_writer(converse):
    """The bytes of many messages are received a few at a time."""
    script = [C(b"".join(request(target=b"/%d" % i) for i in range(50))), S(b"".join(response(200, b"r" * i) for i in range(50)))]

    def receive(sock, n):
        while n:
            data = sock.recv(min(n, 13))
            n -= len(data)

    server, client = converse(script, server=[send_bytewise, receive], client=[send_bytewise, receive])
    expected = [span("GET", f"/{i}", 200, 0, i) for i in range(50)]
    check(server, expected)
    check(client, expected)


def test_times(converse):
    """A server's span lies within its client's, the first byte comes before the last."""
    server, client = converse([C(request()), S(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), S(b"slow")])
    for s in server + client:
        assert 0 <= s["ttfb_ms"] <= s["duration_ms"]
    assert server[0]["duration_ms"] <= client[0]["duration_ms"]


def test_traceparent_is_adopted(converse):
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    header = f"TRACEPARENT:00-{trace_id}-{span_id}-01".encode()
    padding = b"Cookie: " + b"c" * 2000
    server, _ = converse([C(request(b"GET", b"/t", None, padding, header)), S(response())])
    assert server[0]["trace_id"] == trace_id and server[0]["parent_span_id"] == span_id
    assert server[0]["evidence"] == "traceparent"


def test_request_id_is_taken_or_made(converse):
    server, client = converse([C(request(b"GET", b"/t", None, b"x-request-id: abc-123")), S(response()), C(request()), S(response())])
    assert server[0]["request_id"] == client[0]["request_id"] == "abc-123"
    assert server[1]["request_id"] == client[1]["request_id"] != "abc-123"


def test_trace_context_and_baggage(converse):
    """What was asked for of the baggage is an attribute of both spans; tracestate is kept as it came."""
    asked = request(b"GET", b"/", None, b"tracestate: a=1,b=2", b"Baggage: user.id=a%20b;p=1, secret=2")
    server, client = converse([C(asked), S(response())], options=["--baggage", "user.id,absent"])
    for spans in (server, client):
        assert [(s["tracestate"], s["attributes"]) for s in spans] == [("a=1,b=2", {"user.id": "a b"})]


def test_read_after_the_end(converse):
    """A server that reads for the first time when its client has sent all, a few bytes at a time."""

    def receive(sock, n):
        wait_peer_done(sock)
        while n:
            receive_exactly(sock, min(n, 2))
            n -= min(n, 2)

    script = [C(request(target=b"/late")), C(HALF_CLOSE), S(response(200, b"ok"))]
    server, client = converse(script, server=(send_whole, receive))
    check(server, [span("GET", "/late", 200, 0, 2)])
    check(client, [span("GET", "/late", 200, 0, 2)])
