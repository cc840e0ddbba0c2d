# SPDX-License-Identifier: Apache-2.0
"""The example services by themselves, without a tracer: every endpoint and every outcome."""

import http.client
import http.server
import itertools
import json
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BUILD, PATIENCE, ROOT, Program, can_connect, free_port, wait_until

DATA = f"{ROOT}/service/data"
ROLES = ("user", "product", "inventory", "payment")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ORDER = {
    "user_id": 1,
    "items": [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}],
    "shipping_address": {"street": "Storgata 1", "city": "Tromsø"},
}


@pytest.fixture(scope="session", autouse=True)
def binary():
    for name in ("order-service", "backend"):
        assert os.path.exists(f"{BUILD}/{name}"), f"{BUILD}/{name} is not built"


class Service(Program):
    """A service that is ready to be called."""

    number = itertools.count()

    def __init__(self, folder, name, *options):
        super().__init__(folder, f"{name}-{next(self.number)}", [f"{BUILD}/{name}", "--port", "0", *map(str, options)])

    def wait_ready(self):
        wait_until(lambda: "\n" in self.out() or not self.running(), "a service to be ready")
        assert "listening" in self.out(), self.err()
        self.port = int(self.out().rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self


@pytest.fixture
def backend(folder, started):
    """backend(role, options...) starts one with the example's data."""

    def run(role, *options):
        options = ("--role", role, "--data", f"{DATA}/{role}.json", *options)
        return started(Service(folder, "backend", *options)).wait_ready()

    return run


@pytest.fixture
def order_service(folder, started, backend):
    """order_service(options..., role=URL) starts one, and a backend for each role that has no URL."""

    def run(*options, **urls):
        for role in ("user", "product", "inventory"):
            options = (f"--{role}-url", urls.get(role) or backend(role).url, *options)
        stores = ("--database", f"sqlite://{folder}/orders.db", "--events", f"file://{folder}/events.jsonl")
        return started(Service(folder, "order-service", *stores, *options)).wait_ready()

    return run


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def call(process, method, path, body=None, headers=None):
    """One request on a connection of its own: status, headers, JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE)
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, response.headers, json.loads(text) if text else None


def post(process, order):
    status, headers, answer = call(process, "POST", "/orders", order)
    assert headers["Content-Type"] == "application/json"
    return status, answer


@pytest.fixture
def fake():
    """A service of the test's own: FAKE(answer) calls answer(handler) for each request and returns a URL."""
    servers = []

    def fake(answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer(self)

            do_GET = do_POST = do

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield fake
    for server in servers:
        server.shutdown()
        server.server_close()


def send(handler, status, body):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


# The order service: what succeeds.

MODES = (("--mode", "thread-per-connection"), ("--mode", "thread-pool", "--threads", 4),
         ("--mode", "thread-pool", "--threads", 1))


@pytest.mark.parametrize("mode", MODES, ids=lambda m: "-".join(map(str, m[1::2])))
def test_created_and_read_back(order_service, folder, mode):
    service = order_service(*mode)
    assert service.out() == f"order-service listening on 127.0.0.1:{service.port}\n"

    status, order = post(service, ORDER)
    assert status == 201
    assert UUID.fullmatch(order["order_id"]) and UUID.fullmatch(order["reservation_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", order["created_at"])
    assert {k: order[k] for k in ("user_id", "shipping_address", "total_amount", "currency", "status")} == {
        "user_id": 1, "shipping_address": ORDER["shipping_address"], "total_amount": 79.48, "currency": "USD",
        "status": "created"}
    assert [(i["product_id"], i["quantity"], i["price"]) for i in order["items"]] == [(1, 2, 29.99), (2, 1, 19.5)]

    assert call(service, "GET", f"/orders/{order['order_id']}")[::2] == (200, order)
    events = [json.loads(line) for line in read(f"{folder}/events.jsonl").splitlines()]
    assert events == [{"event": "order.created", "order_id": order["order_id"], "user_id": 1,
                       "total_amount": 79.48, "timestamp": order["created_at"]}]


def test_orders_outlive_a_restart(order_service):
    service = order_service()
    _, order = post(service, ORDER)
    assert (service.stop(), service.err()) == (0, "")
    assert call(order_service(), "GET", f"/orders/{order['order_id']}")[::2] == (200, order)


def test_a_product_may_appear_twice(order_service):
    order = {**ORDER, "items": [{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 3}]}
    status, answer = post(order_service(), order)
    assert (status, answer["total_amount"]) == (201, 119.96)


def test_address_may_be_text(order_service):
    status, answer = post(order_service(), {**ORDER, "shipping_address": 'Storgata 1, "Tromsø"\n'})
    assert (status, answer["shipping_address"]) == (201, 'Storgata 1, "Tromsø"\n')


def test_health_and_head(order_service):
    service = order_service()
    status, _, health = call(service, "GET", "/health")
    assert status == 200
    assert health.pop("timestamp").endswith("Z")
    assert health == {"status": "healthy", "service": "order-service", "version": "1.2.0"}
    status, headers, body = call(service, "HEAD", "/health")
    assert (status, body) == (200, None) and int(headers["Content-Length"]) > 0


# The order service: what its client got wrong.

def without(field):
    return {k: v for k, v in ORDER.items() if k != field}


def with_item(**item):
    return {**ORDER, "items": [{"product_id": 1, "quantity": 1, **item}]}


REFUSED = [
    (None, "Request body is required"),
    ("", "Request body is required"),
    ("{", "Request body is not valid JSON"),
    ('{"user_id":1} x', "Request body is not valid JSON"),
    (b'{"user_id":1}\0', "Request body is not valid JSON"),
    (b'{"user_id":"\xc0\xaf"}', "Request body is not valid JSON"),
    (b'{"user_id":"\xed\xa0\x80"}', "Request body is not valid JSON"),
    (b'{"user_id":"\xf4\x90\x80\x80"}', "Request body is not valid JSON"),
    (b'{"user_id":"\xe2\x82', "Request body is not valid JSON"),
    ("[" * 100000, "Request body is not valid JSON"),
    ([ORDER], "Request body must be a JSON object"),
    (without("user_id"), "Missing required field: user_id"),
    (without("items"), "Missing required field: items"),
    (without("shipping_address"), "Missing required field: shipping_address"),
    ({**ORDER, "items": None}, "Missing required field: items"),
    ({**ORDER, "user_id": "1"}, "user_id must be a positive integer"),
    ({**ORDER, "user_id": 1.5}, "user_id must be a positive integer"),
    ({**ORDER, "user_id": 0}, "user_id must be a positive integer"),
    ({**ORDER, "user_id": 1e300}, "user_id must be a positive integer"),
    ({**ORDER, "items": []}, "items must be a non-empty array"),
    ({**ORDER, "items": {"product_id": 1, "quantity": 1}}, "items must be a non-empty array"),
    ({**ORDER, "items": "all"}, "items must be a non-empty array"),
    ({**ORDER, "items": ORDER["items"][:1] * 101}, "items must not have more than 100 entries"),
    ({**ORDER, "items": [1]}, "items[0].product_id must be a positive integer"),
    (with_item(product_id="1"), "items[0].product_id must be a positive integer"),
    (with_item(quantity=0), "items[0].quantity must be an integer from 1 to 10000"),
    (with_item(quantity=10001), "items[0].quantity must be an integer from 1 to 10000"),
    ({**ORDER, "shipping_address": {}}, "shipping_address must be a non-empty object or string"),
    ({**ORDER, "shipping_address": 7}, "shipping_address must be a non-empty object or string"),
    ({**ORDER, "user_id": 999}, "User 999 not found"),
    (with_item(product_id=777), "Product 777 not found"),
]


def test_refused(order_service, folder):
    service = order_service()
    answers = [(body, *post(service, body)) for body, _ in REFUSED]
    assert answers == [(body, 400, {"error": error}) for body, error in REFUSED]
    assert read(f"{folder}/events.jsonl") == ""
    assert (service.stop(), service.err()) == (0, "")


def test_total_has_a_limit(order_service, backend, folder):
    stock = write(f"{folder}/stock.json", '{"stock":[{"product_id":3,"quantity":10000}]}')
    inventory = backend("inventory", "--data", stock)
    service = order_service(inventory=inventory.url)
    assert post(service, with_item(product_id=3, quantity=2222))[0] == 201
    assert post(service, with_item(product_id=3, quantity=2223)) == (400, {"error": "Order total is above 1000000 USD"})


def test_not_found(order_service):
    service = order_service()
    for path in (
        "/", "/order", "/orders/", "/orders/a/b", "/health/x", "/orders/no-such-order",
        "/orders/00000000-0000-4000-8000-000000000000", "/orders/%27%20OR%201=1", "/orders/" + "x" * 5000,
    ):
        status, _, answer = call(service, "GET", path)
        assert (status, set(answer)) == (404, {"error"}), path


def test_method_not_allowed(order_service):
    service = order_service()
    for method, path, allow in (
        ("GET", "/orders", "POST"),
        ("PUT", "/orders", "POST"),
        ("DELETE", "/orders/1", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ):
        status, headers, answer = call(service, method, path)
        assert (status, headers["Allow"], answer) == (405, allow, {"error": "Method not allowed"}), (method, path)


@pytest.mark.parametrize("chunked", (False, True))
def test_body_has_a_limit(order_service, chunked):
    service = order_service()
    body = b" " * (2 << 20)
    status, _, answer = call(service, "POST", "/orders", iter([body[:1 << 20], body[1 << 20:]]) if chunked else body)
    assert (status, answer) == (413, {"error": "Request body is larger than 1 MiB"})
    largest = json.dumps(ORDER).encode().ljust(1 << 20)
    assert post(service, largest)[0] == 201


def test_endless_body_is_cut_off(order_service):
    service = order_service()
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as s:
        s.sendall(b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1024):
                s.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")


# The order service: what others got wrong.

@pytest.mark.parametrize("role, name", [("user", "User service"), ("product", "Product service"),
                                        ("inventory", "Inventory service")])
class TestDownstream:
    def test_refused_connection(self, order_service, role, name):
        service = order_service(**{role: f"http://127.0.0.1:{free_port()}"})
        error = f"{name} unavailable: it cannot be reached"
        assert post(service, ORDER) == (503, {"error": error})
        assert (service.stop(), service.err()) == (0, f"order-service: POST /orders: 503: {error}\n")

    def test_time_out(self, order_service, fake, role, name):
        answered = threading.Event()
        service = order_service("--timeout-ms", 1000, **{role: fake(lambda handler: answered.wait(PATIENCE))})
        assert post(service, ORDER) == (503, {"error": f"{name} unavailable: it timed out"})
        answered.set()

    def test_closed_connection(self, order_service, fake, role, name):
        def hang_up(handler):
            handler.close_connection = True

        service = order_service(**{role: fake(hang_up)})
        assert post(service, ORDER) == (503, {"error": f"{name} unavailable: it closed the connection"})

    def test_error_status(self, order_service, backend, role, name):
        failing = backend(role, "--failure-rate", 1)
        error = f"{name} answered 503" if role != "inventory" else "The inventory service is temporarily unavailable"
        assert post(order_service(**{role: failing.url}), ORDER) == (503, {"error": error})

    def test_recovers(self, order_service, backend, role, name):
        """A service that closes kept-alive connections does no harm: the next order takes a new one."""
        first = backend(role)
        service = order_service(**{role: first.url})
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
        statuses = []
        for _ in range(2):
            connection.request("POST", "/orders", json.dumps(ORDER))
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            if first.running():
                assert first.stop() == 0
                backend(role, "--port", first.port)
        connection.close()
        assert statuses == [201, 201]


@pytest.mark.parametrize("role, body, error", [
    ("product", b"{}", "Product service gave no list of products"),
    ("product", b"not JSON", "Product service gave no list of products"),
    ("product", b'{"products":[{"id":1},{"id":2}]}', "Product service gave no price for product 1"),
    ("product", b'{"products":[{"id":1,"price":-1}]}', "Product service gave no price for product 1"),
    ("inventory", b"{}", "Inventory service gave no reservation_id"),
    ("inventory", b'{"reservation_id":"' + b"x" * 64 + b'"}', "Inventory service gave no reservation_id"),
    ("inventory", b'{"reservation_id":"' + b"x" * (2 << 20) + b'"}',
     "Inventory service unavailable: it sent too long an answer"),
], ids=lambda value: str(value)[:40])
def test_unusable_answer(order_service, fake, role, body, error):
    service = order_service(**{role: fake(lambda handler: send(handler, 200, body))})
    assert post(service, ORDER) == (503, {"error": error})


def test_out_of_stock(order_service):
    assert post(order_service(), with_item(product_id=3)) == (
        503, {"error": "Insufficient stock for product 3: 1 asked for, 0 left"})


def test_database_failure(order_service, folder):
    service = order_service()
    with sqlite3.connect(f"{folder}/orders.db") as database:
        database.execute("DROP TABLE orders")
    database.close()
    assert post(service, ORDER) == (500, {"error": "Internal server error"})
    assert call(service, "GET", "/orders/1")[::2] == (500, {"error": "Internal server error"})
    assert call(service, "GET", "/health")[0] == 200
    assert "no such table" in service.err()


def test_unpublished_event_does_not_lose_the_order(order_service):
    service = order_service("--events", "file:///dev/full")
    status, order = post(service, ORDER)
    assert status == 201
    assert call(service, "GET", f"/orders/{order['order_id']}")[0] == 200
    assert f"order {order['order_id']}: order.created not published" in service.err()


def test_passes_on_nothing(order_service, fake):
    """Plain calls: no header of the request reaches the services."""
    seen = []

    def user(handler):
        seen.append({k.lower() for k in handler.headers})
        send(handler, 200, b"{}")

    service = order_service(user=fake(user))
    headers = {"X-Request-ID": "r1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "baggage": "a=b"}
    assert call(service, "POST", "/orders", ORDER, headers)[0] == 201
    assert seen == [{"host", "user-agent", "accept"}]


# The order service: load and stop.

@pytest.mark.parametrize("mode", MODES[:2], ids=lambda m: m[1])
def test_256_open_connections(order_service, mode):
    service = order_service(*mode)
    connections = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE) for _ in range(256)]
    for connection in connections:
        connection.connect()

    def orders(connection):
        ids = []
        for _ in range(3):
            connection.request("POST", "/orders", json.dumps(ORDER))
            response = connection.getresponse()
            assert response.status == 201
            ids.append(json.loads(response.read())["order_id"])
        return ids

    with ThreadPoolExecutor(32) as pool:
        ids = [order_id for some in pool.map(orders, connections) for order_id in some]
    assert len(set(ids)) == 768
    assert call(service, "GET", f"/orders/{ids[-1]}")[0] == 200
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("mode", MODES[:2], ids=lambda m: m[1])
@pytest.mark.parametrize("how", (signal.SIGTERM, signal.SIGINT))
def test_stop_finishes_open_orders(order_service, fake, mode, how):
    asked, go_on = threading.Event(), threading.Event()

    def user(handler):
        asked.set()
        assert go_on.wait(PATIENCE)
        send(handler, 200, b"{}")

    service = order_service(*mode, user=fake(user))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, service, "POST", "/orders", ORDER)
        assert asked.wait(PATIENCE)
        service.process.send_signal(how)
        wait_until(lambda: not can_connect(("127.0.0.1", service.port)), "no more connections")
        go_on.set()
        status, headers, _ = answer.result()
    assert (status, headers["Connection"]) == (201, "close")
    assert service.process.wait(PATIENCE) == 0


# The backends.

@pytest.mark.parametrize("role", ROLES)
def test_backend_health(backend, role):
    process = backend(role, "--failure-rate", 1)
    assert process.out() == f"{role}-service listening on 127.0.0.1:{process.port}\n"
    status, _, answer = call(process, "GET", "/health")
    assert (status, answer["status"], answer["service"]) == (200, "healthy", f"{role}-service")
    assert call(process, "GET", "/else")[0] == 404
    assert (process.stop(), process.err()) == (0, "")


@pytest.mark.parametrize("role, ok, refused", [
    ("user", ("GET", "/users/2", None, 200), ("GET", "/users/9999", None, 404)),
    ("user", ("GET", "/users/7", None, 200), ("GET", "/users/7x", None, 404)),
    ("product", ("POST", "/products/batch", {"product_ids": [1]}, 200), ("POST", "/products/batch", {}, 400)),
    ("inventory", ("POST", "/inventory/reserve",
                   {"items": [{"product_id": 1, "quantity": 1000}], "expires_in_minutes": 15}, 200),
     ("POST", "/inventory/reserve",
      {"items": [{"product_id": 1, "quantity": 999}, {"product_id": 1, "quantity": 2}], "expires_in_minutes": 15}, 409)),
    ("inventory", ("POST", "/inventory/reserve",
                   {"items": [{"product_id": 2, "quantity": 1}], "expires_in_minutes": 1}, 200),
     ("POST", "/inventory/reserve", {"items": [{"product_id": 2}], "expires_in_minutes": 15}, 400)),
    ("payment", ("POST", "/payments", {"order_id": "o", "amount": 5000}, 201),
     ("POST", "/payments", {"order_id": "o", "amount": 5000.01}, 402)),
    ("payment", ("POST", "/payments", {"order_id": "o", "amount": 1}, 201),
     ("POST", "/payments", {"order_id": "o", "amount": 0}, 400)),
])
@pytest.mark.parametrize("data", ("file", "built-in"))
def test_backend_endpoint(folder, started, backend, role, ok, refused, data):
    if data == "file":
        process = backend(role)
    else:
        process = started(Service(folder, "backend", "--role", role)).wait_ready()
    for method, path, body, expected in (ok, refused):
        status, _, answer = call(process, method, path, body)
        assert status == expected
        assert ("error" in answer) == (expected >= 400)


def test_product_batch_holds_the_known_ones_only(backend):
    answer = call(backend("product"), "POST", "/products/batch", {"product_ids": [2, 777, "x", 1]})[2]
    assert [(p["id"], p["price"]) for p in answer["products"]] == [(2, 19.5), (1, 29.99)]


def test_failures_follow_the_seed(backend):
    def statuses(seed):
        process = backend("user", "--failure-rate", 0.4, "--seed", seed)
        return [call(process, "GET", "/users/1")[0] for _ in range(60)]

    first = statuses(42)
    assert set(first) == {200, 503} and 10 <= first.count(503) <= 40
    assert statuses(42) == first and statuses(43) != first


def test_latency_holds_answers_and_a_second_signal_ends_it(backend):
    process = backend("user", "--latency-ms", 60000)
    with socket.create_connection(("127.0.0.1", process.port), PATIENCE) as s:
        s.sendall(b"GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert call(process, "GET", "/health")[0] == 200
        assert not select.select([s], [], [], 0)[0]
        process.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not can_connect(("127.0.0.1", process.port)), "no more connections")
        assert process.stop() == -signal.SIGTERM


# The command lines.

def run(name, *args):
    done = subprocess.run([f"{BUILD}/{name}", *map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ("order-service", "backend"))
def test_help_and_version(name):
    status, text, _ = run(name, "--help")
    assert status == 0 and "Examples:" in text and "--port" in text
    assert run(name, "--version") == (0, f"{name} 1.2.0\n", "")


@pytest.mark.parametrize("args", [
    ("order-service", "--port", "65536"), ("order-service", "--port", "1x"), ("order-service", "--mode", "fork"),
    ("order-service", "--user-url", "users"), ("order-service", "extra"), ("order-service", "--no-such-option"),
    ("order-service", "--timeout-ms", "0"), ("backend",), ("backend", "--role", "shipping"),
    ("backend", "--role", "user", "--failure-rate", "1.1"), ("backend", "--role", "user", "--failure-rate", "nan")])
def test_wrong_usage(args):
    status, out, err = run(*args)
    assert status == 2 and out == "" and err.count("\n") == 1


def test_cannot_start(backend, folder):
    taken = backend("user")
    good = ("--database", f"sqlite://{folder}/o.db", "--events", f"file://{folder}/e")
    broken = write(f"{folder}/broken.json", "{")
    for args, error in (
            (("backend", "--role", "user", "--port", taken.port), "Address already in use"),
            (("backend", "--role", "user", "--bind", "localhost"), "Invalid argument"),
            (("backend", "--role", "user", "--data", broken), "is not valid JSON"),
            (("backend", "--role", "user", "--data", f"{folder}/absent"), "No such file"),
            (("order-service", *good, "--port", taken.port), "Address already in use"),
            (("order-service", *good, "--database", f"sqlite://{folder}/absent/o.db"), "unable to open"),
            (("order-service", *good, "--database", "mysql://x"), "unknown kind of database"),
            (("order-service", *good, "--events", f"file://{folder}/absent/e"), "No such file")):
        status, out, err = run(*args)
        assert (status, out, err.count("\n")) == (1, "", 1) and error in err, err


def test_ipv6(folder, started):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as e:
        pytest.skip(f"no IPv6 loopback: {e}")
    process = started(Service(folder, "backend", "--role", "user", "--bind", "::1")).wait_ready()
    assert process.out() == f"user-service listening on [::1]:{process.port}\n"
