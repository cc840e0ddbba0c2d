# SPDX-License-Identifier: Apache-2.0
"""MariaDB: what its clients ask, against what its general log says that they asked."""

import collections
import os
import pwd
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import CLOSE, ROOT, C, Forked, Gate, Program, S, can_connect, free_port, wait_until
from servers import need

SCHEMA = """
CREATE DATABASE shop; USE shop;
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40)); INSERT INTO customers VALUES (1, 'ann'), (2, 'bob');
CREATE TABLE numbers (id INT PRIMARY KEY); INSERT INTO numbers SELECT seq FROM seq_0_to_99;
CREATE TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, text MEDIUMTEXT);
CREATE USER app@'%' IDENTIFIED BY 'app'; GRANT ALL ON *.* TO app@'%'; CREATE DATABASE stock;
"""


class MariaDB(Program):
    """A server with its data in a folder, a general log, and the user of nobody."""

    def __init__(self, folder):
        user = pwd.getpwnam("nobody")
        data = f"{folder}/data"
        os.mkdir(data)
        os.chown(data, user.pw_uid, user.pw_gid)
        subprocess.run(
            [need("mariadb-install-db"), "--no-defaults", "--user=nobody", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.port, self.socket, self.log_path = free_port(), f"{data}/mariadb.sock", f"{data}/general.log"
        super().__init__(
            folder, "mariadbd",
            [need("mariadbd"), "--no-defaults", "--user=nobody", f"--datadir={data}", f"--socket={self.socket}",
             "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve", "--max-allowed-packet=64M",
             "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--local-infile=1", "--general-log",
             f"--general-log-file={self.log_path}"],
        )  # fmt: skip

        def ready():
            assert self.running(), f"mariadbd ended: {self.err()}"
            return can_connect(("127.0.0.1", self.port))

        wait_until(ready, "mariadbd to listen", 60)
        subprocess.run([need("mariadb"), "--no-defaults", "-uroot", f"-S{self.socket}"], input=SCHEMA.encode(), check=True)

    def client(self, *argv):
        """The arguments of its command line client."""
        return ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{self.port}", "-uapp", "-papp", *argv]

    def mark(self):
        """Where its log ends now."""
        return os.path.getsize(self.log_path)

    def log(self, mark):
        """The (command, argument) pairs of its log since then."""
        with open(self.log_path, errors="replace") as f:
            f.seek(mark)
            return re.findall(r"^(?:\d{6}\s+[\d:]+)?\t+ *\d+ (\w[\w ]*?)\t(.*)$", f.read(), re.M)


@pytest.fixture(scope="module")
def mariadb():
    need("mariadbd")
    folder = tempfile.mkdtemp(prefix="spanhook-mariadb-")
    os.chmod(folder, 0o755)
    server = None
    try:
        server = MariaDB(folder)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def prepared_program():
    need("gcc")
    if not os.path.exists("/usr/include/mariadb/mysql.h"):
        pytest.skip("libmariadb-dev is not installed")
    with tempfile.TemporaryDirectory() as folder:
        source = f"{ROOT}/tests/e2e/mysql_prepared.c"
        subprocess.run(
            ["gcc", "-o", f"{folder}/prepared", source, "-I/usr/include/mariadb", "-lmariadb"], check=True
        )
        yield f"{folder}/prepared"


def wait_file(path):
    wait_until(lambda: os.path.exists(path), path)


def texts(spans):
    return collections.Counter(s.get("db_query_text") for s in spans)


def asked(log):
    """The statements of the log, prepared ones once for each execution."""
    return collections.Counter(argument for command, argument in log if command in ("Query", "Execute"))


def connect(mariadb):
    pymysql = pytest.importorskip("pymysql")
    return pymysql.connect(
        host="127.0.0.1", port=mariadb.port, user="app", password="app", database="shop", autocommit=True,
        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
    )  # fmt: skip


class Work:
    """work(connection) in a process that waits at the gate, before or after it connects."""

    def __init__(self, mariadb, started, work, connected=False):
        self.mariadb, self.gate, ready = mariadb, Gate(), Gate()

        def run():
            connection = connect(mariadb) if connected else None
            ready.open()
            self.gate.wait()
            work(connection or connect(mariadb))

        self.client = started(Forked(run))
        self.pid = self.client.pid
        ready.wait()

    def run(self):
        """Returns what the server's log says of it."""
        mark = self.mariadb.mark()
        self.gate.open()
        assert self.client.wait() == 0
        return self.mariadb.log(mark)


def test_client(mariadb, attach, folder, started):
    """The server, traced: every statement of its own client, with rows and errors."""
    tracer = attach("-p", mariadb.pid, "--query-text", "raw")
    mark = mariadb.mark()
    with open(f"{folder}/script.sql", "w") as f:
        f.write(
            "SELECT * FROM customers; INSERT INTO notes (text) VALUES ('one'), ('two');\n"
            "SELECT nothing FROM customers;\nUSE stock;\nSELECT 1 FROM shop.numbers; DELETE FROM shop.notes;\n"
        )
    client = started(Program(folder, "client", mariadb.client("-f", "-e", f"source {f.name}", "shop")))
    client.wait()
    log = mariadb.log(mark)
    spans = tracer.wait_spans(sum(command in ("Query", "Init DB") for command, _ in log))
    tracer.finish()

    queries = [s for s in spans if s["db_operation_name"] != "USE"]
    assert texts(queries) == asked(log)
    by_text = {s["db_query_text"]: s for s in queries}
    assert by_text["SELECT * FROM customers"]["db_rows"] == 2
    assert by_text["SELECT * FROM customers"]["db_namespace"] == "shop"
    assert by_text["INSERT INTO notes (text) VALUES ('one'), ('two')"]["db_rows"] == 2
    failed = by_text["SELECT nothing FROM customers"]
    assert failed["db_response_status_code"] == "1054" and failed["level"] == "error"
    assert by_text["SELECT 1 FROM shop.numbers"]["db_rows"] == 100
    assert by_text["SELECT 1 FROM shop.numbers"]["db_namespace"] == "stock"
    assert all(s["kind"] == "server" and s["db_system_name"] == "mariadb" for s in spans)
    assert not any(s.get("incomplete") or s.get("truncated") for s in spans)


@pytest.mark.parametrize("connected", [False, True], ids=["connects", "connected"])
def test_statements(mariadb, attach, started, connected):
    """A client, traced before or after it connects: failures, several results, many rows."""

    def work(connection):
        with connection.cursor() as cursor:
            for i in range(20):
                cursor.execute("SELECT name FROM customers WHERE id = %s", (i,))
            for bad in ("SELEC 1", "SELECT * FROM nowhere"):
                with pytest.raises(Exception):
                    cursor.execute(bad)
            cursor.execute("SELECT id FROM numbers; SELECT 1; UPDATE customers SET name = 'x' WHERE id = 7")
            while cursor.nextset():
                pass
            with pytest.raises(Exception):
                cursor.execute("SELECT 1; SELECT * FROM nowhere")
                cursor.nextset()
            connection.ping()
            connection.select_db("stock")
            cursor.execute("SELECT 1")
            cursor.execute("USE shop")
            cursor.execute("SELECT 2")
            cursor.execute("CREATE OR REPLACE PROCEDURE two() BEGIN SELECT 1; SELECT id FROM numbers LIMIT 9; END")
            cursor.execute("CALL two()")
            while cursor.nextset():
                pass
        connection.close()

    client = Work(mariadb, started, work, connected)
    tracer = attach("-p", client.pid, "--query-text", "raw")
    log = client.run()
    spans = tracer.wait_end()
    statements = [s for s in spans if s.get("db_query_text")]
    assert texts(statements) == asked(log)
    assert sorted(s["db_operation_name"] for s in spans if not s.get("db_query_text")) == ["PING", "USE"]
    # Only its greeting tells which of the two a server is.
    assert {s["db_system_name"] for s in spans} == {"mysql" if connected else "mariadb"}
    by_text = {s["db_query_text"]: s for s in statements}
    assert by_text["SELECT name FROM customers WHERE id = 1"]["db_rows"] == 1
    assert by_text["SELECT name FROM customers WHERE id = 9"]["db_rows"] == 0
    assert by_text["SELEC 1"]["db_response_status_code"] == "1064"
    assert by_text["SELECT * FROM nowhere"]["db_response_status_code"] == "1146"
    several = by_text["SELECT id FROM numbers; SELECT 1; UPDATE customers SET name = 'x' WHERE id = 7"]
    assert several["db_rows"] == 101
    assert by_text["SELECT 1; SELECT * FROM nowhere"]["db_response_status_code"] == "1146"
    assert by_text["CALL two()"]["db_rows"] == 10
    assert by_text["SELECT 1"]["db_namespace"] == "stock" and by_text["SELECT 2"]["db_namespace"] == "shop"
    assert not any(s.get("incomplete") or s.get("truncated") for s in spans)


def packet(sequence, payload):
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


@pytest.mark.parametrize(
    "version, system",
    [(b"8.0.36", "mysql"), (b"5.5.5-10.11.6-MariaDB-0+deb12u1", "mariadb"), (b"11.4.2-MariaDB-log", "mariadb")],
)
def test_greeting(converse, version, system):
    """The version in a server's greeting tells which of the two it is, to both ends."""
    fixed = b"\x09\0\0\x0012345678\0\xff\xff\xff\x02\0\xff\xff\x15" + bytes(10) + b"abcdefghijkl\0mysql_native_password\0"
    login = b"\x88\x82\xab\x01\0\0\0\x01\x2d" + bytes(23) + b"root\0\x14" + b"A" * 20 + b"shop\0mysql_native_password\0"
    ok = b"\0\0\0\x02\0\0\0"
    script = [S(packet(0, b"\n" + version + b"\0" + fixed)), C(packet(1, login)), S(packet(2, ok))]
    script += [C(packet(0, b"\x03DELETE FROM notes")), S(packet(1, ok)), C(CLOSE), S(CLOSE)]
    for spans in converse(script):
        assert [(s["db_query_text"], s["db_system_name"]) for s in spans] == [("DELETE FROM notes", system)]


@pytest.mark.parametrize("how", ["tcp", "unix"])
def test_login(mariadb, attach, folder, how):
    """Only a login that fails is a span; a statement shows over a unix socket as well."""
    argv = mariadb.client("-e", "SELECT 3")
    if how == "unix":
        argv = [arg for arg in argv if arg != "-h127.0.0.1"] + [f"-S{mariadb.socket}"]
    tracer = attach("--", "sh", "-c", '"$@"; "$@" -pwrong; exit 0', "sh", *argv)
    spans = tracer.wait_end()
    wanted = ("db_operation_name", "db_rows", "db_response_status_code")
    seen = [tuple(s.get(k) for k in wanted) for s in spans if "@@" not in s.get("db_query_text", "")]
    assert seen == [("SELECT", 1, None), ("CONNECT", None, "1045")]


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("connected", [False, True], ids=["connects", "connected"])
def test_prepared(mariadb, attach, folder, started, prepared_program, side, connected):
    """Prepared statements of a C program: those prepared before the attach show by their number."""
    early = "SELECT id FROM numbers WHERE id < ?"
    options = ["-p", mariadb.pid] if side == "server" else ["--exe", prepared_program]
    tracer = None
    if not connected:
        tracer = attach(*options)
    program = started(Program(folder, "prepared", [prepared_program, str(mariadb.port), folder]))
    wait_file(f"{folder}/ready")
    if connected:
        tracer = attach(*options)
    mark = mariadb.mark()
    open(f"{folder}/go", "w").close()
    assert program.wait() == 0, program.err()

    executed = [argument for command, argument in mariadb.log(mark) if command == "Execute"]
    tracer.wait_spans(len(executed))
    spans = tracer.finish()
    executions = [s for s in spans if s["db_operation_name"] != "FETCH"]
    seen = texts(executions)
    assert len(executions) == len(executed) == 24
    # A server reads requests in pieces, in which the protocol does not show: its first answer tells it.
    unknown = sum(n for text, n in seen.items() if text.startswith("EXECUTE #"))
    late = seen["SELECT name FROM customers WHERE id = ?"]
    expected = (0, 10, 10) if not connected else (10, 0, 10) if side == "client" else (20, 0, 0)
    assert (unknown, seen[early], late) == expected
    assert seen["INSERT INTO notes (text) VALUES (?)"] == 1
    # Executed before it had a number.
    assert seen["SELECT COUNT(*) FROM notes"] == seen["SELECT COUNT(*) FROM customers"] == 1
    assert sum(s["db_rows"] for s in executions) == 45 + 2 + 1 + 2
    fetched = [s["db_rows"] for s in spans if s["db_operation_name"] == "FETCH"]
    assert sum(fetched) == 5
    assert not any(s.get("incomplete") or s.get("truncated") for s in spans)


@pytest.mark.parametrize("side", ["client", "server"])
def test_large(mariadb, attach, started, side):
    """Results and statements of several MB, and a row that takes two packets."""
    mega = 1 << 20

    def work(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT REPEAT('x', 5000) FROM numbers a, (SELECT 1 FROM numbers LIMIT 10) b")
            assert len(cursor.fetchall()) == 1000
            cursor.execute("SELECT 1 /* " + "y" * (3 * mega) + " */")
            cursor.execute("SELECT REPEAT('z', 20000000)")
            assert len(cursor.fetchall()[0][0]) == 20000000
            cursor.execute("SELECT 2")
        connection.close()

    client = Work(mariadb, started, work)
    tracer = attach("-p", client.pid if side == "client" else mariadb.pid)
    client.run()
    tracer.wait_spans(4, db_operation_name="SELECT")
    spans = tracer.wait_end() if side == "client" else tracer.finish()
    selects = [s for s in spans if s["db_operation_name"] == "SELECT"]
    large, texted, row, last = selects
    # Rows are not counted when not all bytes were captured.
    for span, rows, size in ((large, 1000, 5_000_000), (row, 1, 20_000_000)):
        assert span.get("db_rows", "unknown") == ("unknown" if span.get("truncated") else rows)
        # On a busy machine the server may pause for so long that the rest is not waited for.
        assert span["response_bytes"] > size or span.get("incomplete")
    assert texted["db_rows"] == last["db_rows"] == 1
    assert texted["request_bytes"] > 3 * mega - 8192
    assert not any(s.get("incomplete") or s["level"] == "error" for s in selects)
