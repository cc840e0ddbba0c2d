# SPDX-License-Identifier: Apache-2.0
"""Real servers, each in the foreground with a configuration and an access log of its own."""

import os
import re
import shutil

import pytest

from harness import Program, can_connect, children, free_port, wait_until

# What each server serves: name → bytes.
FILES = {
    "index.html": b"hello\n",
    "small.txt": b"s" * 1000,
    "large.bin": bytes(range(256)) * 4096,  # 1 MiB
}

# nginx answers /s/STATUS/SIZE with just that.
STATUSES = [200, 201, 204, 404, 500, 503]
SIZES = [1, 7, 300, 3000]


def need(tool):
    return shutil.which(tool) or pytest.skip(f"{tool} is not installed")


class Server(Program):
    """`log_line` is a pattern with the groups status, method, target and, where it is logged, size."""

    log_line = r"(?P<status>\d+) (?P<method>\S+) (?P<target>\S+) (?P<size>\d+)"

    def __init__(self, folder, name, port, argv, log=None, **kw):
        super().__init__(folder, name, argv, **kw)
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.log_path = log or f"{folder}/{name}.access"

        def ready():
            assert self.running(), f"{name} ended: {self.err()}"
            return can_connect(("127.0.0.1", port))

        wait_until(ready, f"{name} to listen")

    def pids(self):
        return [self.pid, *children(self.pid)]

    def select(self):
        """The options that trace all its processes."""
        return [arg for pid in self.pids() for arg in ("-p", str(pid))]

    def log(self):
        """What the server says that it answered."""
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, errors="replace") as f:
            return [m.groupdict() for m in re.finditer(self.log_line, f.read())]

    def wait_log(self, n):
        wait_until(lambda: len(self.log()) >= n, lambda: f"{n} lines in the log, there are {len(self.log())}")
        return self.log()


def document_root(folder):
    root = os.path.join(folder, "www")
    if not os.path.isdir(root):
        os.mkdir(root)
        for name, content in FILES.items():
            with open(os.path.join(root, name), "wb") as f:
                f.write(content)
    return root


NGINX_CONF = """
daemon off;
user root;
worker_processes {workers};
pid {folder}/{name}.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
http {{
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  log_format truth '$status $request_method $request_uri $body_bytes_sent';
  access_log {folder}/{name}.access truth;
  keepalive_requests 1000000; keepalive_timeout 3600;
  sendfile {sendfile};
  large_client_header_buffers 4 32k;
  default_type text/plain;
  {http}
  server {{
    listen 127.0.0.1:{port} backlog=4096; {listen}
    root {root};
    {statuses}
    {server}
  }}
}}
"""


def nginx(folder, name="nginx", workers=1, connections=1024, sendfile="on", http="", server="", listen=""):
    binary, port = need("nginx"), free_port()
    statuses = "\n".join(
        f'location = /s/{status}/{size} {{ return {status} "{"x" * size}"; }}'
        for status in STATUSES
        for size in SIZES
    )
    conf = f"{folder}/{name}.conf"
    with open(conf, "w") as f:
        f.write(NGINX_CONF.format(**locals(), root=document_root(folder)))
    started = Server(folder, name, port, [binary, "-p", folder, "-c", conf])
    wait_until(lambda: len(children(started.pid)) == workers, "nginx's workers")
    return started


APACHE_CONF = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
User www-data
Group www-data
Listen 127.0.0.1:{port}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
StartServers 2
ErrorLog {folder}/apache.error
LogFormat "%>s %m %U%q %B" truth
CustomLog {folder}/apache.access truth
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot {root}
<Directory {root}>
  Require all granted
</Directory>
"""


def apache(folder, mpm="event"):
    binary, port = need("apache2"), free_port()
    modules = "/usr/lib/apache2/modules"
    conf = f"{folder}/apache.conf"
    with open(conf, "w") as f:
        f.write(APACHE_CONF.format(**locals(), root=document_root(folder)))
    started = Server(folder, "apache", port, [binary, "-f", conf, "-DFOREGROUND"])
    wait_until(lambda: len(children(started.pid)) >= 2, "Apache's children")
    return started


def python_http(folder):
    port = free_port()
    started = Server(
        folder,
        "http.server",
        port,
        ["/usr/bin/python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", document_root(folder)],
        log=f"{folder}/http.server.err",
    )
    started.log_line = r'"(?P<method>\S+) (?P<target>\S+) HTTP/1.\d" (?P<status>\d+) '
    return started


HERE = os.path.dirname(os.path.abspath(__file__))


def gunicorn(folder, workers=2, kind="sync"):
    binary, port = need("gunicorn"), free_port()
    started = Server(
        folder,
        "gunicorn",
        port,
        # fmt: off
        [binary, "--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--worker-class", kind, "--threads",
         "4" if kind == "gthread" else "1", "--keep-alive", "60", "--chdir", HERE, "--access-logfile",
         f"{folder}/gunicorn.access", "--access-logformat", "%(s)s %(m)s %(U)s %(B)s", "--log-level", "warning",
         "--worker-tmp-dir", "/dev/shm", "app_flask:app"],
        # fmt: on
        env={**os.environ, "WWW": document_root(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    wait_until(lambda: len(children(started.pid)) == workers, "gunicorn's workers")
    return started


def node(folder):
    port = free_port()
    return Server(
        folder,
        "node",
        port,
        [need("node"), os.path.join(HERE, "app_node.js"), str(port), f"{folder}/node.access", document_root(folder)],
    )
