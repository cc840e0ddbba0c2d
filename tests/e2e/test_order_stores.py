# SPDX-License-Identifier: Apache-2.0
"""The order service on PostgreSQL and Redis: what it keeps there, what it does without them, and its spans."""

import json

import pytest

from stores import Postgres, Redis
from test_order_service import ORDER, backend, call, order_service, post  # fixtures among them


@pytest.fixture
def redis(folder, started):
    return started(Redis(folder))


@pytest.fixture
def postgres(folder, started):
    return started(Postgres(folder))


@pytest.fixture
def shop(postgres, redis, order_service):
    """shop(options..., role=URL): the order service on both stores."""

    def run(*options, **urls):
        database = f"postgres://app@127.0.0.1:{postgres.port}/postgres"
        url = f"redis://127.0.0.1:{redis.port}"
        return order_service("--database", database, "--cache", url, "--events", url, *options, **urls)

    return run


def test_kept(shop, postgres, redis):
    service = shop()
    status, order = post(service, ORDER)
    assert status == 201
    assert call(service, "GET", f"/orders/{order['order_id']}")[0] == 200
    assert call(service, "GET", "/orders/00000000-0000-4000-8000-000000000000")[0] == 404
    assert postgres.sql("SELECT order_id, user_id, total_amount FROM orders") == (
        f"{order['order_id']}|1|{order['total_amount']:g}"
    )
    event = json.loads(redis.cli("XRANGE", "orders", "-", "+").splitlines()[2])
    assert (event["event"], event["order_id"]) == ("order.created", order["order_id"])


def test_users_are_cached(shop, backend, redis):
    """A user who was there is not asked for again; one who was not may have come since."""
    users = backend("user")
    service = shop(user=users.url)
    assert post(service, ORDER)[0] == 201 and redis.cli("KEYS", "*").split().count("user:1") == 1
    assert post(service, {**ORDER, "user_id": 99999})[0] == 400
    users.stop()
    assert post(service, ORDER)[0] == 201
    assert post(service, {**ORDER, "user_id": 2})[0] == 503
    assert post(service, {**ORDER, "user_id": 99999})[0] == 503


def test_without_cache(shop, redis):
    """A cache that is gone fails no order."""
    service = shop()
    assert post(service, ORDER)[0] == 201
    redis.stop()
    assert post(service, ORDER)[0] == 201
    assert "redis" in service.err()


def test_without_database(shop, postgres):
    service = shop()
    assert post(service, ORDER)[0] == 201
    postgres.stop()
    assert post(service, ORDER)[0] == 500
    assert "database" in service.err()


def test_spans(shop, attach):
    service = shop()
    tracer = attach("-p", service.pid)
    for _ in range(2):
        assert post(service, ORDER)[0] == 201
    tracer.wait_spans(2, kind="server")
    spans = tracer.finish()
    first, second = ([s for s in spans if s.get("parent_span_id") == order["span_id"]] for order in spans if order["kind"] == "server")
    named = [s["db_operation_name"] if "db_system_name" in s else s["name"] for s in first]
    assert named == [
        "GET", "GET /users/{id}", "SET", "POST /products/batch", "POST /inventory/reserve", "INSERT", "XADD",
    ]  # fmt: skip
    assert [s["name"] for s in second if "db_system_name" not in s] == ["POST /products/batch", "POST /inventory/reserve"]
    assert [(s["db_system_name"], s["db_operation_name"]) for s in second if "db_system_name" in s] == [
        ("redis", "GET"), ("postgresql", "INSERT"), ("redis", "XADD"),
    ]  # fmt: skip
    (insert,) = [s for s in second if s.get("db_operation_name") == "INSERT"]
    assert (insert["db_collection_name"], insert["db_rows"]) == ("orders", 1)
    assert [s["messaging_destination_name"] for s in second if "messaging_system" in s] == ["orders"]
    assert all(s["evidence"] == "thread" and not s.get("incomplete") for s in second)
