# SPDX-License-Identifier: Apache-2.0
"""`spanhook compare`, and what it says of Spanhook beside services that trace themselves."""

import json
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../compare"))
import shop as shops  # noqa: E402
from harness import BINARY, BUILD, wait_until  # noqa: E402
from test_order_service import ORDER, backend, call, fake, order_service, send, with_item  # noqa: E402, F401

TRACE, SPAN = "0123456789abcdef0123456789abcdef", "fedcba9876543210"


def run(*argv, **kw):
    return subprocess.run([BINARY, "compare", *map(str, argv)], capture_output=True, text=True, timeout=60, **kw)


def otlp(path, *spans):
    """Spans as (id, parent id, kind, name, start in us, duration in us, attributes)."""
    with open(path, "w") as f:
        for number, parent, kind, name, start, duration, attributes in spans:
            begin = 1795526262000000000 + 1000 * start
            f.write(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
                "traceId": TRACE, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "",
                "kind": kind, "name": name, "startTimeUnixNano": str(begin), "endTimeUnixNano": str(begin + 1000 * duration),
                "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
            }]}]}]}) + "\n")
    return path


GET = {"http.request.method": "GET", "url.path": "/users/7"}
POST = {"http.request.method": "POST", "url.path": "/orders"}
TREE = [(1, 0, 2, "POST", 0, 9000, POST), (2, 1, 3, "GET", 1000, 2000, GET), (3, 1, 3, "GET", 4000, 2000, {**GET, "x": "1"})]


def test_agreement(folder):
    a = otlp(f"{folder}/a", *TREE)
    done = run(a, a, "--html", f"{folder}/page.html")
    assert done.returncode == 0 and not done.stderr
    assert re.search(r"^client +GET /users/\{id\} +2 +2 +2 +100.00 \| +2 +0 +0 +0 \|", done.stdout, re.M)
    with open(f"{folder}/page.html") as f:
        page = f.read()
    assert page.count("<rect") >= 6 and page.count("<h3>ours") == page.count("<h3>theirs") == 1
    assert not re.search(r"https?:|src=|href=|@import|url\(", page), "the page needs something else"


def test_differences(folder):
    a = otlp(f"{folder}/a", *TREE[:2])
    b = otlp(f"{folder}/b", TREE[0], (2, 1, 3, "GET", 1100, 1800, {**GET, "x": "2"}), TREE[2])
    done = run(a, b, "--output", "json")
    assert done.returncode == 3
    result = json.loads(done.stdout)
    client = result["kinds"]["client"]
    assert (client["ours"], client["theirs"], client["matched"], client["missing_ours"]) == (1, 2, 1, 1)
    assert client["start_us"]["median"] == 100 and client["duration_us"]["median"] == -200
    assert result["attributes"]["x"] == {"equal": 0, "differ": 0, "only_ours": 0, "only_theirs": 1}
    assert run(a, b, "--matched", "60").returncode == 0
    assert run(b, a, "--exclude", "GET /users/{id}").returncode == 0
    swapped = otlp(f"{folder}/c", TREE[0], TREE[1], (3, 2, *TREE[2][2:]))
    assert run(b, swapped).returncode == 3
    orphan = otlp(f"{folder}/d", TREE[0], TREE[1], (3, 0, *TREE[2][2:]))
    assert run(orphan, b).returncode == 0
    assert run(orphan, b, "--parents", "99").returncode == 3


def test_page_is_safe(folder):
    evil = '<script>alert("1")</script>&'
    a = otlp(f"{folder}/{'a&b'}", (1, 0, 1, evil, 0, 10, {evil: evil}), (2, 1, 1, evil, 1, 2, {}))
    b = otlp(f"{folder}/b", (1, 0, 1, evil, 0, 10, {evil: evil + "2"}))
    assert run(a, b, "--html", f"{folder}/page.html").returncode in (0, 3)
    with open(f"{folder}/page.html") as f:
        page = f.read()
    assert "<script" not in page and "&lt;script&gt;" in page


