# SPDX-License-Identifier: Apache-2.0
"""What /metrics says: which labels a metric has, and that nothing is counted twice or not at all."""

import socket

from harness import free_port, http_get
from test_order_service import ORDER, backend, call, order_service  # fixtures among them

SERVER = {"service_name", "http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme", "server_port"}
CLIENT = SERVER | {"server_address"}
CONNECT = {"service_name", "error_type", "server_address", "server_port"}
LABELS = {
    **{f"http_server_{name}": [SERVER - {"error_type"}, SERVER] for name in ("request_duration_seconds", "request_body_size_bytes", "response_body_size_bytes")},
    **{f"http_client_{name}": [CLIENT - {"error_type"}, CLIENT] for name in ("request_body_size_bytes", "response_body_size_bytes")},
    "http_client_request_duration_seconds": [CLIENT - {"error_type"}, CLIENT, CONNECT],
    "traces_service_graph_request_total": [{"client", "server"}],
    "traces_service_graph_request_failed_total": [{"client", "server"}],
    "traces_service_graph_request_client_seconds": [{"client", "server"}],
    "traces_service_graph_request_server_seconds": [{"client", "server"}],
    "target_info": [{"service_name", "host_name", "telemetry_sdk_name", "telemetry_sdk_version"}],
    "http_requests_total": [{"method", "endpoint", "status_code", "status_class", "service"}],
    "http_request_duration_seconds": [{"method", "endpoint", "status_code", "status_class", "service"}],
    "external_api_calls_total": [{"target_service", "endpoint", "status_code", "result", "service"}],
    "spanhook_metric_label_sets_overflow_total": [{"metric"}],
}  # fmt: skip


def of(metrics, name, *labels):
    """Label values → value."""
    return {tuple(have.get(label) for label in labels): value for have, value in metrics.get(name, [])}


def check_labels(metrics):
    for name, samples in metrics.items():
        base = name
        for suffix in ("_bucket", "_sum", "_count"):
            base = name.removesuffix(suffix) if name.removesuffix(suffix) in LABELS else base
        sets = [tuple(sorted(labels.items())) for labels, _ in samples]
        assert len(sets) == len(set(sets)), f"{name}: the same labels twice"
        for labels, _ in samples if base in LABELS else []:
            assert set(labels) - {"le"} in LABELS[base], name


def test_labels(order_service, backend, agent):
    """Two services are traced; a third refuses."""
    user, refusing = backend("user"), free_port()
    service = order_service(user=user.url, product=f"http://127.0.0.1:{refusing}")
    tracer = agent("-p", service.pid, "-p", user.pid)
    assert [call(service, "POST", "/orders", ORDER)[0] for _ in range(3)] == [503] * 3
    assert call(service, "GET", "/orders/17")[0] == 404
    tracer.wait_metric(4 + 3 * 3 + 1, "spanhook_spans_total")
    metrics = tracer.metrics()
    assert {n for n in LABELS if n not in metrics and n + "_count" not in metrics} == set()
    check_labels(metrics)

    user_port, order_port = user.url.rpartition(":")[2], service.url.rpartition(":")[2]
    assert of(metrics, "external_api_calls_total", "target_service", "endpoint", "status_code", "result", "service") == {
        ("backend", "/users/{id}", "200", "success", "order-service"): 3,
        (f"127.0.0.1:{refusing}", "", "0", "failure", "order-service"): 3,
    }
    assert of(metrics, "http_requests_total", "service", "endpoint", "status_code", "status_class") == {
        ("order-service", "/orders", "503", "5xx"): 3,
        ("order-service", "/orders/{id}", "404", "4xx"): 1,
        ("backend", "/users/{id}", "200", "2xx"): 3,
    }
    calls = of(metrics, "http_client_request_duration_seconds_count", "http_route", "error_type", "server_address", "server_port")
    assert calls == {
        ("/users/{id}", None, "127.0.0.1", user_port): 3,
        (None, "connect_refused", "127.0.0.1", str(refusing)): 3,
    }
    served = of(metrics, "http_server_request_duration_seconds_count", "http_response_status_code", "error_type", "server_port")
    assert served == {("503", "503", order_port): 3, ("404", None, order_port): 1, ("200", None, user_port): 3}
    # A request counts once, whether one of its ends is traced or both.
    graph = {("unknown", "order-service"): 4, ("order-service", "backend"): 3, ("order-service", f"127.0.0.1:{refusing}"): 3,
             ("order-service", "sqlite"): 1}
    assert of(metrics, "traces_service_graph_request_total", "client", "server") == graph
    failed = of(metrics, "traces_service_graph_request_failed_total", "client", "server")
    assert {edge: n for edge, n in failed.items() if n} == {("unknown", "order-service"): 3, ("order-service", f"127.0.0.1:{refusing}"): 3}
    assert of(metrics, "target_info", "service_name", "host_name") == {(name, socket.gethostname()): 1 for name in ("order-service", "backend")}


def test_overflow(order_service, agent):
    """Each metric has its own limit, and says how much is beyond it."""
    service = order_service()
    tracer = agent("-p", service.pid, "--label-sets", "4")
    for i in range(20):
        assert call(service, "GET", f"/absent-{chr(97 + i)}")[0] == 404
    tracer.wait_metric(20, "http_requests_total")
    metrics = tracer.metrics()
    beyond = of(metrics, "spanhook_metric_label_sets_overflow_total", "metric")
    for name in ("http_requests_total", "http_server_request_duration_seconds_count"):
        endpoint = "endpoint" if name == "http_requests_total" else "http_route"
        counts = of(metrics, name, endpoint)
        assert len(counts) == 5 and counts["other",] == beyond[name.removesuffix("_count"),] == 16
    assert beyond["traces_service_graph_request_total",] == 0
    assert of(metrics, "traces_service_graph_request_total", "server") == {("order-service",): 20}


def test_page_larger_than_a_part(order_service, agent):
    """The page is written piece by piece; it is whole, and the same for HTTP/1.0."""
    service = order_service()
    tracer = agent("-p", service.pid)
    for i in range(150):
        assert call(service, "GET", f"/{'x' * 80}-{chr(97 + i % 26)}-{chr(97 + i // 26)}")[0] == 404
    tracer.wait_metric(150, "http_requests_total")
    status, text = http_get(tracer.url + "/metrics")
    assert status == 200 and len(text) > 1000000 and text.endswith("} 1\n")
    check_labels(tracer.metrics())
    with socket.create_connection(("127.0.0.1", int(tracer.url.rpartition(":")[2]))) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        old = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    assert old.startswith("HTTP/1.") and old.count("http_server_request_duration_seconds_count") == 150 and old.endswith("} 1\n")
