# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on connections is said as it is: an error type, never an invented status."""

import os
import socket

import pytest

from harness import CLOSE, RESET, C, Forked, Gate, S, connect, free_port, listen, request, response, wait_until
from servers import need

# name → script, the client span's error, the server span's (None: no error, ANY: some error)
ANY = object()
BROKEN = {
    "closed without a response": ([C(request(target=b"/x")), S(CLOSE)], "peer_closed", ANY),
    "reset without a response": ([C(request(target=b"/x")), S(RESET)], "connection_reset", ANY),
    "closed amid the head": ([C(request(target=b"/x")), S(b"HTTP/1.1 2"), S(CLOSE)], "peer_closed", ANY),
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_response(converse, name):
    script, client_error, server_error = BROKEN[name]
    server, client = converse(script)
    for spans, error in ((client, client_error), (server, server_error)):
        (span,) = spans
        assert "status" not in span and (span["method"], span["path"]) == ("GET", "/x")
        assert span["error_type"] if error is ANY else span["error_type"] == error


@pytest.mark.parametrize("end, error", [(CLOSE, "peer_closed"), (RESET, "connection_reset")], ids=["close", "reset"])
def test_response_cut_short(converse, end, error):
    """The status was received; that the body was not is an error all the same."""
    script = [
        C(request(target=b"/x")),
        S(response(200, b"", b"Content-Length: 100000", length=False) + b"b" * 500),
        S(end),
    ]
    for spans in converse(script):
        (span,) = spans
        assert span["status"] == 200 and span["error_type"] and span["response_bytes"] == 500
        assert span["kind"] == "server" or span["error_type"] == error


def test_second_request_unanswered(converse):
    """The first exchange is complete; the second has no response, and does not take the first one's."""
    script = [C(request(target=b"/a")), S(response(200)), C(request(target=b"/b")), S(CLOSE)]
    for spans in converse(script):
        assert [(s["path"], s.get("status")) for s in spans] == [("/a", 200), ("/b", None)]
        assert "error_type" not in spans[0] and spans[1]["error_type"]


def test_keep_alive_end_is_no_error(converse):
    """An idle connection that either side closes gives no span of its own."""
    for who in (C, S):
        for spans in converse([C(request()), S(response()), who(CLOSE)]):
            (span,) = spans
            assert span["status"] == 200 and "error_type" not in span


def test_client_gives_up(folder, attach, started):
    """curl stops waiting while the server still works."""
    listener, gone = listen(), Gate()

    def serve():
        conn, _ = listener.accept()
        conn.recv(4096)
        gone.wait()
        conn.close()

    server = started(Forked(serve))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/slow"
    tracer = attach("-p", server.pid, "--", need("curl"), "-s", "--max-time", "0.3", url, "-o", "/dev/null")
    client = tracer.wait_spans(1, kind="client")
    gone.open()
    assert server.wait() == 0
    assert tracer.wait() == 28, "curl's exit code"
    (client,), (server_span,) = tracer.spans(kind="client"), tracer.spans(kind="server")
    for span in (client, server_span):
        assert "status" not in span and span["error_type"] and span["path"] == "/slow"
    assert client["error_type"] == "local_closed"


def test_connection_refused(folder, started, attach):
    port = free_port()
    tracer = attach("--", need("curl"), "-s", f"http://127.0.0.1:{port}/x")
    assert tracer.wait() == 7, "curl's exit code"
    (span,) = tracer.spans()
    assert span["kind"] == "client" and "status" not in span and "method" not in span
    assert span["error_type"] == "connect_refused"
    assert span["peer"] == f"127.0.0.1:{port}"


def test_connect_abandoned(folder, attach, started):
    """The listener's backlog is full: the connect is never answered, and the client gives up."""
    listener = listen(backlog=0)
    address = listener.getsockname()
    filler = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(address)
        filler.append(s)
    tracer = attach("--", need("curl"), "-s", "--connect-timeout", "0.5", f"http://127.0.0.1:{address[1]}/x")
    assert tracer.wait() == 28, "curl's exit code"
    (span,) = tracer.spans()
    assert "status" not in span and span["error_type"] == "connect_abandoned"
    assert span["peer"] == f"127.0.0.1:{address[1]}"


def test_connect_that_is_not_blocking(attach, started):
    """A connect that is in progress and then succeeds is no error."""
    listener, gate = listen(), Gate()

    def call():
        gate.wait()
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
        s.setblocking(True)
        s.sendall(request(target=b"/x"))
        assert s.recv(4096)

    client = started(Forked(call))
    tracer = attach("-p", client.pid)
    gate.open()
    conn, _ = listener.accept()
    conn.recv(4096)
    conn.sendall(response(204, length=False))
    (span,) = tracer.wait_end()
    assert (span["status"], span["path"]) == (204, "/x")


UNKNOWN = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "random": os.urandom(3000),
    "text": b"EHLO shop.test\r\nMAIL FROM:<a@b>\r\n" * 40,
    "one byte": b"\x00",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_protocol(name, agent, talk):
    """Bytes that are not HTTP give no span, also when HTTP follows in them; they are counted."""
    data = UNKNOWN[name]
    t = talk([C(data), S(data), C(b"\r\n" + request(target=b"/phantom")), S(response(200, b"phantom"))])
    tracer = agent("-p", t.server.pid)
    t.run()
    total = 2 * len(data) + len(b"\r\n" + request(target=b"/phantom")) + len(response(200, b"phantom"))
    tracer.wait_metric(total, "spanhook_unknown_protocol_bytes_total")
    assert tracer.metric("spanhook_unknown_protocol_bytes_total") == total
    assert tracer.metric("spanhook_connections_unknown_protocol_total") == 1
    assert tracer.finish() == []


def test_lone_request(attach, started):
    """Visible while its connection stays open and idle."""
    listener = listen()

    def serve():
        conn, _ = listener.accept()
        conn.recv(4096)
        conn.sendall(response(200, b"lone"))
        conn.recv(1)

    server = started(Forked(serve))
    tracer = attach("-p", server.pid)
    with connect(socket.AF_INET, listener.getsockname()) as sock:
        sock.sendall(request(target=b"/lone"))
        sock.recv(4096)
        wait_until(lambda: tracer.spans(path="/lone"), "the span of a lone request", timeout=2)


def test_response_that_never_ends(attach, started):
    """Other requests are shown meanwhile; at the end it is an incomplete span or one of an error."""
    listener, gate = listen(), Gate()

    def serve():
        endless, _ = listener.accept()
        endless.recv(4096)
        endless.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(100):
            endless.sendall(b"1000\r\n" + b"e" * 0x1000 + b"\r\n")
            other, _ = listener.accept()
            other.recv(4096)
            other.sendall(response(200))
            other.close()
        gate.wait()

    server = started(Forked(serve))
    tracer = attach("-p", server.pid)
    address = listener.getsockname()
    with connect(socket.AF_INET, address) as sock:
        sock.sendall(request(target=b"/endless"))
        for i in range(100):
            with connect(socket.AF_INET, address) as other:
                other.sendall(request(target=b"/%d" % i))
                assert other.recv(4096)
        tracer.wait_spans(100)
        assert [s["path"] for s in tracer.spans()] == [f"/{i}" for i in range(100)]
        gate.open()
    spans = tracer.wait_end()
    assert len(spans) == 101
    assert spans[-1]["path"] == "/endless" and spans[-1]["response_bytes"] == 100 * 0x1000
    assert spans[-1].get("incomplete") or spans[-1].get("error_type")


def test_request_open_at_the_end(attach, started):
    """Stopped while a request waits for its response: a span that says so."""
    listener, received, gate = listen(), Gate(), Gate()

    def serve():
        conn, _ = listener.accept()
        conn.recv(4096)
        received.open()
        gate.wait()

    server = started(Forked(serve))
    tracer = attach("-p", server.pid)
    with connect(socket.AF_INET, listener.getsockname()) as sock:
        sock.sendall(request(target=b"/open"))
        received.wait()
        (span,) = tracer.finish()
        gate.open()
    assert span["path"] == "/open" and span["incomplete"] is True and "status" not in span
