# SPDX-License-Identifier: Apache-2.0
"""What runs during a soak: servers under load from clients that come and go, programs that start and end, and the truth of it."""

import collections
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../bench"))
from targets import ECHO, Nginx, file, order_service, redis  # noqa: E402, I001: it says where the other modules are
from growth import ANSWER  # noqa: E402
from harness import Program, can_connect, wait_until  # noqa: E402
from load import PACE, Load  # noqa: E402
from stores import Postgres  # noqa: E402

HTTP_SERVER, HTTP_CLIENT = (f"http_{end}_request_duration_seconds_count" for end in ("server", "client"))
DB_SERVER = "db_server_operation_duration_seconds_count"
TURN_S = 5  # of a load, after which its connections are closed


class Kind:
    """Spans that a metric counts with these labels."""

    def __init__(self, metric, **labels):
        self.metric, self.labels = metric, labels

    def seen(self, metrics):
        return sum(n for have, n in metrics.get(self.metric, []) if self.labels.items() <= have.items())


class Part:
    """turn() does something for some seconds and returns how many spans of each of its kinds that makes."""

    kinds = {}
    options = []  # for the tracer

    def turn(self):
        raise NotImplementedError

    def stop(self):
        pass


def operations(load, rate):
    """How many were done in a turn at so many a second, all of them well."""
    result = load.run(total=rate * TURN_S, rate=rate)
    if result["failed"] or result["late"]:
        raise RuntimeError(f"{result['failed']} failed and {result['late']} late of {result['requests']} to port {load.port}")
    return result["requests"]


class Web(Part):
    """nginx, on kept-alive connections and on one for each request."""

    def __init__(self, folder):
        self.server = Nginx(folder)
        self.options = ["-p", str(self.server.pid)]
        self.kinds = {"nginx": Kind(HTTP_SERVER, server_port=str(self.server.port))}
        close = file(folder, "close", b"GET /1k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.kept, self.closed = Load(self.server.port, "/1k"), Load(self.server.port, request=close, each=1)

    def turn(self):
        return {"nginx": operations(self.kept, 500) + operations(self.closed, 100)}

    def stop(self):
        self.server.stop()


class Orders(Part):
    """The order service, which calls three others for each order."""

    kinds = {
        "order-service": Kind(HTTP_SERVER, service_name="order-service"),
        "its calls": Kind(HTTP_CLIENT, service_name="order-service"),
    }

    def __init__(self, folder):
        self.target = order_service(folder)
        self.options = ["-p", str(self.target.pids[0])]

    def turn(self):
        n = operations(self.target.load, 20)
        return {"order-service": n, "its calls": 3 * n}

    def stop(self):
        self.target.stop()


class Cache(Part):
    """Redis in pipelines of 16."""

    kinds = {"redis": Kind(DB_SERVER, db_system_name="redis")}

    def __init__(self, folder):
        self.target = redis(folder)
        self.options = ["-p", str(self.target.pids[0])]

    def turn(self):
        return {"redis": operations(self.target.load, 1600)}

    def stop(self):
        self.target.stop()


class Database(Part):
    """PostgreSQL: a process for each connection, at times a connection for each transaction."""

    STATEMENTS = {"BEGIN": 1, "UPDATE": 3, "INSERT": 1, "END": 1}  # a transaction; some of pgbench's SELECTs are in none
    MODES = (("simple", 20, "-C"), ("extended", 100), ("prepared", 100))  # and transactions a second
    CLIENTS = 2
    kinds = {f"postgres {kind}": Kind(DB_SERVER, db_system_name="postgresql", db_operation_name=kind) for kind in STATEMENTS}

    def __init__(self, folder):
        self.server = Postgres(folder)
        self.server.pgbench_init(1)
        self.options = ["-p", str(self.server.pid)]

    def turn(self):
        total = 0
        for mode, rate, *options in self.MODES:
            each = rate * TURN_S // self.CLIENTS
            load = ["-M", mode, "-c", str(self.CLIENTS), "-t", str(each), "-R", str(rate), *options]
            subprocess.run(self.server.pgbench(*load), check=True, capture_output=True)
            total += each * self.CLIENTS
        return {f"postgres {kind}": n * total for kind, n in self.STATEMENTS.items()}

    def stop(self):
        self.server.stop()


def quiet_ports(n):
    """Free ones that are given to no connection: who listens there comes and goes."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        ephemeral = int(f.read().split()[0])
    ports = (port for port in range(ephemeral - 1 - os.getpid() % 4096, 1024, -1) if not can_connect(("127.0.0.1", port)))
    return list(itertools.islice(ports, n))


class Passing(Part):
    """Servers and clients that live for a moment: found by their names or by the port; killed in turn."""

    def __init__(self, folder):
        self.folder, self.answer, self.lives = folder, file(folder, "answer", ANSWER), 0
        self.named, self.asked = quiet_ports(2)
        self.server, self.client = (shutil.copy(path, f"{folder}/passing-{os.path.basename(path)}") for path in (ECHO, PACE))
        self.options = ["--exe", self.server, "--exe", self.client, "--port", str(self.asked)]
        self.kinds = {
            "servers by name": Kind(HTTP_SERVER, server_port=str(self.named)),
            "servers by port": Kind(HTTP_SERVER, server_port=str(self.asked)),
            "clients by name": Kind(HTTP_CLIENT, service_name="passing-pace"),
        }

    def life(self, executable, port, load):
        """Two processes, of which either may answer; load(port) is what they are asked."""
        server = Program(self.folder, "passing", [executable, str(port), "2", "0", self.answer])
        try:
            wait_until(lambda: can_connect(("127.0.0.1", port)) or not server.running(), "a passing server to listen")
            load(port)
        finally:
            self.lives += 1
            server.stop(signal.SIGKILL if self.lives % 2 else signal.SIGTERM)

    def turn(self):
        load = ["-c", "4", "-k", "10", "-r", "200", "-n", "200"]
        self.life(self.server, self.named, lambda port: subprocess.run([PACE, *load, str(port)], check=True, capture_output=True))
        self.life(ECHO, self.asked, lambda port: subprocess.run([self.client, *load, str(port)], check=True, capture_output=True))
        return dict.fromkeys(self.kinds, 200)


class Mix:
    """All parts, each loaded by a thread of its own from start() on until stop()."""

    PARTS = (Web, Orders, Cache, Database, Passing)

    def __init__(self, folder):
        self.parts, self.failures = [], []
        self.true = collections.Counter()
        self.lock, self.ending = threading.Lock(), threading.Event()
        try:
            for part in self.PARTS:
                own = f"{folder}/{part.__name__.lower()}"
                os.mkdir(own)
                self.parts.append(part(own))
        except BaseException:
            self.stop()
            raise
        self.options = [option for part in self.parts for option in part.options]
        self.kinds = {name: kind for part in self.parts for name, kind in part.kinds.items()}
        self.threads = [threading.Thread(target=self.load, args=(part,)) for part in self.parts]

    def load(self, part):
        try:
            while not self.ending.is_set():
                made = part.turn()
                with self.lock:
                    self.true.update(made)
        except Exception as error:  # noqa: BLE001: told by the main thread
            self.failures.append(f"{type(part).__name__}: {error!r}")

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        """No more load; returns when what was under way has ended."""
        self.ending.set()
        for thread in self.threads:
            if thread.ident:
                thread.join()

    def seen(self, metrics):
        return {name: kind.seen(metrics) for name, kind in self.kinds.items()}

    def stop(self):
        for part in reversed(self.parts):
            part.stop()
