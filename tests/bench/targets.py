# SPDX-License-Identifier: Apache-2.0
"""The servers that are traced, each in a folder of its own, with the load for it and the truth about it."""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), os.path.join(HERE, "../compare")]
from harness import BUILD, Program, can_connect, children, free_port, wait_until  # noqa: E402
from load import Load  # noqa: E402
from shop import Shop, order  # noqa: E402
from stores import Redis  # noqa: E402

ECHO = os.path.join(BUILD, "bench/echo")
SIZES = {"1k": 1 << 10, "10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20, "10m": 10 << 20}


class Missing(Exception):
    """A program that is not installed."""


def need(tool):
    path = shutil.which(tool)
    if not path:
        raise Missing(f"{tool} is not installed; `sudo make deps test` does it")
    return path


NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
    log_format short '$status'; access_log {log}; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {http}
    server {{ listen 127.0.0.1:{port} backlog=8192; root {folder}/www; location /gone {{ return 404; }} {server} }}
}}
"""


class Nginx(Program):
    """One worker. Its files are named by their sizes, as in SIZES."""

    def __init__(self, folder, name="nginx", log="off", http="", server=""):
        need("nginx")
        self.port, self.folder = free_port(), f"{folder}/{name}"
        os.makedirs(f"{self.folder}/www")
        for size, count in SIZES.items():
            with open(f"{self.folder}/www/{size}", "w") as f:
                f.write("x" * count)
        with open(f"{self.folder}/nginx.conf", "w") as f:
            f.write(NGINX.format(folder=self.folder, port=self.port, log=log, http=http, server=server))
        super().__init__(folder, name, [need("nginx"), "-c", f"{self.folder}/nginx.conf", "-p", self.folder])
        wait_until(lambda: can_connect(("127.0.0.1", self.port)), "nginx to listen")
        wait_until(lambda: children(self.pid), "nginx's worker")


class Echo(Program):
    """Answers with what it was sent, or with the bytes of a file."""

    def __init__(self, folder, processes=1, each=0, answer=None):
        self.port = free_port()
        argv = [ECHO, str(self.port), str(processes), str(each), *([answer] if answer else [])]
        super().__init__(folder, "echo", argv)
        wait_until(lambda: can_connect(("127.0.0.1", self.port)), "echo to listen")
        wait_until(lambda: len(children(self.pid)) == processes - 1, "echo's processes")


class Target:
    """Programs that run, of which the first is traced and measured; stop() ends them all."""

    def __init__(self, load, programs, truth, shop=None):
        """truth: name of a counter (see tracer.COUNTERS) → how many of it one operation makes."""
        self.load, self.programs, self.truth, self.shop = load, programs, truth, shop
        self.pids = [programs[0].pid, *children(programs[0].pid)]

    def stop(self):
        for program in self.programs:
            program.stop()
        if self.shop:
            self.shop.stop()


def file(folder, name, content):
    with open(f"{folder}/{name}", "wb") as f:
        f.write(content)
    return f"{folder}/{name}"


def nginx_static(folder):
    nginx = Nginx(folder)
    return Target(Load(nginx.port, "/1k"), [nginx], {"http server": 1})


def nginx_proxy(folder):
    behind = Nginx(folder, "behind")
    upstream = f"upstream behind {{ server 127.0.0.1:{behind.port}; keepalive 256; keepalive_requests 1000000000; }}"
    location = 'location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    proxy = Nginx(folder, "proxy", http=upstream, server=location)
    return Target(Load(proxy.port, "/1k"), [proxy, behind], {"http server": 1, "http client": 1})


def nginx_sendfile(folder):
    nginx = Nginx(folder)
    return Target(Load(nginx.port, "/1m", connections=8), [nginx], {"http server": 1})


def nginx_connections(folder):
    nginx = Nginx(folder)
    request = file(folder, "request", b"GET /1k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return Target(Load(nginx.port, request=request, each=1), [nginx], {"http server": 1})


def order_service(folder):
    shop = Shop(folder)
    service = shop.plain()
    body = json.dumps(order(0)).encode()
    head = f"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    load = Load(service.port, connections=8, request=file(folder, "request", head.encode() + body))
    return Target(load, [service], {"http server": 1, "http client": 3}, shop)


def redis(folder):
    """Pipelines of 16: each key is set and read."""
    server = Redis(folder)
    value, words, answers = b"v" * 64, b"", 0
    for key in (b"key:%d" % n for n in range(8)):
        for command in ((b"SET", key, value), (b"GET", key)):
            words += b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
        answers += len(b"+OK\r\n") + len(b"$64\r\n%b\r\n" % value)
    load = Load(server.port, request=file(folder, "request", words), answer_len=answers, per=16)
    return Target(load, [server], {"db server": 1})


def echo(folder):
    server = Echo(folder)
    request = file(folder, "request", bytes(range(0x80, 0xC0)))
    return Target(Load(server.port, request=request, answer_len=64), [server], {"bytes of an unknown protocol": 128})


TARGETS = {
    "nginx-static": (nginx_static, "nginx, a file of 1 KB, 32 kept-alive connections"),
    "nginx-proxy": (nginx_proxy, "nginx before nginx, a file of 1 KB, kept-alive on both sides; the first one is traced"),
    "nginx-sendfile": (nginx_sendfile, "nginx, a file of 1 MB by sendfile, 8 connections"),
    "nginx-connections": (nginx_connections, "nginx, a file of 1 KB, a connection for each request, 32 at a time"),
    "order-service": (order_service, "POST /orders of the example service: three calls, SQLite; 8 connections"),
    "redis": (redis, "redis-server, SET and GET of 64 bytes, pipelines of 16 on 32 connections"),
    "echo": (echo, "an echo of 64 bytes in no known protocol, 32 connections"),
}


def socket_calls(target, folder, requests=500):
    """Sends, receives, accepts and connects of the target for one operation, counted by strace; None without it."""
    if not shutil.which("strace"):
        return None
    calls = "read,readv,recvfrom,recvmsg,recvmmsg,write,writev,sendto,sendmsg,sendmmsg,sendfile,splice,accept,accept4,connect"
    pids = [arg for pid in target.pids for arg in ("-p", str(pid))]
    argv = ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", f"{folder}/calls", *pids]
    strace = Program(folder, "strace", argv)
    wait_until(lambda: strace.err().count("attached") >= len(target.pids) or not strace.running(), "strace to attach")
    done = target.load.run(total=requests)["requests"]
    strace.stop(2)
    count = subprocess.run(
        ["grep", "-cE", r"^[0-9]+ +[a-z0-9]+\([0-9]+<(socket|TCP|UNIX)", f"{folder}/calls"], capture_output=True, text=True
    )
    return int(count.stdout) / done