def test_errors(folder):
    a = otlp(f"{folder}/a", *TREE)
    for argv, code, word in [
        (["a"], 2, "OURS"), ([a, a, a], 2, "OURS"), ([a, f"{folder}/none"], 1, "none"), ([a, "/dev/null"], 2, "null"),
        ([a, a, "--matched", "101"], 2, "matched"), ([a, a, "--html", f"{folder}/no/page"], 1, "no/page"),
        ([a, folder], 1, folder),
    ]:
        done = run(*argv)
        assert done.returncode == code and word in done.stderr, argv
    assert run(a, "-", stdin=open(a)).returncode == 0
    with open("/dev/full", "w") as full:
        assert subprocess.run([BINARY, "compare", a, a], stdout=full, stderr=subprocess.DEVNULL).returncode == 1


def in_file(path):
    with open(path) as f:
        batches = [json.loads(line) for line in f]
    spans = [s for b in batches for r in b["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]
    for s in spans:
        s["attributes"] = {a["key"]: next(iter(a["value"].values())) for a in s["attributes"]}
    return batches, spans


@pytest.fixture
def shop(folder):
    s = shops.Shop(folder)
    yield s
    s.stop()


def test_in_code_spans(shop):
    """The spans of one order: what they are called, how they nest, what they say."""
    service = shop.incode()
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-ID": "order-1", "baggage": "tier=gold;x=1, a=b"}
    status, _, answer = call(service, "POST", "/orders?dry=0", ORDER, headers)
    assert status == 201
    shop.stop(service)
    (batch,), spans = in_file(service.traces)
    resource = {a["key"]: next(iter(a["value"].values())) for a in batch["resourceSpans"][0]["resource"]["attributes"]}
    assert resource["service.name"] == "order-service" and resource["process.pid"] == str(service.pid)
    by_id = {s["spanId"]: s for s in spans}
    assert len(by_id) == len(spans) == 12 and {s["traceId"] for s in spans} == {TRACE}

    def path(s):
        return (path(by_id[s["parentSpanId"]]) if s["parentSpanId"] in by_id else ()) + (s["name"],)

    order = ("POST /orders", "create_order")
    assert sorted(map(path, spans)) == sorted([
        order[:1], order, *(order + (f,) for f in shops.FUNCTIONS[1:]), (*order, "validate_user", "GET"),
        (*order, "validate_products", "POST"), (*order, "reserve_inventory", "POST"),
        (*order, "create_order_record", "INSERT orders")])
    root = next(s for s in spans if s["kind"] == 2)
    assert root["parentSpanId"] == SPAN
    assert {k: root["attributes"][k] for k in ("http.route", "url.query", "http.response.status_code", "baggage.tier", "baggage.a",
                                               "http.request.header.x-request-id")} == {
        "http.route": "/orders", "url.query": "dry=0", "http.response.status_code": "201", "baggage.tier": "gold",
        "baggage.a": "b", "http.request.header.x-request-id": "order-1"}
    create = next(s for s in spans if s["name"] == "create_order")["attributes"]
    assert (create["order.id"], create["user.id"], create["result"]) == (answer["order_id"], "1", "success")
    assert create["order.total_amount"] == answer["total_amount"]
    for s in spans:
        assert int(s["startTimeUnixNano"]) <= int(s["endTimeUnixNano"])


def test_in_code_context(folder, started, backend, fake):  # noqa: F811
    """What is sent to a service that is called; what is not sampled is not written."""
    seen = []

    def answer(handler):
        seen.append({k.lower(): v for k, v in handler.headers.items()})
        send(handler, 404, b"{}")

    urls = [f"--user-url={fake(answer)}", f"--product-url={backend('product').url}", f"--inventory-url={backend('inventory').url}"]
    service = started(shops.Listening(
        folder, "incode", [f"{BUILD}/order-service-incode", "--port", "0", "--database", f"sqlite://{folder}/o.db",
                           "--events", f"file://{folder}/e", *urls], env={**os.environ, "TRACE_FILE": f"{folder}/t"}))
    for flags in ("01", "00"):
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": "a=1", "baggage": "tier=gold"}
        assert call(service, "POST", "/orders", ORDER, headers)[0] == 400
    assert call(service, "POST", "/orders", ORDER, {"traceparent": "00-00-00-01"})[0] == 400
    service.stop()
    _, spans = in_file(f"{folder}/t")
    first, second, third = seen
    (called,) = [s for s in spans if s["kind"] == 3 and s["traceId"] == TRACE]
    assert first["traceparent"] == f"00-{TRACE}-{called['spanId']}-01"
    assert (first["tracestate"], first["baggage"]) == ("a=1", "tier=gold")
    assert second["traceparent"].startswith(f"00-{TRACE}-") and second["traceparent"].endswith("-00")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", third["traceparent"]) and TRACE not in third["traceparent"]
    assert "tracestate" not in third
    assert len(spans) == 8 and called["status"] == {"code": 2}


def test_in_code_off(folder, started, backend):  # noqa: F811
    """Without TRACE_FILE it is the plain service; with one that cannot be written it says so and serves."""
    for env, said in (({}, ""), ({"TRACE_FILE": "/nonexistent/t"}, "nothing is traced")):
        service = started(shops.Listening(
            folder, "off", [f"{BUILD}/order-service-incode", "--port", "0", "--database", f"sqlite://{folder}/o.db",
                            "--events", f"file://{folder}/e", *(f"--{r}-url={backend(r).url}" for r in ("user", "product", "inventory"))],
            env={**os.environ, **env}))
        assert call(service, "POST", "/orders", ORDER)[0] == 201
        assert call(service, "POST", "/orders", with_item(product_id=3))[0] == 503
        assert service.stop() == 0 and said in service.err()


def beside(shop, service, folder, requests, *options, tracing=()):
    """Both tracers' recordings of the same requests, compared."""
    tracer = shops.Tracer(folder, service.pid, *tracing)
    try:
        shops.Load(service.port, requests, 8)
        wait_until(lambda: sum(1 for _ in open(tracer.spans)) >= requests, "the spans")
    finally:
        shop.stop(service)
        assert tracer.stop() == 0
        shop.stop()
    assert not tracer.lost()
    return shops.compare(tracer.spans, service.traces, *options)


def test_order_service_beside(shop, folder):
    result, code = beside(shop, shop.incode(), folder, 600, tracing=shops.FUNCTION_OPTIONS)
    parents = result["all"]["parents"]
    assert code == 0 and result["kinds"]["server"]["matched"] == 600
    assert result["all"]["matched_percent"] == 100
    assert (parents["disagree"], parents["unknown_ours"], parents["unknown_theirs"]) == (0, 0, 0)
    assert result["all"]["status_differ"] == 0
    internal = {t["label"]: t for t in result["labels"] if t["kind"] == "internal"}
    assert set(internal) == set(shops.FUNCTIONS) and all(t["matched"] == t["ours"] == t["theirs"] > 0 for t in internal.values())
    for name in ("http.request.method", "http.response.status_code", "http.route", "url.path", "url.full", "server.port",
                 "network.peer.port", "http.request.body.size", "http.response.body.size", "thread.id", "code.function.name"):
        tally = result["attributes"][name]
        assert tally["equal"] and not tally["differ"] and not tally["only_theirs"], name


def test_node_beside(shop, folder):
    try:
        service = shop.node()
    except shops.Missing as what:
        pytest.skip(str(what))
    result, _ = beside(shop, service, folder, 600, "--exclude", "POST /v1/*")
    kinds, parents = result["kinds"], result["all"]["parents"]
    assert kinds["server"]["matched"] == 600
    assert kinds["server"]["matched_percent"] == kinds["client"]["matched_percent"] == 100
    assert not parents["disagree"] and not parents["unknown_theirs"]
    assert parents["agree"] + parents["unknown_ours"] == result["all"]["matched"]
    # Until a loop has shown that it puts nothing off, calls are unknown: some 50 whatever the number.
    assert parents["unknown_ours"] < 100
