# SPDX-License-Identifier: Apache-2.0
"""A server whose calls bear the path of the request that they are made for, and one segment more."""

import concurrent.futures

from harness import http_get


def linked_calls(tracer, port, requests, calls, at_a_time):
    """So many requests, some at a time: the spans of their calls that have a parent, none of them a wrong one."""
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as clients:
        urls = [f"http://127.0.0.1:{port}/{i}" for i in range(requests)]
        assert {status for status, _ in clients.map(http_get, urls)} == {200}
    tracer.wait_spans((1 + calls) * requests)
    served = {s["span_id"]: s["path"] for s in tracer.spans(kind="server")}
    made = tracer.spans(kind="client")
    assert len(served) == requests and len(made) == calls * requests
    linked = [c for c in made if "parent_span_id" in c]
    assert [c for c in linked if served[c["parent_span_id"]] != c["path"].rpartition("/")[0]] == []
    return linked
