# SPDX-License-Identifier: Apache-2.0
"""Real servers and real clients: the spans are what the server's own log says, status by status."""

import collections
import http.client
import re
import socket

import pytest

import servers
from harness import Program, Spanhook, request, wait_until
from servers import SIZES, STATUSES, need


def tally(entries, *keys):
    return collections.Counter(tuple(str(e.get(k, "")) for k in keys) for e in entries)


def target(span):
    return span["path"] + ("?" + span["query"] if "query" in span else "")


def spans_tally(spans):
    return collections.Counter((str(s["status"]), s["method"], target(s)) for s in spans)


def log_tally(log):
    return tally(log, "status", "method", "target")


def exchange(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return str(answer.status), method, path, len(answer.read())


REQUESTS = [
    ("GET", "/small.txt", None),
    ("GET", "/large.bin", None),
    ("GET", "/absent", None),
    ("HEAD", "/small.txt", None),
    ("POST", "/echo", b"e" * 20000),
    ("GET", "/fail", None),
    ("GET", "/small.txt?a=1&b=%20", None),
]

SERVERS = {
    "nginx": servers.nginx,
    "nginx without sendfile": lambda folder: servers.nginx(folder, sendfile="off"),
    "nginx of 3 workers": lambda folder: servers.nginx(folder, workers=3),
    "Apache event": servers.apache,
    "Apache prefork": lambda folder: servers.apache(folder, mpm="prefork"),
    "http.server": servers.python_http,
    "gunicorn sync": servers.gunicorn,
    "gunicorn gthread": lambda folder: servers.gunicorn(folder, kind="gthread"),
    "Node": servers.node,
}


@pytest.mark.parametrize("name", SERVERS)
def test_server(name, folder, started, attach):
    server = started(SERVERS[name](folder))
    tracer = attach(*server.select())
    seen = []
    for _ in range(4):  # connections
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        for _ in range(3):
            seen += [exchange(connection, *what) for what in REQUESTS]
        connection.close()
    log = server.wait_log(len(seen))
    tracer.wait_spans(len(seen))
    spans = tracer.finish()
    assert collections.Counter((str(s["status"]), s["method"], target(s), s["response_bytes"]) for s in spans) == (
        collections.Counter(seen)
    )
    assert tally(spans, "status", "method") == tally(log, "status", "method")
    uploads = [s for s in spans if s["method"] == "POST"]
    # Who refuses an upload need not read it.
    assert not [s for s in uploads if s["request_bytes"] != 20000 and (s["status"] == 201 or s["request_bytes"] > 20000)]
    assert not [s for s in spans if s["method"] != "POST" and s["request_bytes"]]
    assert not [s for s in spans if s["kind"] != "server" or s["pid"] not in server.pids()]
    assert not [s for s in spans if "incomplete" in s or "truncated" in s]


WRK_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", paths[n % #paths + 1])
end
response = function()
  if n >= limit then wrk.thread:stop() end
end
"""


def wrk(folder, url, paths, limit, connections, seconds=3):
    """At most so many requests: it stays for its time, but stops sending then."""
    script = f"{folder}/wrk.lua"
    with open(script, "w") as f:
        f.write("paths = {" + ",".join(f'"{p}"' for p in paths) + f"}}\nlimit = {limit}\n" + WRK_SCRIPT)
    return [need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}", "-s", script, url]


def test_nginx_saturated(folder, started, attach):
    """20,000 requests on keep-alive connections: as many spans, statuses as in the log, nothing lost."""
    server = started(servers.nginx(folder))
    tracer = attach(*server.select())
    paths = [f"/s/{status}/{size}" for status in (200, 404, 503) for size in SIZES]
    load = Program(folder, "wrk", wrk(folder, server.url, paths, 20000, 16))
    assert load.wait() == 0
    done = int(re.search(r"(\d+) requests in", load.out()).group(1))
    tracer.wait_spans(done)
    # nginx has read all that it will once its connections are closed.
    wait_until(lambda: not established(server.port), "the connections to be closed")
    spans, log = tracer.finish(), server.log()
    assert len(spans) >= done > 1000
    assert spans_tally(spans) == log_tally(log)
    assert "lost:" not in tracer.err()


def established(port):
    """Connections of a server that it has not closed."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f][1:]
    return [r for r in rows if int(r[1][-4:], 16) == port and r[3] in ("01", "08")]


def attach_command(folder, argv):
    return Spanhook(folder, "attach", "--output", "json", "--", *argv)


def test_wrk_as_traced_client(folder, started):
    server = started(servers.nginx(folder))
    tracer = started(attach_command(folder, wrk(folder, server.url, ["/small.txt", "/s/404/7"], 2000, 4, seconds=2)))
    spans = tracer.wait_end()
    answered, log = [s for s in spans if "status" in s], log_tally(server.log())
    # The last requests are dropped when wrk stops, before their answers or amid them.
    assert not spans_tally(answered) - log
    assert sum((log - spans_tally(answered)).values()) <= 4
    assert len(answered) > 500 and len(spans) - len(answered) <= 4
    assert all(s["kind"] == "client" and s["command"] == "wrk" for s in spans)


CLIENTS = {
    "curl": lambda url: [need("curl"), "-s", "-o", "/dev/null", f"{url}/small.txt", "-o", "/dev/null", f"{url}/s/404/7"],
    "http.client": lambda url: [
        "/usr/bin/python3",
        "-c",
        "import http.client, sys\n"
        "c = http.client.HTTPConnection(sys.argv[1])\n"
        "for p in ('/small.txt', '/s/404/7'): c.request('GET', p); c.getresponse().read()",
        url[7:],
    ],
    "Node": lambda url: [
        need("node"),
        "-e",
        "(async () => { for (const p of ['/small.txt', '/s/404/7'])"
        f" await (await fetch('{url}' + p)).arrayBuffer(); }})()",
    ],
}


@pytest.mark.parametrize("name", CLIENTS)
def test_client(name, folder, started):
    """A program that is traced from its first instruction on."""
    server = started(servers.nginx(folder))
    tracer = started(attach_command(folder, CLIENTS[name](server.url)))
    spans = tracer.wait_end()
    assert [(s["kind"], s["status"], s["path"], s["response_bytes"]) for s in spans] == [
        ("client", 200, "/small.txt", 1000),
        ("client", 404, "/s/404/7", 7),
    ]
    assert all(s["peer"] == f"127.0.0.1:{server.port}" and s["pid"] != tracer.pid for s in spans)


def test_curl_over_a_unix_socket(folder, started, attach):
    server = started(servers.nginx(folder, listen=f"listen unix:{folder}/http.sock;"))
    tracer = attach(*server.select())
    curl = Program(folder, "curl", [need("curl"), "-s", "--unix-socket", f"{folder}/http.sock", "http://unix/small.txt"])
    assert curl.wait() == 0 and len(curl.out()) == 1000
    tracer.wait_spans(1)
    (span,) = tracer.finish()
    assert (span["status"], span["path"], span["response_bytes"]) == (200, "/small.txt", 1000)
    assert f"{folder}/http.sock" in span["local"]


def test_nginx_pipelined(folder, started, attach):
    """A raw client, depth 16: the status and the size are in the path, so each pair can be checked."""
    server = started(servers.nginx(folder))
    tracer = attach(*server.select())
    sent = []
    with socket.create_connection(("127.0.0.1", server.port)) as sock, sock.makefile("rb") as stream:
        for round in range(60):
            batch = [(STATUSES[(round + i) % len(STATUSES)], SIZES[(round * 3 + i * i) % len(SIZES)]) for i in range(16)]
            sock.sendall(b"".join(request(target=b"/s/%d/%d" % pair) for pair in batch))
            for status, size in batch:
                assert int(stream.readline().split()[1]) == status
                headers = http.client.parse_headers(stream)
                stream.read(int(headers.get("Content-Length", 0)))
            sent += batch
    tracer.wait_spans(len(sent))
    spans = tracer.finish()
    got = [(s["path"], s["status"], s["response_bytes"]) for s in spans]
    assert got == [(f"/s/{status}/{size}", status, 0 if status == 204 else size) for status, size in sent]


def test_nginx_proxy(folder, started, attach):
    """Both ends of the inner connection are traced: one trace from the front to the back."""
    back = started(servers.nginx(folder, name="back"))
    front = started(
        servers.nginx(
            folder,
            name="front",
            http=f"upstream back {{ server 127.0.0.1:{back.port}; keepalive 4; }}",
            server='location /p/ { proxy_pass http://back/; proxy_http_version 1.1; proxy_set_header Connection ""; }',
        )
    )
    tracer = attach(*front.select(), *back.select())
    connection = http.client.HTTPConnection("127.0.0.1", front.port)
    seen = [exchange(connection, "GET", path) for path in ["/p/small.txt", "/p/large.bin", "/p/s/503/300", "/p/absent"] * 5]
    front.wait_log(20), back.wait_log(20)
    tracer.wait_spans(60)
    spans = tracer.finish()
    by_id = {s["span_id"]: s for s in spans}
    inner = [s for s in spans if s["kind"] == "server" and s["pid"] in back.pids()]
    assert spans_tally(inner) == log_tally(back.log())
    assert len(seen) == len(inner) == 20
    for s in inner:
        call = by_id[s["parent_span_id"]]
        top = by_id[call["parent_span_id"]]
        assert s["evidence"] == "socket" and call["evidence"] in ("thread", "turn")
        assert (call["kind"], top["kind"], top["path"]) == ("client", "server", "/p" + s["path"])
        assert len({x["trace_id"] for x in (s, call, top)}) == 1
        assert len({x["status"] for x in (s, call, top)}) == 1
    assert spans_tally(s for s in spans if s["kind"] == "server" and s["pid"] in front.pids()) == log_tally(front.log())


def test_large_uploads(folder, started, attach):
    """A body that curl sends after `100 Continue`, and one in chunks."""
    server = started(
        servers.nginx(folder, http="client_max_body_size 50m;", server="location /up/ { dav_methods PUT; create_full_put_path on; }")
    )
    tracer = attach(*server.select())
    with open(f"{folder}/body", "wb") as f:
        f.write(b"\r\n0\r\n\r\n" * 1_000_000)
    curl = [need("curl"), "-s", "-f", "-T", f"{folder}/body", "-H", "Expect: 100-continue"]
    assert Program(folder, "curl", [*curl, f"{server.url}/up/a"]).wait() == 0
    assert Program(folder, "curl", [*curl, "-H", "Transfer-Encoding: chunked", f"{server.url}/up/b"]).wait() == 0
    tracer.wait_spans(2)
    plain, chunked = tracer.finish()
    assert [(s["method"], s["path"], s["status"]) for s in (plain, chunked)] == [("PUT", "/up/a", 201), ("PUT", "/up/b", 201)]
    assert plain["request_bytes"] == 7_000_000
    # The sizes of chunks that lie amid what one call moves are not seen: then the length is that of the wire.
    framing = 10_000 if chunked.get("truncated") or chunked.get("incomplete") else 0
    assert 7_000_000 <= chunked["request_bytes"] <= 7_000_000 + framing


def test_idle_connections(folder, started, agent):
    """10,000 open connections: each has its span, and the memory is bounded."""
    server = started(servers.nginx(folder, connections=11000))
    tracer = agent(*server.select())
    clients = []
    try:
        for i in range(10_000):
            clients.append(socket.create_connection(("127.0.0.1", server.port)))
            clients[-1].sendall(request(target=b"/s/200/7"))
        for sock in clients:
            assert sock.recv(9, socket.MSG_WAITALL) == b"HTTP/1.1 "
        tracer.wait_spans(10_000)
        assert tracer.metric("spanhook_connections") >= 10_000
        with open(f"/proc/{tracer.pid}/status") as f:
            rss_kb = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        assert rss_kb <= 48 * 1024
    finally:
        for sock in clients:
            sock.close()
    wait_until(lambda: tracer.metric("spanhook_connections") < 10, "the connections to be forgotten")
    spans = tracer.finish()
    assert spans_tally(spans) == log_tally(server.log()) == {("200", "GET", "/s/200/7"): 10_000}
