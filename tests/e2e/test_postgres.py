# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and its own clients: each statement is one span at each end, with what the server said of it."""

import collections
import os
import shutil
import subprocess
import tempfile

import pytest

from harness import Forked, Gate
from libpq import FATAL_ERROR, OK, PIPELINE_ABORTED, Connection, library
from stores import Postgres


@pytest.fixture(scope="module")
def database():
    folder = tempfile.mkdtemp(prefix="spanhook-")
    os.chmod(folder, 0o755)
    try:
        server = Postgres(folder)
        server.sql("CREATE TABLE orders (id int, item text)")
        server.sql("INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 10) i")
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(database, started, attach):
    """client(function, ...) runs function(connection) in a process of its own, traced; returns its spans, then the server's."""

    def run(function, *options, early=None, server=False, unsure=()):
        library()
        gate, ready = Gate(), Gate()

        def play():
            connection = None
            if early:
                connection = Connection(database.conninfo)
                early(connection)
            ready.open()
            gate.wait()
            connection = connection or Connection(database.conninfo)
            function(connection)
            connection.close()

        process = started(Forked(play))
        ready.wait()
        tracer = attach("-p", process.pid, *options, *(database.select() if server else []))
        gate.open()
        assert process.wait() == 0
        if not server:
            return in_order(tracer.wait_end())
        spans = in_order(tracer.finish(), unsure)
        called = [s for s in spans if s["pid"] == process.pid]
        ports = {s["local"] for s in called}
        return called, [s for s in spans if s["kind"] == "server" and s["peer"] in ports]

    return run


def in_order(spans, unsure=()):
    assert not [s for s in spans if "incomplete" in s and (s["kind"], s["db_query_text"]) not in unsure]
    return sorted(spans, key=lambda s: s["timestamp"])


def fields(spans, *names):
    return [tuple(s.get(name) for name in names) for s in spans]


def test_psql(database, attach):
    """Several statements in a string, rows, no rows, COPY both ways, an error: as psql's -c sends them."""
    script = [
        "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1), (2); SELECT * FROM t WHERE a IN (1, 2, 3)",
        "UPDATE t SET a = a + 1 WHERE a > 1",
        "SELECT 'secret' FROM orders JOIN t ON a = id",
        "COPY t TO STDOUT",
        "SELECT 1 / (a - 3) FROM t",
        "DROP TABLE t",
    ]
    tracer = attach("--", *database.psql(*[arg for text in script for arg in ("-c", text)]))
    assert tracer.wait() == 0
    spans = in_order(tracer.spans())
    assert fields(spans, "name", "db_rows", "db_response_status_code") == [
        ("CREATE TABLE t", None, None),
        ("INSERT t", 2, None),
        ("SELECT t", 2, None),
        ("UPDATE t", 1, None),
        ("SELECT orders t", 2, None),
        ("COPY t", 2, None),
        ("SELECT t", None, "22012"),
        ("DROP TABLE t", None, None),
    ]
    assert fields(spans, "kind", "protocol", "db_system_name", "db_namespace", "peer") == [
        ("client", "postgresql", "postgresql", "postgres", f"127.0.0.1:{database.port}")
    ] * len(spans)
    assert fields(spans, "db_operation_name", "db_collection_name", "db_query_text")[2:5] == [
        ("SELECT", "t", "SELECT * FROM t WHERE a IN (?)"),
        ("UPDATE", "t", "UPDATE t SET a = a + ? WHERE a > ?"),
        ("SELECT", "orders", "SELECT ? FROM orders JOIN t ON a = id"),
    ]
    assert [s["error_type"] for s in spans if "error_type" in s] == ["22012"]


def test_literals(database, attach):
    """They are kept only when that is asked for."""
    tracer = attach("--query-text", "raw", "--", *database.psql("-c", "SELECT 'secret'"))
    assert tracer.wait() == 0
    assert fields(tracer.spans(), "db_query_text") == [("SELECT 'secret'",)]


