# SPDX-License-Identifier: Apache-2.0
"""The order service traced from outside: each order is one tree, whatever its outcome."""

import collections
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import free_port
from test_order_service import ORDER, ROLES, backend, call, fake, order_service, send, with_item, write  # fixtures among them

CALLS = ["GET /users/{id}", "POST /products/batch", "POST /inventory/reserve"]


@pytest.fixture
def shop(order_service, backend, attach):
    """The order service and its four backends, all traced; a role with a URL has no backend."""

    class Shop:
        def __init__(self, *options, **urls):
            backends = {role: backend(role) for role in ROLES if role not in urls}
            self.service = order_service(*options, **{role: b.url for role, b in backends.items()}, **urls)
            self.pids = [self.service.pid, *(b.pid for b in backends.values())]
            self.tracer = attach("--sqlite", "off", *[arg for pid in self.pids for arg in ("-p", pid)])

        def post(self, order, **headers):
            return call(self.service, "POST", "/orders", order, headers)[0]

        def get(self, path, method="GET"):
            return call(self.service, method, path)[0]

        def finish(self, requests):
            """Waits for the service's own spans, and takes all."""
            self.tracer.wait_spans(requests, kind="server", pid=self.service.pid)
            self.spans = self.tracer.finish()
            return [s for s in self.spans if s["kind"] == "server" and s["pid"] == self.service.pid]

        def below(self, span):
            return [s for s in self.spans if s.get("parent_span_id") == span["span_id"]]

    return Shop


def check_tree(shop, order, calls, evidence=("thread",)):
    """The calls hang below the order, and what each backend did hangs below its call."""
    below = shop.below(order)
    assert [(s["name"], s["status"]) for s in below] == calls
    for s in below:
        assert (s["kind"], s["pid"]) == ("client", shop.service.pid) and s["evidence"] in evidence
        (served,) = shop.below(s)
        assert (served["kind"], served["evidence"]) == ("server", "socket") and served["pid"] in shop.pids[1:]
        assert (served["name"], served["status"]) == (s["name"], s["status"])
        assert not shop.below(served)
        assert s["trace_id"] == served["trace_id"] == order["trace_id"]
        assert s["request_id"] == served["request_id"] == order["request_id"]
        assert order["duration_ms"] >= s["duration_ms"] >= served["duration_ms"]
        assert (s["request_bytes"], s["response_bytes"]) == (served["request_bytes"], served["response_bytes"])
        assert s["peer"] == served["local"] and s["local"] == served["peer"]


MODES = [["--mode", "thread-per-connection"], ["--mode", "thread-pool", "--threads", 2]]

OUTCOMES = [
    # order, status, its calls
    (ORDER, 201, [200, 200, 200]),
    ({**ORDER, "items": []}, 400, []),
    ({**ORDER, "user_id": 999}, 400, [404]),
    (with_item(product_id=777), 400, [200, 200]),
    (with_item(product_id=3), 503, [200, 200, 409]),
    (None, 400, []),
]


@pytest.mark.parametrize("mode", MODES, ids=["thread-per-connection", "thread-pool"])
def test_outcomes(shop, mode):
    s = shop(*mode)
    assert [s.post(order) for order, _, _ in OUTCOMES] == [status for _, status, _ in OUTCOMES]
    orders = s.finish(len(OUTCOMES))
    assert [(o["name"], o["status"]) for o in orders] == [("POST /orders", status) for _, status, _ in OUTCOMES]
    for order, (_, _, calls) in zip(orders, OUTCOMES):
        # A pool's threads have event loops.
        check_tree(s, order, list(zip(CALLS, calls)), ("thread", "turn") if mode[1] == "thread-pool" else ("thread",))
    assert len({o["trace_id"] for o in orders}) == len({o["request_id"] for o in orders}) == len(orders)
    assert len(s.spans) == len(orders) + 2 * sum(len(calls) for _, _, calls in OUTCOMES)
    assert [o["level"] for o in orders] == ["info", "warn", "warn", "warn", "error", "warn"]
    assert {o["service"] for o in orders} == {"order-service"}


