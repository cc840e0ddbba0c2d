# SPDX-License-Identifier: Apache-2.0
"""Real stores of Debian, each on a free port of its own, and their own word for what they were asked."""

import os
import re
import shutil
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