def test_login_that_fails(database, attach):
    """That is the span; a login that does not fail is none."""
    psql = database.psql("-c", "SELECT 1")
    psql[psql.index("-d") + 1] = database.conninfo.replace("dbname=postgres", "dbname=nowhere")
    tracer = attach("--", *psql)
    assert tracer.wait() == 2
    got = fields(tracer.spans(), "name", "db_namespace", "db_response_status_code")
    assert got == [("CONNECT", "nowhere", "3D000")]


def test_parameters(client):
    """Statements with parameters and prepared ones: what was prepared is what is executed."""

    def play(c):
        assert c.exec_params("SELECT item FROM orders WHERE id = $1", 3)[0] in OK
        assert c.prepare("by_id", "SELECT * FROM orders WHERE id < $1")[0] in OK
        assert c.prepare("other", "DELETE FROM orders WHERE id = $1")[0] in OK
        assert c.exec_prepared("by_id", 4)[0] in OK
        assert c.exec_prepared("other", 100)[0] in OK
        assert c.exec_prepared("by_id", 6)[0] in OK
        assert c.exec_params("SELECT $1::int / 0", 3) == (FATAL_ERROR, "22012")

    assert fields(client(play), "name", "db_query_text", "db_rows", "error_type") == [
        ("SELECT orders", "SELECT item FROM orders WHERE id = $1", 1, None),
        ("SELECT orders", "SELECT * FROM orders WHERE id < $1", 3, None),
        ("DELETE orders", "DELETE FROM orders WHERE id = $1", 0, None),
        ("SELECT orders", "SELECT * FROM orders WHERE id < $1", 5, None),
        ("SELECT", "SELECT $1::int / ?", None, "22012"),
    ]


def test_prepare_that_fails(client):
    """Only then it is a span."""

    def play(c):
        assert c.prepare("bad", "SELECT nothing FROM nowhere") == (FATAL_ERROR, "42P01")
        assert c.exec("SELECT 1")[0] in OK

    assert fields(client(play), "name", "error_type") == [("SELECT nowhere", "42P01"), ("SELECT", None)]


def test_prepared_before_the_attach(client):
    """The connection was open and the statement was prepared: its name is what is known."""

    def early(c):
        assert c.prepare("by_id", "SELECT * FROM orders WHERE id < $1")[0] in OK

    def play(c):
        assert c.exec_prepared("by_id", 4)[0] in OK
        assert c.exec("SELECT item FROM orders")[0] in OK

    assert fields(client(play, early=early), "name", "db_query_text", "db_rows") == [
        ("EXECUTE", "EXECUTE by_id", 3),
        ("SELECT orders", "SELECT item FROM orders", 10),
    ]


def pipelined(n=100):
    return [f"SELECT {i} / {0 if i % 10 == 9 else 1} AS {'bad' if i % 10 == 9 else 'good'}_{i}" for i in range(n)]


def test_pipeline(client):
    """100 deep, each in a group of its own, every tenth failing: each error is on its own statement."""
    texts = pipelined()

    def play(c):
        results = c.pipeline(texts, True)
        assert results == [(FATAL_ERROR, "22012") if i % 10 == 9 else (OK[1], None) for i in range(100)]

    spans = client(play)
    assert len(spans) == 100
    want = {f"SELECT ? / ? AS bad_{i}" if i % 10 == 9 else f"SELECT ? / ? AS good_{i}" for i in range(100)}
    assert {s["db_query_text"] for s in spans} == want
    for s in spans:
        bad = " bad_" in s["db_query_text"]
        assert fields([s], "error_type", "db_rows") == [("22012", None) if bad else (None, 1)]


def test_pipeline_of_one_group(client):
    """The first error has all that follow it in the group not executed; the next group is right again."""
    texts = pipelined()

    def play(c):
        results = c.pipeline(texts, False)
        assert [status for status, _ in results] == [OK[1]] * 9 + [FATAL_ERROR] + [PIPELINE_ABORTED] * 90
        assert c.exec("SELECT 1 AS last")[0] in OK

    spans = client(play)
    got = {s["db_query_text"]: s.get("error_type") for s in spans}
    assert len(spans) == len(got) == 101
    for i in range(9):
        assert got[f"SELECT ? / ? AS good_{i}"] is None
    assert got["SELECT ? / ? AS bad_9"] == "22012"
    for i in range(10, 100):
        assert got[f"SELECT ? / ? AS {'bad' if i % 10 == 9 else 'good'}_{i}"] == "not_executed"
    assert got["SELECT ? AS last"] is None


