# SPDX-License-Identifier: Apache-2.0
"""Business metrics by rules, against the truth: the service's database, and what its clients were answered."""

import collections
import decimal
import json
import os
import random
import socket
import sqlite3
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BINARY, PATIENCE, ROOT, C, S, parse_metrics, request, response, send_bytewise, wait_until
from test_order_service import ORDER, backend, order_service, write  # fixtures among them

EXAMPLE = f"{ROOT}/deploy/order-service.yaml"
SKIPPED = "spanhook_rule_skipped_total"


def segment(user_id):
    return "premium" if user_id % 10 < 2 else "standard" if user_id % 10 < 6 else "basic"


def order_of(rng):
    """An order of any kind: most are fine, others ask for what there is not, or are none."""
    kind = rng.choice(["good"] * 6 + ["user", "product", "quantity", "stock", "text", "array", "cut", "none"])
    order = {
        "user_id": rng.randint(1, 20),
        "items": [{"product_id": rng.randint(1, 9), "quantity": rng.randint(1, 3)} for _ in range(rng.randint(1, 60))],
        "shipping_address": {"street": "Storgata " + "x" * rng.choice([0, 10, 6000]), "city": "Tromsø"},
    }
    if kind == "user":
        order["user_id"] = 12345
    if kind == "product":
        order["items"][0]["product_id"] = 77
    if kind == "quantity":
        order["items"][0]["quantity"] = 9999
    if kind == "stock":
        order["items"][0] = {"product_id": 10, "quantity": 6}
    if kind == "text":
        order["user_id"] = "12"
    body = json.dumps([order] if kind == "array" else order).encode()
    if kind == "cut":
        body = body[:-1]
    reason = {"text": "not_a_number", "array": "missing", "cut": "not_json", "none": "no_body"}.get(kind)
    return (None if reason else order["user_id"]), reason, b"" if kind == "none" else body


def send_order(sock, rng, body):
    """One request, chunked or not, in segments of any size; returns its status."""
    if rng.random() < 0.3 and body:
        cuts = sorted(rng.sample(range(1, len(body)), min(3, len(body) - 1)))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)])]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        data = request(b"POST", b"/orders", None, b"Transfer-Encoding: chunked") + chunks
    else:
        data = request(b"POST", b"/orders", body)
    step = rng.choice([len(data), 1400, 300, 17])
    for at in range(0, len(data), step):
        sock.sendall(data[at : at + step])
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(65536)
    head, _, rest = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += sock.recv(65536)
    return int(head.split(b" ")[1])


def exact(text, name):
    """labels → value of a metric's samples, as decimal numbers."""
    samples = {}
    for line in text.split("\n"):
        if line.startswith(name + "{"):
            labels, _, value = line[len(name) :].rpartition(" ")
            samples[labels] = decimal.Decimal(value)
    return samples


MODES = (("--mode", "thread-per-connection"), ("--mode", "thread-pool", "--threads", 2))


