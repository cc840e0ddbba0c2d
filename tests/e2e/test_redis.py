# SPDX-License-Identifier: Apache-2.0
"""A real Redis: spans are what the server counts, command by command, and each has its own answer."""

import collections

import pytest

from harness import PATIENCE, Forked, Gate
from stores import Redis


def command(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def read(f):
    """One reply: errors as their text, aggregates as lists."""
    line = f.readline()
    assert line.endswith(b"\r\n"), line
    kind, value = line[:1], line[1:-2]
    if kind in b"$=":
        return f.read(int(value) + 2)[:-2] if int(value) >= 0 else None
    if kind in b"*>~%":
        return [read(f) for _ in range(int(value) * (2 if kind == b"%" else 1))]
    return int(value) if kind == b":" else value


class Client:
    """A connection, and what was said on it."""

    def __init__(self, redis):
        self.sock = redis.connect()
        self.replies = self.sock.makefile("rb")

    def send(self, *commands):
        self.sock.sendall(b"".join(commands))

    def ask(self, *words):
        self.send(command(*words))
        return read(self.replies)

    def close(self):
        self.replies.close()
        self.sock.close()


@pytest.fixture
def redis(folder, started):
    return started(Redis(folder))


@pytest.fixture
def traced(redis, started, attach):
    """traced(play, before=...) traces the server and a client that plays; (server's spans, client's)."""

    def run(play, before=None, options=()):
        attached, ready = Gate(), Gate()

        def act():
            client = Client(redis)
            if before:
                before(client)
            ready.open()
            attached.wait()
            play(client)
            client.close()

        actor = started(Forked(act))
        ready.wait()
        tracer = attach("-p", actor.pid, *redis.select(), *options)
        attached.open()
        assert actor.wait() == 0
        redis.stop()
        spans = tracer.wait_end()
        assert all(s["db_system_name"] == "redis" for s in spans)
        return [[s for s in spans if s["kind"] == kind] for kind in ("server", "client")]

    return run


def facts(span):
    return span["db_operation_name"], span.get("db_response_status_code")


def test_benchmark(redis, agent):
    """The log may fall behind such a load, which is counted; the metrics may not."""
    tracer = agent(*redis.select())
    before = redis.calls()
    redis.benchmark("-P", "16", "-n", "3200", "-c", "8", "-t", "ping,set,get,incr,lpush,hset,mset")
    redis.benchmark("-P", "16", "-n", "320", "-c", "2", "xadd", "stream", "*", "field", "__rand_int__")
    calls = {name: n - before.get(name, 0) for name, n in redis.calls().items()}
    # The command that counts does not count itself, but the one before.
    assert calls["info"] == 1 and calls["set"] == 3200 and calls["xadd"] == 320
    calls["info"] += 1
    name = "db_server_operation_duration_seconds_count"
    tracer.wait_metric(sum(calls.values()), name)
    seen = collections.Counter()
    for labels, value in tracer.metrics()[name]:
        assert labels["db_system_name"] == "redis" and not labels.get("error_type")
        seen[labels["db_operation_name"].lower()] += value
    assert seen == calls
    lost = {labels["reason"]: n for labels, n in tracer.metrics()["spanhook_dropped_total"] if n}
    assert set(lost) <= {"queue_full"}


def test_commands(traced):
    def play(client):
        assert client.ask("SELECT", 3) == b"OK"
        assert client.ask("SET", "key", "a secret") == b"OK"
        assert client.ask("GET", "key") == b"a secret"
        assert client.ask("LPUSH", "key", 1).startswith(b"WRONGTYPE")
        assert client.ask("NOSUCH").startswith(b"ERR")
        assert client.ask("SELECT", 99).startswith(b"ERR")
        assert client.ask("XADD", "orders", "*", "id", 1)
        assert client.ask("XREAD", "COUNT", 1, "STREAMS", "orders", 0)
        assert client.ask("AUTH", "me", "password").startswith(b"WRONGPASS")
        assert client.ask("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]

    server, client = traced(play)
    expected = [
        ("SELECT", None, "SELECT ?"),
        ("SET", None, "SET ? ?"),
        ("GET", None, "GET ?"),
        ("LPUSH", "WRONGTYPE", "LPUSH ? ?"),
        ("NOSUCH", "ERR", "NOSUCH"),
        ("SELECT", "ERR", "SELECT ?"),
        ("XADD", None, "XADD ? ? ? ?"),
        ("XREAD", None, "XREAD ? ? ? ? ?"),
        ("AUTH", "WRONGPASS", "AUTH ? ?"),
        ("CONFIG GET", None, "CONFIG GET ?"),
    ]
    for spans in server, client:
        assert [(*facts(s), s["db_query_text"]) for s in spans] == expected
        assert [s.get("error_type") for s in spans] == [code for _, code, _ in expected]
        assert {s.get("db_namespace") for s in spans[1:5] + spans[6:]} == {"3"}
        assert [s.get("messaging_destination_name") for s in spans[6:8]] == ["orders", "orders"]
    assert [s["parent_span_id"] for s in server] == [s["span_id"] for s in client]


def test_raw(traced):
    def play(client):
        client.ask("SET", "key", "some \"text\"")
        client.ask("AUTH", "me", "password")

    for spans in traced(play, options=("--query-text", "raw")):
        assert [s["db_query_text"] for s in spans] == ['SET key "some \\"text\\""', "AUTH ? ?"]


def test_transaction(traced):
    def play(client):
        client.send(*(command(*words) for words in (["SET", "s", 1], ["MULTI"], ["INCR", "s"], ["LPUSH", "s", 1], ["EXEC"])))
        replies = [read(client.replies) for _ in range(5)]
        assert replies[:4] == [b"OK", b"OK", b"QUEUED", b"QUEUED"] and replies[4][0] == 2
        assert client.ask("MULTI") == b"OK"
        assert client.ask("INCR").startswith(b"ERR")
        assert client.ask("EXEC").startswith(b"EXECABORT")
        assert client.ask("GET", "s") == b"2"

    for spans in traced(play):
        assert [facts(s) for s in spans] == [
            ("SET", None), ("MULTI", None), ("INCR", None), ("LPUSH", None), ("EXEC", "WRONGTYPE"),
            ("MULTI", None), ("INCR", "ERR"), ("EXEC", "EXECABORT"), ("GET", None),
        ]  # fmt: skip


@pytest.mark.parametrize("version", [2, 3])
def test_subscriptions(redis, traced, version):
    def play(client):
        publisher = Client(redis)
        assert isinstance(client.ask("HELLO", version), list)
        client.send(command("SUBSCRIBE", "a", "b"))
        assert [read(client.replies)[0] for _ in range(2)] == [b"subscribe"] * 2
        for n in range(20):
            assert publisher.ask("PUBLISH", "ab"[n % 2], n) == 1
            publisher.send(command("PUBLISH", "a", "x" * n))
            # The answer may come before the message or behind it.
            client.send(command("PING", n))
            got = [read(client.replies) for _ in range(3)]
            assert sorted(isinstance(g, list) and g[0] == b"message" for g in got) == [False, True, True]
            assert read(publisher.replies) == 1
        client.send(command("UNSUBSCRIBE"))
        assert [read(client.replies)[0] for _ in range(2)] == [b"unsubscribe"] * 2
        assert client.ask("LRANGE", "none", 0, -1) == []
        assert client.ask("LPUSH", "list", "c", "a", "message") == 3
        assert client.ask("LRANGE", "list", 0, -1) == [b"message", b"a", b"c"]
        publisher.close()

    for spans in traced(play):
        assert not [s for s in spans if s.get("incomplete") or s.get("error_type")]
        listening = [s["db_operation_name"] for s in spans if s["db_operation_name"] != "PUBLISH"]
        assert listening == ["HELLO", "SUBSCRIBE", *["PING"] * 20, "UNSUBSCRIBE", "LRANGE", "LPUSH", "LRANGE"]
        assert len(spans) - len(listening) == 40


def test_silence(traced):
    def play(client):
        client.send(command("CLIENT", "REPLY", "SKIP"), command("SET", "a", 1), command("GET", "a"))
        assert read(client.replies) == b"1"
        client.send(command("CLIENT", "REPLY", "OFF"), *[command("INCR", "a")] * 10, command("CLIENT", "REPLY", "ON"))
        assert read(client.replies) == b"OK"
        assert client.ask("GET", "a") == b"11"
        assert client.ask("LPUSH", "a", 1).startswith(b"WRONGTYPE")

    for spans in traced(play):
        assert [facts(s) for s in spans if s["db_operation_name"] in ("GET", "LPUSH")] == [
            ("GET", None), ("GET", None), ("LPUSH", "WRONGTYPE"),
        ]  # fmt: skip
        assert collections.Counter(s["db_operation_name"] for s in spans) == {
            "CLIENT REPLY": 3, "SET": 1, "INCR": 10, "GET": 2, "LPUSH": 1,
        }  # fmt: skip
        assert not [s for s in spans if s.get("incomplete")]


def test_large(traced):
    """Longer values than are captured; they are stepped over."""
    value = b"\r\n*1\r\n$4\r\nPING\r\n" * 60000

    def play(client):
        for n in range(3):
            assert client.ask("SET", f"key{n}", value) == b"OK"
            assert client.ask("GET", f"key{n}") == value
            # What stands between two values may be missed, but nothing is made of it.
            assert client.ask("MGET", "key0", "none", f"key{n}") == [value, None, value]
            assert client.ask("INCR", "n") == n + 1

    for spans in traced(play):
        assert [facts(s) for s in spans] == [(name, None) for name in ("SET", "GET", "MGET", "INCR")] * 3
        assert not [s for s in spans if s.get("incomplete") and s["db_operation_name"] != "MGET"]


def test_attached_in_mid_stream(traced):
    def before(client):
        assert client.ask("SELECT", 2) == b"OK"
        assert client.ask("SET", "list", 1) == b"OK"

    def play(client):
        for n in range(10):
            assert client.ask("INCR", "n") == n + 1
            assert client.ask("LPUSH", "list", n).startswith(b"WRONGTYPE")

    for spans in traced(play, before=before):
        assert [facts(s) for s in spans] == [("INCR", None), ("LPUSH", "WRONGTYPE")] * 10
        assert not [s for s in spans if "db_namespace" in s]


def test_blocked(redis, traced):
    """A command that waits for another connection's one takes as long as that."""

    def play(client):
        other = Client(redis)
        client.send(command("BLPOP", "queue", PATIENCE), command("PING"))
        while other.ask("CLIENT", "LIST", "TYPE", "normal").count(b"cmd=blpop") == 0:
            pass
        assert other.ask("RPUSH", "queue", "job") == 1
        assert read(client.replies) == [b"queue", b"job"]
        assert read(client.replies) == b"PONG"
        other.close()

    for spans in traced(play):
        blocked = next(s for s in spans if s["db_operation_name"] == "BLPOP")
        push = next(s for s in spans if s["db_operation_name"] == "RPUSH")
        assert blocked["duration_ms"] >= push["duration_ms"]
        assert not [s for s in spans if s.get("incomplete") or s.get("error_type")]
