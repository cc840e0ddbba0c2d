# SPDX-License-Identifier: Apache-2.0
"""Real stores of Debian, each on a free port of its own, and their own word for what they were asked."""

import collections
import glob
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import PATIENCE, Program, can_connect, free_port, wait_until


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


class Store(Program):
    """A server that is ready once it takes connections."""

    def __init__(self, folder, name, argv, port, **kw):
        self.port = port
        super().__init__(folder, f"{name}-{port}", argv, **kw)
        wait_until(lambda: can_connect(("127.0.0.1", port)) or not self.running(), f"{name} to listen")
        assert self.running(), self.out() + self.err()

    def select(self):
        return ["-p", self.pid]

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


class Redis(Store):
    def __init__(self, folder, *options):
        need("redis-server", "redis-benchmark", "redis-cli")
        port = free_port()
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
        super().__init__(folder, "redis", argv, port)

    def cli(self, *words):
        argv = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout

    def calls(self):
        """Command → how often it was called, as the server counts (in lower case, "config get" as such)."""
        found = re.findall(r"^cmdstat_(\S+?):calls=(\d+)", self.cli("INFO", "commandstats"), re.M)
        return {name.replace("|", " "): int(n) for name, n in found}

    def benchmark(self, *options, timeout=PATIENCE * 6):
        argv = ["redis-benchmark", "-p", str(self.port), "-q", *options]
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=True).stdout


class Memcached(Store):
    def __init__(self, folder, *options):
        need("memcached")
        port = free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        super().__init__(folder, "memcached", ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", *user, *options], port)


class Postgres(Store):
    """PostgreSQL with trust in everybody, as the user that its package made; sql() runs statements untraced."""

    def __init__(self, folder):
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
        if not binaries:
            pytest.skip("postgresql is not installed")
        self.bin, self.folder = binaries[-1], f"{folder}/postgres"
        os.mkdir(self.folder)
        shutil.chown(self.folder, "postgres")
        subprocess.run(
            [f"{self.bin}/initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U", "app", "-N"],
            user="postgres",
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "autovacuum": "off",
            "shared_preload_libraries": "pg_stat_statements",
            "pg_stat_statements.track_planning": "off",
        }
        settings = [arg for name, value in options.items() for arg in ("-c", f"{name}={value}")]
        argv = [f"{self.bin}/postgres", "-D", f"{self.folder}/data", "-p", str(port), *settings]
        super().__init__(folder, "postgres", argv, port, user="postgres", cwd="/")
        self.conninfo = f"host=127.0.0.1 port={port} user=app dbname=postgres"
        wait_until(lambda: self.sql("SELECT 1", check=False) == "1", "PostgreSQL to start")
        self.sql("CREATE EXTENSION pg_stat_statements")

    def psql(self, *args):
        return [f"{self.bin}/psql", "-X", "-A", "-t", "-q", "-d", self.conninfo, *args]

    def sql(self, text, check=True):
        run = subprocess.run(self.psql("-c", text), capture_output=True, text=True)
        assert not check or run.returncode == 0, run.stderr
        return run.stdout.strip()

    def pgbench(self, *options):
        return [f"{self.bin}/pgbench", "-n", *options, "-h", "127.0.0.1", "-p", str(self.port), "-U", "app", "postgres"]

    def pgbench_init(self, scale):
        subprocess.run(self.pgbench("-i", "-q", "-s", str(scale)), check=True, stderr=subprocess.DEVNULL)

    def pgbench_calls(self, mode):
        """How often the server executed each kind of pgbench's statements since the last time."""
        rows = self.sql("select calls, query from pg_stat_statements where query !~ 'pg_stat_statements'")
        self.sql("select pg_stat_statements_reset()")
        calls = collections.Counter()
        for n, _, query in (row.partition("|") for row in rows.split("\n")):
            if re.match(r"(BEGIN|END|UPDATE|INSERT|SELECT abalance)\b", query):
                calls[query.split()[0]] += int(n)
        # Utility statements whose plans are kept are counted once a connection (PostgreSQL 15).
        if mode == "prepared":
            calls["BEGIN"] = calls["END"] = calls["INSERT"]
        return calls

    def stop(self, sig=signal.SIGINT):
        return super().stop(sig)  # without waiting for clients
