# SPDX-License-Identifier: Apache-2.0
"""The servers whose parents are judged: real programs that do their work in different ways."""

import collections
import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import gos  # noqa: E402
from harness import BUILD, Program, can_connect, children, free_port, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOAD = os.path.join(BUILD, "workload")
BACKENDS = 4


class Fixture:
    """A server and its backends in a folder of their own, ended by their pids."""

    def __init__(self, folder, kind):
        self.folder, self.programs, self.traced, self.load_options, self.options = folder, [], [], [], []
        self.label = lambda spans: None  # gives the ids in their queries to spans that have none
        self.namespaces, self.client_namespace = [], None  # of the network; the client is traced if it has one
        self.served, self.calls = 1, 4  # requests and calls of traced servers for each request of the load
        try:
            kind(self)
        except BaseException:
            self.stop()
            raise

    def start_backends(self, addresses=None, namespace=None):
        self.backends = addresses or [free_port() for _ in range(BACKENDS)]
        return [self.start(f"backend{i}", [WORKLOAD, "backend", str(a)], a, namespace) for i, a in enumerate(self.backends)]

    def inside(self, namespace, argv):
        return ["ip", "netns", "exec", namespace, *argv] if namespace else argv

    def listens(self, address, namespace):
        if not namespace:
            return can_connect(("127.0.0.1", address))
        port = str(address).rpartition(":")[2]
        return subprocess.run(self.inside(namespace, ["ss", "-Hltn", f"sport = :{port}"]), capture_output=True).stdout

    def start(self, name, argv, address=None, namespace=None, **kw):
        program = Program(self.folder, name, self.inside(namespace, argv), **kw)
        self.programs.append(program)
        if address:
            wait_until(lambda: self.listens(address, namespace) or not program.running(), f"{name} to listen")
        assert program.running(), f"{name} ended: {program.err()}"
        return program

    def select(self):
        pids = [pid for program in self.traced for pid in (program.pid, *children(program.pid))]
        return [arg for pid in pids for arg in ("-p", str(pid))] + self.options

    def prepare_load(self, connections, requests):
        """The client, which waits for a line on its standard input."""
        argv = [WORKLOAD, "load", str(self.address), str(connections), str(requests), "1", *self.load_options]
        argv = ["sh", "-c", 'read line; exec "$@"', "load", *argv]
        self.load = subprocess.Popen(
            self.inside(self.client_namespace, argv), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def run_load(self):
        error = self.load.communicate("go\n", 300)[1]
        assert self.load.returncode == 0, error

    def stop(self):
        for program in reversed(self.programs):
            program.process.terminate()
        for program in self.programs:
            program.process.wait(10)
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace])


def workload(mode, calls):
    def kind(f):
        f.calls = calls
        f.start_backends()
        f.address = free_port()
        f.traced = [f.start("server", [WORKLOAD, mode, str(f.address), *map(str, f.backends)], f.address)]

    return kind


def order_service(f):
    """In its queries an order has its id; which call is for which order, only those who are called can tell."""
    ports = {role: free_port() for role in ("user", "product", "inventory")}
    callees = {port: f.start(role, ["/usr/bin/python3", f"{HERE}/app_shop.py", str(port)], port) for role, port in ports.items()}
    f.address, f.calls, f.load_options, f.options = free_port(), 3, ["orders"], ["--sqlite", "off"]
    urls = [arg for role, port in ports.items() for arg in (f"--{role}-url", f"http://127.0.0.1:{port}")]
    stores = ["--database", f"sqlite://{f.folder}/orders.db", "--events", f"file://{f.folder}/events.jsonl"]
    argv = [os.path.join(BUILD, "order-service"), "--port", str(f.address), "--mode", "thread-per-connection", *stores, *urls]
    f.traced = [f.start("server", argv, f.address)]

    def label(spans):
        asked = collections.defaultdict(collections.deque)
        for port, callee in callees.items():
            for line in callee.out().splitlines():
                caller, number = line.split()
                asked[f"127.0.0.1:{caller}", f"127.0.0.1:{port}"].append(number)
        for span in sorted((s for s in spans if s["kind"] == "client"), key=lambda s: s["timestamp"]):
            if asked[span["local"], span["peer"]]:
                span["query"] = f"id={asked[span['local'], span['peer']].popleft()}"

    f.label = label


class Missing(Exception):
    """A program that a workload needs is not installed."""


def need(tool):
    return shutil.which(tool) or missing(f"{tool} is not installed")