@pytest.mark.parametrize("mode", MODES, ids=["thread-per-connection", "thread-pool"])
def test_orders_to_the_last_cent(order_service, backend, agent, folder, mode):
    """Orders of all outcomes on eight connections at a time, against the database and the answers."""
    stock = [{"product_id": i, "quantity": 5 if i == 10 else 1000000} for i in range(1, 11)]
    path = write(f"{folder}/inventory.json", json.dumps({"stock": stock}))
    service = order_service(*mode, inventory=backend("inventory", "--data", path).url)
    tracer = agent("--config", EXAMPLE)
    statuses, reasons = collections.Counter(), collections.Counter()

    def client(number):
        rng, answers = random.Random(number), []
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for _ in range(15):
                    user, reason, body = order_of(rng)
                    answers.append((user, reason, send_order(sock, rng, body)))
        return answers

    with ThreadPoolExecutor(8) as pool:
        for user, reason, status in (a for answers in pool.map(client, range(8)) for a in answers):
            what = "created" if status == 201 else "rejected" if status < 500 else "failed"
            statuses[what, "unknown" if user is None else segment(user)] += 1
            reasons[reason] += 1
    n = sum(statuses.values())
    tracer.wait_metric(n, "http_requests_total")
    text = urllib.request.urlopen(tracer.url + "/metrics", timeout=PATIENCE).read().decode()

    created = exact(text, "orders_created_total")
    assert created == {f'{{status="{s}",user_segment="{u}"}}': count for (s, u), count in statuses.items()}
    with sqlite3.connect(f"{folder}/orders.db") as database:
        rows = database.execute("SELECT user_id, total_amount FROM orders").fetchall()
    database.close()
    assert len(rows) == sum(count for (s, _), count in statuses.items() if s == "created") > n / 4
    assert all(any(s == what for s, _ in statuses) for what in ("created", "rejected", "failed"))
    counts, cents = collections.Counter(), collections.Counter()
    for user_id, total in rows:
        labels = f'{{currency="USD",user_segment="{segment(user_id)}"}}'
        counts[labels] += 1
        cents[labels] += decimal.Decimal(str(total))
    assert exact(text, "order_amount_count") == counts
    assert exact(text, "order_amount_sum") == cents
    for labels, count in counts.items():
        at_most_100 = sum(t <= 100 for u, t in rows if f'"{segment(u)}"' in labels)
        assert exact(text, "order_amount_bucket")[labels[:-1] + ',le="100"}'] == at_most_100
        assert exact(text, "order_amount_bucket")[labels[:-1] + ',le="+Inf"}'] == count

    durations = collections.Counter()
    for (what, _), count in statuses.items():
        durations[f'{{status="{what}",service="order-service"}}'] += count
    assert exact(text, "order_processing_duration_seconds_count") == durations
    spans = tracer.finish()
    for labels in durations:
        what = labels.split('"')[1]
        wanted = {"created": (200, 299), "rejected": (300, 499), "failed": (500, 599)}[what]
        sum_ms = sum(
            decimal.Decimal(str(s["duration_ms"]))
            for s in spans
            if s["kind"] == "server" and s["method"] == "POST" and wanted[0] <= s["status"] <= wanted[1]
        )
        assert exact(text, "order_processing_duration_seconds_sum")[labels] * 1000 == sum_ms
    reasons.pop(None)
    assert {l["reason"]: v for l, v in parse_metrics(text)[SKIPPED] if v} == reasons
    # Bodies go nowhere.
    with open(f"{folder}/log.jsonl", errors="replace") as f:
        assert "Storgata" not in f.read()


def test_without_rules_nothing_more(order_service, agent):
    service = order_service()
    tracer = agent("-p", service.pid)
    body = json.dumps(ORDER).encode()
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as sock:
        assert send_order(sock, random.Random(1), body) == 201
    tracer.wait_metric(1, "http_requests_total")
    assert not [name for name in tracer.metrics() if name.startswith(("order", SKIPPED))]


RULES = """
rules:
  - name: paid_total
    type: counter
    spans: { kind: %s, method: POST, route: /pay }
    labels: { method: request.body.method, items: length(request.body.items), ok: response.body.ok }
"""


def with_rules(folder, kind, more=""):
    path = f"{folder}/rules.yaml"
    with open(path, "w") as f:
        f.write(more + RULES % kind)
    return path


@pytest.mark.parametrize("kind", ["server", "client"])
@pytest.mark.parametrize("send", [None, send_bytewise], ids=["whole", "bytewise"])
def test_both_ends(talk, agent, folder, kind, send):
    """The rule is for one end; the other one's span is not counted too."""
    body = json.dumps({"method": "card", "items": [1, [2, 3]]}).encode()
    paid = response(200, b'{"ok": true}', b"Content-Type: application/json")
    script = [C(request(b"POST", b"/pay", body)), S(paid)] * 5
    sides = {"server": (send,), "client": (send,)} if send else {}
    t = talk(script, **sides)
    tracer = agent("--config", with_rules(folder, kind), *t.select())
    t.run()
    tracer.wait_metric(5, "http_requests_total")
    wait_until(lambda: tracer.metric("paid_total"), "the rule's metric")
    tracer.wait_metric(5, "paid_total")
    assert tracer.metrics()["paid_total"] == [({"method": "card", "items": "2", "ok": "true"}, 5)]


def test_large_bodies(talk, agent, folder):
    """Longer than one event captures, up to the limit; then cut."""

    def body(size):
        start = json.dumps({"method": "card", "items": []})[:-1] + ', "x": "'
        return (start + "y" * (size - len(start) - 2) + '"}').encode()

    script = []
    for size in (15000, 16384, 16385, 60000):
        script += [C(request(b"POST", b"/pay", body(size))), S(response(200, b'{"ok": 1}'))]
    t = talk(script)
    tracer = agent("--config", with_rules(folder, "server"), *t.select())
    t.run()
    tracer.wait_metric(4, "http_requests_total")
    assert tracer.metrics()["paid_total"] == [({"method": "card", "items": "0", "ok": "1"}, 2)]
    assert tracer.metric(SKIPPED, metric="paid_total", reason="body_cut") == 2