def test_routes(shop):
    s = shop()
    order = call(s.service, "POST", "/orders", ORDER)[2]["order_id"]
    unknown = "00000000-0000-4000-8000-000000000000"
    seen = [s.get("/health"), s.get("/health", "HEAD"), s.get(f"/orders/{order}"), s.get(f"/orders/{unknown}")]
    seen += [s.get("/orders/17"), s.get("/orders"), s.get("/orders/17", "DELETE"), s.get("/nothing/here")]
    assert seen == [200, 200, 200, 404, 404, 405, 405, 404]
    first, *others = s.finish(9)
    assert (first["name"], first["status"]) == ("POST /orders", 201)
    assert [o["status"] for o in others] == seen
    assert [o["name"] for o in others] == [
        "GET /health",
        "HEAD /health",
        "GET /orders/{uuid}",
        "GET /orders/{uuid}",
        "GET /orders/{id}",
        "GET /orders",
        "DELETE /orders/{id}",
        "GET /nothing/here",
    ]
    assert not [x for o in others for x in s.below(o)]


def test_context_of_the_caller(shop):
    """traceparent and X-Request-ID are taken from the request, and the whole tree has them."""
    s = shop()
    trace_id, parent = "0123456789abcdef0123456789abcdef", "fedcba9876543210"
    assert s.post(ORDER, traceparent=f"00-{trace_id}-{parent}-01", **{"X-Request-ID": "order-1"}) == 201
    (order,) = s.finish(1)
    assert (order["trace_id"], order["parent_span_id"], order["evidence"]) == (trace_id, parent, "traceparent")
    assert {x["trace_id"] for x in s.spans} == {trace_id} and {x["request_id"] for x in s.spans} == {"order-1"}
    check_tree(s, order, list(zip(CALLS, [200, 200, 200])))


@pytest.mark.parametrize("mode", MODES, ids=["thread-per-connection", "thread-pool"])
def test_orders_at_the_same_time(order_service, backend, attach, folder, mode):
    """
    64 orders that are worked on at once. Which order a call belongs to is in what it says, which proves nothing to
    the tracer: order N, named in its User-Agent, is of user N and of N products, so each body has its own length.
    """
    n = 64
    users = [{"id": i, "name": f"User {i}", "email": f"u{i}@shop.test"} for i in range(1, n + 1)]
    products = [{"id": 100 + i, "name": "Cup", "price": 1, "currency": "USD"} for i in range(n)]
    stock = [{"product_id": 100 + i, "quantity": 1000} for i in range(n)]
    data = {"user": {"users": users}, "product": {"products": products}, "inventory": {"stock": stock}}
    backends = {}
    for role, knows in data.items():
        path = write(f"{folder}/{role}.json", json.dumps(knows))
        backends[role] = backend(role, "--data", path, "--latency-ms", 5, "--jitter-ms", 10)
    service = order_service(*mode, **{role: b.url for role, b in backends.items()})
    tracer = attach("-p", service.pid, "--sqlite", "off", *[arg for b in backends.values() for arg in ("-p", b.pid)])
    together = threading.Barrier(n)

    def post(i):
        order = {**ORDER, "user_id": i, "items": [{"product_id": 100 + k, "quantity": 1} for k in range(i)]}
        together.wait(20)
        return call(service, "POST", "/orders", order, {"User-Agent": f"order-{i}"})[0]

    with ThreadPoolExecutor(n) as pool:
        assert list(pool.map(post, range(1, n + 1))) == [201] * n
    tracer.wait_spans(n, kind="server", pid=service.pid)
    spans = tracer.finish()
    orders = {int(s["user_agent"][6:]): s for s in spans if s["kind"] == "server" and s["pid"] == service.pid}
    calls = [s for s in spans if s["kind"] == "client"]
    served = {s["parent_span_id"]: s for s in spans if s["evidence"] == "socket"}
    assert (len(orders), len(calls), len(served)) == (n, 3 * n, 3 * n)
    for s in calls:
        assert (served[s["span_id"]]["name"], served[s["span_id"]]["trace_id"]) == (s["name"], s["trace_id"])

    def about(s):
        """The number of the order that a call is for."""
        return int(s["path"][7:]) if s["name"] == CALLS[0] else lengths[s["name"]].index(s["request_bytes"]) + 1

    lengths = {name: sorted(s["request_bytes"] for s in calls if s["name"] == name) for name in CALLS}
    assert all(len(set(lengths[name])) == n for name in CALLS[1:])
    # A thread of a pool that has begun to read another request meanwhile proves nothing, and that is what it says.
    proven = [s for s in calls if "parent_span_id" in s]
    assert len(proven) == 3 * n or mode[1] == "thread-pool" and len(proven) > n
    assert all((s["evidence"] == "unknown") == (s not in proven) for s in calls)
    for s in proven:
        order = orders[about(s)]
        assert (s["parent_span_id"], s["trace_id"]) == (order["span_id"], order["trace_id"])
        assert mode[1] == "thread-pool" or s["evidence"] == "thread"


