# SPDX-License-Identifier: Apache-2.0
"""The daemon: metrics that equal the truth, health, limits, and ends of every kind."""

import collections
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import servers
from harness import BINARY, Agent, C, Program, S, free_port, http_get, request, response, wait_until
from test_servers import wrk


def load(server, counts):
    """Sends requests over one connection; counts: path → how many."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for path, n in counts.items():
        for _ in range(n):
            connection.request("GET", path)
            connection.getresponse().read()
    connection.close()
    server.wait_log(sum(counts.values()))


def by_status(metrics, name, label, **want):
    found = collections.Counter()
    for labels, value in metrics.get(name, []):
        if all(labels.get(k) == v for k, v in want.items()):
            found[labels[label]] += int(value)
    return found


def test_metrics_equal_the_log(folder, started, agent):
    server = started(servers.nginx(folder))
    tracer = agent(*server.select())
    counts = {"/small.txt": 30, "/absent": 7, "/s/503/300": 5, "/s/201/1": 3, "/large.bin": 2}
    load(server, counts)
    tracer.wait_metric(47, "spanhook_spans_total")
    truth = collections.Counter(entry["status"] for entry in server.log())
    assert sum(truth.values()) == 47
    metrics = tracer.metrics()
    assert by_status(metrics, "http_requests_total", "status_code") == truth
    assert by_status(metrics, "http_request_duration_seconds_count", "status_code") == truth
    duration = "http_server_request_duration_seconds"
    assert by_status(metrics, duration + "_count", "http_response_status_code") == truth
    assert by_status(metrics, duration + "_bucket", "http_response_status_code", le="+Inf") == truth
    assert by_status(metrics, "http_server_response_body_size_bytes_count", "http_response_status_code") == truth
    sent = sum(value for _, value in metrics["http_server_response_body_size_bytes_sum"])
    assert sent == sum(int(entry["size"]) for entry in server.log())
    limits = [0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, float("inf")]
    assert {float(labels["le"]) for labels, _ in metrics[duration + "_bucket"]} == set(limits)
    labels, _ = metrics[duration + "_count"][0]
    assert (labels["http_request_method"], labels["url_scheme"], labels["service_name"]) == ("GET", "http", "nginx")
    assert metrics["spanhook_spans_total"] == [({}, 47)]
    assert sum(value for _, value in metrics.get("spanhook_dropped_total", [])) == 0
    for name in ("spanhook_events_total", "spanhook_event_bytes_total", "spanhook_traffic_bytes_total", "spanhook_processes"):
        assert metrics[name][0][1] > 0
    assert metrics["spanhook_traffic_bytes_total"][0][1] > sent


def test_every_reason_of_loss_is_a_metric(folder, agent, started):
    """Each row of drops.def is there, at zero too, so that an alert can be written."""
    server = started(servers.python_http(folder))
    tracer = agent(*server.select())
    with open(os.path.join(os.path.dirname(__file__), "../../bpf/drops.def")) as f:
        rows = set(re.findall(r"^DROP\((\w+), (\w+),", f.read(), re.M))
    samples = tracer.metrics()["spanhook_dropped_total"]
    assert {(labels["reason"], labels["stage"]) for labels, _ in samples} == rows


def test_metrics_are_well_formed(folder, started, agent):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    server = started(servers.nginx(folder))
    tracer = agent(*server.select())
    load(server, {"/small.txt": 3, "/absent": 1})
    tracer.wait_metric(4, "spanhook_spans_total")
    text = http_get(tracer.url + "/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("family, present, absent", [
    ("classic", "http_requests_total", "http_server_request_duration_seconds_count"),
    ("semconv", "http_server_request_duration_seconds_count", "http_requests_total"),
])  # fmt: skip
def test_metric_families(folder, started, agent, family, present, absent):
    server = started(servers.nginx(folder))
    tracer = agent(*server.select(), "--metrics", family)
    load(server, {"/small.txt": 1})
    tracer.wait_metric(1, present)
    assert absent not in tracer.metrics()


def test_label_sets_are_limited(folder, started, agent):
    """What goes beyond the limit is counted as `other`: the sum stays right."""
    server = started(servers.nginx(folder))
    tracer = agent(*server.select(), "--label-sets", "10")
    load(server, {f"/absent-{chr(97 + i % 26)}{chr(97 + i // 26)}": 2 for i in range(50)})
    tracer.wait_metric(100, "spanhook_spans_total")
    metrics = tracer.metrics()
    samples = metrics["http_server_request_duration_seconds_count"]
    assert len(samples) <= 11 and sum(value for _, value in samples) == 100
    assert any(labels["http_route"] == "other" for labels, _ in samples)


def test_health(folder, started, agent):
    server = started(servers.python_http(folder))
    tracer = agent(*server.select())
    assert http_get(tracer.url + "/healthz")[0] == 200
    assert http_get(tracer.url + "/absent")[0] == 404


def test_sigterm_flushes(folder, started, agent):
    """Stopped at once after the last answer: the log has every span."""
    server = started(servers.nginx(folder))
    tracer = agent(*server.select())
    load(server, {"/small.txt": 500})
    spans = tracer.finish(signal.SIGTERM)
    assert len(spans) == 500
    with open(tracer.lines_path) as f:
        assert f.read().endswith("}\n")


def test_log_appends(folder, started, agent):
    """A second agent adds to the file of the first."""
    server = started(servers.nginx(folder))
    for n in (1, 2):
        tracer = agent(*server.select())
        load(server, {"/small.txt": 1})
        tracer.wait_spans(n)
        tracer.finish()


FIELDS = {
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z",
    "level": "info|warn|error",
    "message": ".+",
    "service": "nginx",
    "kind": "server",
    "name": r"GET /orders/\{id\}",
    "trace_id": "[0-9a-f]{32}",
    "span_id": "[0-9a-f]{16}",
    "evidence": "unknown",
    "request_id": ".+",
    "protocol": "http",
    "method": "GET",
    "path": "/orders/17",
    "query": "a=1",
    "route": r"/orders/\{id\}",
    "host": r"127\.0\.0\.1:\d+",
    "peer": r"127\.0\.0\.1:\d+",
    "local": r"127\.0\.0\.1:\d+",
    "user_agent": "shop/1",
    "command": "nginx",
}
NUMBERS = {"status", "duration_ms", "ttfb_ms", "request_bytes", "response_bytes", "pid", "tid"}


def test_log_fields(folder, started, agent):
    """One flat object a line, with these fields and no others; those that do not apply are left out."""
    server = started(servers.nginx(folder))
    tracer = agent(*server.select())
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/orders/17?a=1", headers={"User-Agent": "shop/1"})
    connection.getresponse().read()
    (span,) = tracer.wait_spans(1)
    assert set(span) == set(FIELDS) | NUMBERS
    assert not [k for k, pattern in FIELDS.items() if not re.fullmatch(pattern, span[k])]
    assert not [k for k in NUMBERS if not isinstance(span[k], (int, float))]
    connection.close()


def test_log_on_a_full_disk(folder, started, agent):
    """Said once and counted; the metrics stay right, and it goes on when there is room again."""
    disk = f"{folder}/disk"
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs")
    try:
        server = started(servers.nginx(folder))
        tracer = agent(*server.select(), "--log", f"{disk}/log")
        load(server, {"/small.txt": 1000})
        tracer.wait_metric(1000, "spanhook_spans_total")
        tracer.wait_metric(1, "spanhook_dropped_total", stage="export")
        assert "No space left" in tracer.err() and f"{disk}/log" in tracer.err()
        assert tracer.err().count("No space left") <= 5
        assert tracer.metric("http_requests_total") == 1000
        os.truncate(f"{disk}/log", 0)
        load(server, {"/absent": 1})
        wait_until(lambda: '"/absent"' in open(f"{disk}/log").read(), "the log to go on")
        tracer.stop()
        for line in open(f"{disk}/log").read().strip("\n").split("\n"):
            assert json.loads(line)["service"] == "nginx"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_killed_under_load(folder, started, agent):
    """SIGKILL: the target sees no error, no program, link or map of ours stays in the kernel."""
    server = started(servers.nginx(folder))
    tracer = agent(*server.select())
    held = kernel_objects(tracer.pid)
    assert all(ids and ids <= present(kind) for kind, ids in held.items())
    load_now = started(Program(folder, "wrk", wrk(folder, server.url, ["/small.txt", "/s/200/300"], 40000, 8)))
    tracer.wait_metric(2000, "spanhook_spans_total")
    tracer.process.kill()
    assert tracer.wait() == -signal.SIGKILL
    assert load_now.wait() == 0
    assert "Socket errors" not in load_now.out() and "Non-2xx" not in load_now.out()
    assert {entry["status"] for entry in server.log()} == {"200"} and not server.err()
    for kind, ids in held.items():
        wait_until(lambda: not ids & present(kind), f"our {kind}s to be gone")


BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


def kernel_objects(pid):
    """The ids of the BPF objects that a process holds by its file descriptors, by their kind."""
    held = {"prog": set(), "map": set(), "link": set()}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{fd}") as f:
            for kind, number in re.findall(r"^(prog|map|link)_id:\s+(\d+)", f.read(), re.M):
                held[kind].add(int(number))
    return held


def present(kind):
    listed = subprocess.run([BPFTOOL, "-j", kind, "show"], capture_output=True, text=True, check=True)
    return {o["id"] for o in json.loads(listed.stdout or "[]")}


def test_it_does_not_trace_itself(folder, started):
    """Selected by its own name and port: nothing of it is traced, no matter how often it is asked."""
    own = shutil.copy(BINARY, f"{folder}/spanhook")
    port = free_port()
    tracer = started(Agent(folder, "--exe", own, "--port", port, binary=own, port=port)).wait_attached()
    for _ in range(20):
        tracer.metrics()
    # Programs that others on this machine execute are known for a moment, until they are looked at.
    wait_until(
        lambda: tracer.metric("spanhook_spans_total") == tracer.metric("spanhook_spans_ignored_total"),
        "the spans of others to be ignored",
    )
    assert tracer.finish() == []


def test_two_at_a_time(folder, started, agent, attach):
    """Two tracers of one process do not disturb each other."""
    server = started(servers.nginx(folder))
    first = agent(*server.select())
    second = attach(*server.select())
    load(server, {"/small.txt": 50})
    assert len(first.wait_spans(50)) == len(second.wait_spans(50)) == 50
    assert len(second.finish()) == 50
    load(server, {"/absent": 5})
    assert len(first.wait_spans(55)) == 55


def test_connections_beyond_the_limit(agent, talk):
    """Counted, not followed; nothing else changes."""
    t = talk([C(request()), S(response())] * 3)
    tracer = agent(*t.select(), "--max-connections", "16", "--max-spans", "16")
    t.run()
    assert len(tracer.wait_spans(6)) == 6


@pytest.mark.parametrize("data", [b"", b"GET /metrics HTTP/1.1\r\n"], ids=["idle", "half a request"])
def test_clients_that_hold_the_metrics(agent, clients, web, data):
    """More connections than it serves at a time are open: who asks for metrics still gets them."""
    tracer = agent("-p", web().pid)
    held = clients(200, ("127.0.0.1", int(tracer.url.rsplit(":", 1)[1])))
    for sock in held:
        with contextlib.suppress(OSError):
            sock.sendall(data)
    for _ in range(5):
        assert http_get(tracer.url + "/metrics")[0] == 200


def test_file_numbers_beyond_select(folder, many_files, started, web):
    """More files are open than FD_SETSIZE, as with many probes: the metrics are served."""
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        tracer = started(Agent(folder, "-p", web().pid, pass_fds=many)).wait_attached()
    finally:
        for fd in many:
            os.close(fd)
    assert tracer.metric("spanhook_processes") == 1