def test_from_file_and_environment(talk, folder, attach):
    """The file names the process; the environment says where the log goes; the command line is first."""
    t = talk([C(request()), S(response())])
    path = f"{folder}/spanhook.yaml"
    with open(path, "w") as f:
        f.write(f"pid: [{t.server.pid}, {t.client.pid}]\noutput: text\nlog: {folder}/not.jsonl\n")
    tracer = attach("--config", path, env={**os.environ, "SPANHOOK_LOG": f"{folder}/environment.jsonl"})
    t.run()
    tracer.wait_spans(2)
    tracer.finish()
    with open(f"{folder}/environment.jsonl") as f:
        assert len(f.readlines()) == 2
    assert not os.path.exists(f"{folder}/not.jsonl")


@pytest.mark.parametrize(
    "text,line,word",
    [
        ("prot: 80\n", 1, "'prot'"),
        ("port: 80\nlabel-sets: many\n", 2, "'many'"),
        ("rules:\n  - name: a\n    type: gauge\n", 3, "counter or histogram"),
        ("port: [80\n", 2, "not YAML"),
    ],
)
def test_what_is_wrong(folder, text, line, word):
    """One line, with the place and what would be right, and exit code 2, whatever the command."""
    path = f"{folder}/wrong.yaml"
    with open(path, "w") as f:
        f.write(text)
    for command in ("check", "agent", "attach"):
        run = subprocess.run([BINARY, command, "--config", path], capture_output=True, text=True, timeout=PATIENCE)
        assert run.returncode == 2
        assert run.stderr.count("\n") == 1 and f"{path}:{line}: " in run.stderr and word in run.stderr
        assert not run.stdout


def test_file_that_is_not_there(folder):
    run = subprocess.run([BINARY, "check", "--config", f"{folder}/no"], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and f"{folder}/no: " in run.stderr


def test_example_is_right():
    run = subprocess.run([BINARY, "check", "--config", EXAMPLE], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "rules: 3" in run.stderr


FUNCTIONS = """
function:
  - "create_order(user.id=order->user_id, order.total_amount=order->total_amount at return) error if return < 0"
rules:
  - name: function_orders_total
    type: counter
    spans: { kind: internal, function: create_order }
    labels:
      result: failed
      user_segment: { field: attribute.user.id, modulo: 10, below: { 2: premium, 6: standard }, else: basic }
  - name: function_amount
    type: histogram
    unit: USD
    spans: { kind: internal, function: create_*, failed: false }
    value: attribute.order.total_amount
    buckets: [50, 100]
"""


def test_orders_by_functions(order_service, backend, agent, folder):
    """The same truth from a function's arguments, integers and doubles."""
    path = write(f"{folder}/stock.json", json.dumps({"stock": [{"product_id": i, "quantity": 99999} for i in range(1, 10)]}))
    service = order_service(inventory=backend("inventory", "--data", path).url)
    rules = write(f"{folder}/functions.yaml", FUNCTIONS)
    tracer = agent("-p", service.pid, "--config", rules)
    rng, truth = random.Random(7), collections.Counter()
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as sock:
        for _ in range(80):
            user, reason, body = order_of(rng)
            if not reason:
                failed = "false" if send_order(sock, rng, body) == 201 else "true"
                truth[f'{{result="{failed}",user_segment="{segment(user)}"}}'] += 1
    tracer.wait_metric(sum(truth.values()), "function_orders_total")
    text = urllib.request.urlopen(tracer.url + "/metrics", timeout=PATIENCE).read().decode()
    assert exact(text, "function_orders_total") == truth
    with sqlite3.connect(f"{folder}/orders.db") as database:
        totals = [decimal.Decimal(str(t)) for (t,) in database.execute("SELECT total_amount FROM orders")]
    database.close()
    assert len(totals) == sum(n for labels, n in truth.items() if '"false"' in labels) > 20
    assert exact(text, "function_amount_sum") == {"{}": sum(totals)}
    assert exact(text, "function_amount_bucket")['{le="100"}'] == sum(t <= 100 for t in totals)