def test_downstream_refuses(shop):
    s = shop(user=f"http://127.0.0.1:{free_port()}")
    assert s.post(ORDER) == 503
    (order,) = s.finish(1)
    (failed,) = s.below(order)
    assert (failed["kind"], failed["evidence"], failed["error_type"]) == ("client", "thread", "connect_refused")
    assert "status" not in failed and order["status"] == 503 and order["level"] == "error"


def test_downstream_times_out(shop, fake):
    answered = threading.Event()
    s = shop("--timeout-ms", 300, product=fake(lambda handler: answered.wait(20)))
    assert s.post(ORDER) == 503
    answered.set()
    (order,) = s.finish(1)
    first, failed = s.below(order)
    assert (first["name"], first["status"]) == (CALLS[0], 200)
    assert (failed["name"], failed["error_type"]) == (CALLS[1], "local_closed") and "status" not in failed


def test_downstream_fails(shop, fake):
    """Statuses of downstream services and connections that they close, each as it is."""
    s = shop(product=fake(lambda handler: send(handler, 500, b"no")))
    assert s.post(ORDER) == 503
    (order,) = s.finish(1)
    first, failed = s.below(order)
    assert (first["status"], failed["status"], failed["level"]) == (200, 500, "error")
    assert (failed["evidence"], order["level"]) == ("thread", "error")


def test_downstream_closes(shop, fake):
    def hang_up(handler):
        handler.close_connection = True

    s = shop(inventory=fake(hang_up))
    assert s.post(ORDER) == 503
    (order,) = s.finish(1)
    *others, failed = s.below(order)
    assert [c["status"] for c in others] == [200, 200]
    assert (failed["name"], failed["error_type"]) == (CALLS[2], "peer_closed") and "status" not in failed


def test_internal_error(shop, folder):
    s = shop()
    with sqlite3.connect(f"{folder}/orders.db") as database:
        database.execute("DROP TABLE orders")
    database.close()
    assert s.post(ORDER) == 500
    (order,) = s.finish(1)
    assert (order["status"], order["level"]) == (500, "error")
    check_tree(s, order, list(zip(CALLS, [200, 200, 200])))


def test_database_and_events_are_no_requests(shop):
    """Without SQLite's: files are not sockets, nothing but the tree is shown."""
    s = shop()
    for _ in range(5):
        assert s.post(ORDER) == 201
    orders = s.finish(5)
    assert len(orders) == 5 and len(s.spans) == 5 * 7
    assert not [x for x in s.spans if x["evidence"] == "unknown" and x not in orders]


def test_metrics(order_service, agent):
    """The service's own classical names, from outside."""
    service = order_service()
    tracer = agent("-p", service.pid)
    truth = collections.Counter()
    for order, _, _ in OUTCOMES * 2:
        truth[str(call(service, "POST", "/orders", order)[0])] += 1
    tracer.wait_metric(len(OUTCOMES) * 2, "http_requests_total")
    metrics = tracer.metrics()
    requests = {labels["status_code"]: value for labels, value in metrics["http_requests_total"]}
    assert requests == truth
    assert {labels["endpoint"] for labels, _ in metrics["http_requests_total"]} == {"/orders"}
    assert {labels["status_class"] for labels, _ in metrics["http_requests_total"]} == {"2xx", "4xx", "5xx"}
    calls = collections.Counter()
    for labels, value in metrics["external_api_calls_total"]:
        calls[labels["endpoint"], labels["status_code"], labels["result"]] += value
    assert calls == {
        ("/users/{id}", "200", "success"): 6,
        ("/users/{id}", "404", "failure"): 2,
        ("/products/batch", "200", "success"): 6,
        ("/inventory/reserve", "200", "success"): 2,
        ("/inventory/reserve", "409", "failure"): 2,
    }
