# SPDX-License-Identifier: Apache-2.0
"""A real memcached: spans are what it counts, and each has its own answer."""

import collections

import pytest

from harness import Forked, Gate
from stores import Memcached


class Client:
    def __init__(self, store):
        self.sock = store.connect()
        self.replies = self.sock.makefile("rb")

    def ask(self, what, *last):
        """Sends it and reads lines up to one of those named; any line, when none is."""
        self.sock.sendall(what)
        lines = [self.replies.readline()]
        while last and lines[-1].rstrip() not in last:
            assert lines[-1].endswith(b"\n")
            lines.append(self.replies.readline())
        return b"".join(lines)


@pytest.fixture
def memcached(folder, started):
    return started(Memcached(folder))


@pytest.fixture
def traced(memcached, started, attach):
    """traced(play) traces the server and a client that plays; (server's spans, client's)."""

    def run(play):
        gate = Gate()

        def act():
            gate.wait()
            play(Client(memcached))

        actor = started(Forked(act))
        tracer = attach("-p", actor.pid, *memcached.select())
        gate.open()
        assert actor.wait() == 0
        memcached.stop()
        spans = tracer.wait_end()
        assert all(s["db_system_name"] == "memcached" for s in spans)
        return [[s for s in spans if s["kind"] == kind] for kind in ("server", "client")]

    return run


def test_text(traced):
    def play(client):
        assert client.ask(b"set key 0 0 5\r\nvalue\r\n") == b"STORED\r\n"
        assert client.ask(b"get key none\r\n", b"END") == b"VALUE key 0 5\r\nvalue\r\nEND\r\n"
        assert client.ask(b"get none\r\n") == b"END\r\n"
        assert client.ask(b"incr key 1\r\n").startswith(b"CLIENT_ERROR")
        assert client.ask(b"add key 0 0 1 noreply\r\nx\r\ntouch key 10\r\n") == b"TOUCHED\r\n"
        assert client.ask(b"nonsense\r\n") == b"ERROR\r\n"
        assert client.ask(b"delete key\r\nversion\r\n") == b"DELETED\r\n"
        assert client.replies.readline().startswith(b"VERSION")

    server, client = traced(play)
    for spans in server, client:
        assert collections.Counter(
            (s["db_operation_name"], s["db_query_text"], s.get("db_response_status_code"), s.get("db_rows")) for s in spans
        ) == collections.Counter([
            ("set", "set ? ? ? ?", None, None),
            ("get", "get ? ?", None, 1),
            ("get", "get ?", None, 0),
            ("incr", "incr ? ?", "CLIENT_ERROR", None),
            ("add", "add ? ? ? ? ?", None, None),
            ("touch", "touch ? ?", None, None),
            ("nonsense", "nonsense", "ERROR", None),
            ("delete", "delete ?", None, None),
            ("version", "version", None, None),
        ])  # fmt: skip
        assert not [s for s in spans if s.get("incomplete")]
    # What is not answered is over before its other end starts.
    assert {s["parent_span_id"] for s in server if s["db_operation_name"] != "add"} == {
        s["span_id"] for s in client if s["db_operation_name"] != "add"
    }


def test_meta(traced):
    def play(client):
        assert client.ask(b"ms key 5 T60\r\nvalue\r\n").startswith(b"HD")
        # The first and the last are not there: only the one in the middle is answered.
        quiet = b"mg none v q O1\r\nmg key v q O2\r\nmg none v q O3\r\nmn\r\n"
        assert client.ask(quiet, b"MN") == b"VA 5 O2\r\nvalue\r\nMN\r\n"
        assert client.ask(b"ms key 1 ME q\r\nx\r\nmg key v\r\n", b"value") == b"NS\r\nVA 5\r\nvalue\r\n"
        assert client.ask(b"md key\r\n").startswith(b"HD")

    for spans in traced(play):
        assert sorted(s["db_operation_name"] for s in spans) == sorted(
            ["ms", "mg", "mg", "mg", "mn", "ms", "mg", "md"]
        )
        quiet = [s for s in spans if s["db_query_text"] == "mg ? ? ? ?"]
        assert [s.get("db_rows") for s in quiet].count(1) == 1
        assert not [s for s in spans if s.get("incomplete") or s.get("error_type")]


def test_counts(memcached, agent):
    """As many spans as the server's own statistics say, with pipelines of sixteen."""
    tracer = agent(*memcached.select())
    client = Client(memcached)
    for n in range(200):
        batch = b"".join(b"set k%d 0 0 3\r\nabc\r\nget k%d k%d\r\n" % (i, i, i + n) for i in range(8))
        client.sock.sendall(batch)
        got = b""
        while got.count(b"STORED\r\n") < 8 or got.count(b"END\r\n") < 8:
            got += client.sock.recv(65536)
    stats = dict(
        line.split()[1:3] for line in client.ask(b"stats\r\n", b"END").splitlines() if line.startswith(b"STAT")
    )
    assert int(stats[b"cmd_set"]) == 1600 and int(stats[b"cmd_get"]) == 3200  # keys, not commands
    name = "db_server_operation_duration_seconds_count"
    tracer.wait_metric(3201, name)
    seen = collections.Counter()
    for labels, value in tracer.metrics()[name]:
        seen[labels["db_operation_name"]] += value
    assert seen == {"set": 1600, "get": 1600, "stats": 1}