def test_large_results(client):
    """Rows by the megabyte, and what follows them on the connection."""

    def play(c):
        for i in range(5):
            assert c.exec(f"SELECT repeat('x', 1000) AS a{i} FROM generate_series(1, 3000)")[0] in OK
            assert c.exec(f"SELECT {i} AS b{i} FROM orders")[0] in OK

    spans = client(play)
    pair = ("SELECT repeat(?, ?) AS a{} FROM generate_series(?, ?)", "SELECT ? AS b{} FROM orders")
    texts = [text.format(i) for i in range(5) for text in pair]
    assert fields(spans, "db_query_text", "db_rows") == [(text, 3000 if "repeat" in text else 10) for text in texts]
    assert all(s["response_bytes"] > 3000 * 1000 for s in spans if s["db_rows"] == 3000)


def test_copy(client):
    """Both ways, by the megabyte and in binary; refused by the server, by the client, and for its text; and what follows each."""
    rows = [b"%d\t%b\n" % (i, b"x" * 100) for i in range(30000)]

    def play(c):
        assert c.exec("CREATE TEMP TABLE t (id int, item text)")[0] in OK
        assert c.copy_in("COPY t FROM STDIN", rows)[0] in OK
        assert c.exec("SELECT 1 AS a FROM t LIMIT 3")[0] in OK
        assert c.copy_in("COPY t FROM STDIN /* bad */", [*rows[:3], b"no number\tx\n", *rows[:3]]) == (FATAL_ERROR, "22P02")
        assert c.exec("SELECT 2 AS b FROM orders")[0] in OK
        assert c.copy_in("COPY t FROM STDIN /* given up */", rows[:5], b"the client gives up") == (FATAL_ERROR, "57014")
        assert c.exec("SELECT 3 AS c FROM orders")[0] in OK
        status, out = c.copy_out("COPY t TO STDOUT")
        assert status[0] in OK and out == rows
        assert c.exec("SELECT 4 AS d FROM orders")[0] in OK
        status, out = c.copy_out("COPY (SELECT id FROM t LIMIT 1000) TO STDOUT (FORMAT binary)")
        assert status[0] in OK and len(out) >= 1000
        assert c.exec("COPY nowhere FROM STDIN") == (FATAL_ERROR, "42P01")
        assert c.copy_in("COPY t FROM STDIN /* nothing */", [])[0] in OK
        assert c.exec("SELECT 5 AS e FROM orders")[0] in OK

    spans, served = client(play, server=True)
    names = "name", "db_rows", "db_response_status_code", "db_query_text"
    assert fields(spans, *names) == fields(served, *names)
    assert fields(spans, *names[:3]) == [
        ("CREATE TABLE t", None, None),
        ("COPY t", 30000, None),
        ("SELECT t", 3, None),
        ("COPY t", None, "22P02"),
        ("SELECT orders", 10, None),
        ("COPY t", None, "57014"),
        ("SELECT orders", 10, None),
        ("COPY t", 30000, None),
        ("SELECT orders", 10, None),
        ("COPY SELECT t", 1000, None),
        ("COPY nowhere", None, "42P01"),
        ("COPY t", 0, None),
        ("SELECT orders", 10, None),
    ]
    assert spans[7]["response_bytes"] >= sum(map(len, rows))
    assert not [s for s in spans if "xxx" in str(s)]