def missing(what):
    raise Missing(what)


NGINX = """
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_rlimit_nofile 8192;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 1000000; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream behind {{ {servers} keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen {listen} reuseport;
        location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


def start_nginx(f, name, port, behind, namespace=None):
    folder = f"{f.folder}/{name}"
    os.mkdir(folder)
    os.chmod(f.folder, 0o755)
    os.chmod(folder, 0o777)
    servers = "".join(f"server {b if namespace else f'127.0.0.1:{b}'};" for b in behind)
    listen = port if namespace else f"127.0.0.1:{port}"
    with open(f"{folder}/nginx.conf", "w") as out:
        out.write(NGINX.format(folder=folder, listen=listen, servers=servers))
    program = f.start(name, [need("nginx"), "-c", f"{folder}/nginx.conf", "-p", folder], port, namespace)
    wait_until(lambda: len(children(program.pid)) >= 2, "nginx's workers")
    return program


def nginx(f):
    f.start_backends()
    f.address = free_port()
    f.calls = 1
    f.traced = [start_nginx(f, "nginx", f.address, f.backends[:2])]


APACHE = """
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
StartServers 1
ServerLimit 1
ThreadLimit 512
ThreadsPerChild 512
MaxRequestWorkers 512
MaxKeepAliveRequests 0
KeepAliveTimeout 600
ProxyPass / http://127.0.0.1:{backend}/
"""


def apache(f):
    """Threads that wait for what they call; which of them takes a client's next request is anybody's guess."""
    f.start_backends()
    f.address, f.calls = free_port(), 1
    os.chmod(f.folder, 0o777)
    modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "proxy", "proxy_http"))
    with open(f"{f.folder}/apache.conf", "w") as out:
        out.write(modules + APACHE.format(folder=f.folder, port=f.address, backend=f.backends[0]))
    f.traced = [f.start("apache", [need("apache2"), "-f", f"{f.folder}/apache.conf", "-DFOREGROUND"], f.address)]
    wait_until(lambda: children(f.traced[0].pid), "Apache's child")


NFT = """
table ip translated {{
    chain prerouting {{ type nat hook prerouting priority dstnat; {rules} }}
}}
"""


def translated(f):
    """The client and the backends in one network, nginx in another; whoever calls across has its destination translated."""
    run = lambda *argv, **kw: subprocess.run([need(argv[0]), *argv[1:]], check=True, **kw)  # noqa: E731
    outer, inner = f.namespaces = [f"spanhook-{side}-{os.getpid()}" for side in ("outer", "inner")]
    ends = (outer, "10.213.77.1", "".join(f"tcp dport {81 + i} dnat to 10.213.77.1:{8081 + i};" for i in range(2)))
    ends = (ends, (inner, "10.213.77.2", "tcp dport 80 dnat to 10.213.77.2:8080;"))
    for namespace, _, _ in ends:
        run("ip", "netns", "add", namespace)
    run("ip", "-n", outer, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", inner)
    for namespace, address, rules in ends:
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "veth0")
        run("ip", "-n", namespace, "link", "set", "veth0", "up")
        run("ip", "netns", "exec", namespace, need("nft"), "-f", "-", input=NFT.format(rules=rules), text=True)
    backends = f.start_backends([f"10.213.77.1:{8081 + i}" for i in range(2)], outer)
    proxy = start_nginx(f, "nginx", "10.213.77.2:8080", ["10.213.77.1:81", "10.213.77.1:82"], inner)
    f.address, f.client_namespace = "10.213.77.2:80", outer
    f.traced, f.served, f.calls = [*backends, proxy], 2, 1


def start_node(f, mode):
    f.start_backends()
    f.address = free_port()
    folder = os.path.join(BUILD, "accuracy/node")
    if not os.path.isdir(f"{folder}/node_modules/undici"):
        os.makedirs(folder, exist_ok=True)
        for file in ("package.json", "server.js"):
            shutil.copy(f"{HERE}/node/{file}", folder)
        if subprocess.run([need("npm"), "install", "--silent", "--no-audit", "--no-fund"], cwd=folder).returncode:
            missing("npm cannot install express and undici")
    shutil.copy(f"{HERE}/node/server.js", folder)
    f.traced = [f.start("node", [need("node"), f"{folder}/server.js", str(f.address), mode, *map(str, f.backends)], f.address)]


def node(mode):
    return lambda f: start_node(f, mode)


def go(f):
    f.start_backends()
    f.address = free_port()
    program = os.path.join(BUILD, "accuracy/go/server")
    try:
        gos.build(gos.any_go(), f"{HERE}/go", program)
    except gos.Missing as what:
        missing(str(what))
    f.traced = [f.start("go", [program, str(f.address), *map(str, f.backends)], f.address)]


def rust(f):
    """Of Debian's packages only: cargo needs no registry."""
    f.start_backends()
    f.address = free_port()
    crates, folder = "/usr/share/cargo/registry", os.path.join(BUILD, "accuracy/rust")
    if not glob.glob(f"{crates}/hyper-*"):
        missing("librust-hyper-dev is not installed")
    shutil.copytree(f"{HERE}/rust", folder, dirs_exist_ok=True)
    sources = ['source.crates-io.replace-with="debian"', f'source.debian.directory="{crates}"']
    argv = [need("/usr/bin/cargo"), "build", "--quiet", "--release", "--offline", *(f"--config={source}" for source in sources)]
    done = subprocess.run(argv, cwd=folder, env={**os.environ, "RUSTC": "/usr/bin/rustc"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    f.traced = [f.start("rust", [f"{folder}/target/release/server", str(f.address), *map(str, f.backends)], f.address)]


def asio(f):
    if not os.path.exists("/usr/include/asio.hpp"):
        missing("libasio-dev is not installed")
    f.start_backends()
    f.address = free_port()
    program = os.path.join(BUILD, "accuracy/asio")
    subprocess.run([need("g++"), "-std=c++20", "-O1", "-pthread", "-o", program, f"{HERE}/asio/server.cpp"], check=True)
    f.traced = [f.start("asio", [program, str(f.address), *map(str, f.backends)], f.address)]


def flask(f):
    f.start_backends()
    f.address, f.load_options, f.calls = free_port(), ["closes"], 3
    argv = ["/usr/bin/python3", need("gunicorn"), "-w", "4", "-b", f"127.0.0.1:{f.address}", "app_flask:app"]
    backends = ",".join(map(str, f.backends[:3]))
    f.traced = [f.start("gunicorn", argv, f.address, cwd=HERE, env={**os.environ, "BACKENDS": backends})]
    wait_until(lambda: len(children(f.traced[0].pid)) >= 4, "gunicorn's workers")


def need_modules(*names):
    for name in names:
        if subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True).returncode:
            missing(f"python3-{name} is not installed")


def aiohttp(f):
    need_modules("aiohttp")
    f.start_backends()
    f.address = free_port()
    argv = ["/usr/bin/python3", f"{HERE}/app_aiohttp.py", str(f.address), *map(str, f.backends)]
    f.traced = [f.start("aiohttp", argv, f.address)]


def starlette(f):
    need_modules("uvicorn", "starlette", "httpx")
    f.start_backends()
    f.address = free_port()
    argv = ["/usr/bin/python3", "-m", "uvicorn", "--port", str(f.address), "--no-access-log", "--loop", "asyncio", "app_starlette:app"]
    backends = ",".join(map(str, f.backends[:3]))
    f.traced = [f.start("uvicorn", argv, f.address, cwd=HERE, env={**os.environ, "BACKENDS": backends})]


def chain(f):
    """nginx before nginx before the event loop."""
    f.start_backends()
    loop, middle, f.address = free_port(), free_port(), free_port()
    f.traced = [f.start("loop", [WORKLOAD, "loop", str(loop), *map(str, f.backends)], loop)]
    f.traced.append(start_nginx(f, "inner", middle, [loop]))
    f.traced.append(start_nginx(f, "outer", f.address, [middle]))
    f.served, f.calls = 3, 6


WORKLOADS = {
    "1 order service": order_service,
    "2 pool, worker answers": workload("pool", 3),
    "2b pool, result handed back": workload("pool-handback", 3),
    "3 event loop": workload("loop", 4),
    "3b event loop, 4 connections": workload("loop-limited", 4),
    "4 nginx": nginx,
    "4b Apache": apache,
    "5 node": node("numbers"),
    "5b node, names and files": node("names"),
    "5c node, calls queue": node("limited"),
    "5d node, its own client": node("http"),
    "6 gunicorn, flask": flask,
    "6b aiohttp": aiohttp,
    "6c uvicorn, Starlette, httpx": starlette,
    "7 nginx, DNAT between networks": translated,
    "8 three hops": chain,
    "9 Go": go,
    "10 Rust": rust,
    "11 C++: asio": asio,
}