def test_copy_refused_early(client):
    """
    The server gives up while megabytes are still to come, and reads them afterwards. It may have been asked more among those that
    were not captured, so whose its next answer is may not be known; then all is again.
    """
    rows = [b"%d\t%b\n" % (i, b"x" * 100) for i in range(20000)]

    def play(c):
        assert c.exec("CREATE TEMP TABLE t (id int, item text)")[0] in OK
        for _ in range(3):
            assert c.copy_in("COPY t FROM STDIN", [*rows, b"no number\tx\n", *rows[:10]]) == (FATAL_ERROR, "22P02")
            assert c.exec("SELECT 1 AS a FROM orders")[0] in OK
            assert c.exec("SELECT 2 AS b FROM orders")[0] in OK

    spans, served = client(play, server=True, unsure=[("server", "SELECT ? AS a FROM orders")])
    told = [("COPY t FROM STDIN", None, "22P02"), ("SELECT ? AS a FROM orders", 10, None), ("SELECT ? AS b FROM orders", 10, None)]
    names = "db_query_text", "db_rows", "db_response_status_code"
    assert fields(spans[1:], *names) == 3 * told
    assert fields([s for s in served[1:] if "incomplete" not in s], *names) == [
        t for t, s in zip(3 * told, served[1:]) if "incomplete" not in s
    ]
    assert len(served) == len(spans)


def test_notifications(database, client):
    """What the server says unasked is the answer of nothing: while the client waits, and within the answer of another statement."""

    def play(c):
        assert c.exec("LISTEN news")[0] in OK
        for i in range(20):
            database.sql(f"NOTIFY news, 'number {i}'")
        c.wait_notifications(20)
        assert c.exec("SELECT 1 AS a FROM orders")[0] in OK
        assert c.exec("BEGIN; NOTIFY news, 'own'; SELECT 2 AS b FROM orders; COMMIT")[0] in OK
        c.wait_notifications(1)
        assert c.exec("SELECT pg_notify('news', 'x' || i) FROM generate_series(1, 500) i")[0] in OK
        c.wait_notifications(500)
        assert c.pipeline(pipelined(), True).count((FATAL_ERROR, "22012")) == 10
        assert c.exec("UNLISTEN news")[0] in OK
        assert c.exec("SELECT 3 AS c FROM orders")[0] in OK

    spans, served = client(play, server=True)
    names = "db_query_text", "db_rows", "error_type"
    assert collections.Counter(fields(spans, *names)) == collections.Counter(fields(served, *names))
    alone = [s for s in spans if " AS good_" not in s["db_query_text"] and " AS bad_" not in s["db_query_text"]]
    assert fields(alone, "db_query_text", "db_rows", "error_type") == [
        ("LISTEN news", None, None),
        ("SELECT ? AS a FROM orders", 10, None),
        ("BEGIN", None, None),
        ("NOTIFY news, ?", None, None),
        ("SELECT ? AS b FROM orders", 10, None),
        ("COMMIT", None, None),
        ("SELECT pg_notify(?, ? || i) FROM generate_series(?, ?) i", 500, None),
        ("UNLISTEN news", None, None),
        ("SELECT ? AS c FROM orders", 10, None),
    ]
    assert len(spans) == len(alone) + 100
    assert all(s.get("error_type") == ("22012" if " AS bad_" in s["db_query_text"] else None) for s in spans)


@pytest.fixture(scope="module")
def bench(database):
    database.pgbench_init(1)
    return database


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("end", ["client", "server"])
def test_pgbench(bench, attach, end, mode):
    """As many spans of each kind of statement as the server counted: 4 clients, 50 transactions each."""
    pgbench = bench.pgbench("-M", mode, "-c", "4", "-j", "2", "-t", "50")
    bench.pgbench_calls(mode)
    if end == "client":
        tracer = attach("--", *pgbench)
        assert tracer.wait() == 0
    else:
        tracer = attach("-p", bench.pid)
        subprocess.run(pgbench, check=True, capture_output=True, timeout=60)
        tracer.wait_spans(200 * 7, kind="server")
        tracer.finish()
    spans = tracer.spans(kind=end)
    assert not [s for s in spans if "incomplete" in s or "error_type" in s]
    calls = bench.pgbench_calls(mode)
    assert collections.Counter(s["db_operation_name"] for s in spans if s["db_operation_name"].isupper()) == calls
    assert calls == {"BEGIN": 200, "UPDATE": 600, "SELECT": 200, "INSERT": 200, "END": 200}
