# SPDX-License-Identifier: Apache-2.0
"""What a guest leaves is judged right: what was missed and counted is no failure; all else that is absent, or wrong, is one."""

import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian  # noqa: E402
from checks import UNIX_PATHS, check_links, check_spans  # noqa: E402
from matrix import KERNELS, LOADS  # noqa: E402

KERNEL = KERNELS[-1]
TCP, UNIX = "/six", sorted(UNIX_PATHS)[0]


def all_spans():
    spans = []
    for n, load in enumerate(load for load in LOADS for _ in range(load.count)):
        here, there = (f"unix:{end}" if load.path in UNIX_PATHS else f"127.0.0.1:{end}" for end in ("8080", "40000"))
        both = {"path": load.path, "status": load.status, "trace_id": f"t{n}"}
        if load.body_len is not None:
            both["response_bytes"] = load.body_len
        if load.status == 404:
            both["error_type"] = "404"
        spans.append({**both, "kind": "client", "span_id": f"c{n}", "local": there, "peer": here})
        spans.append({**both, "kind": "server", "span_id": f"s{n}", "parent_span_id": f"c{n}", "local": here, "peer": there})
    return spans


def files(spans, **lost):
    said = {"hook_busy": 0, "gap": 0, "ring_full": 0, **lost}
    stages = {"gap": "conn", "connections_full": "conn"}
    agent = "".join(f"spanhook: dropped {stages.get(why, 'kernel')} {why:<40} {n}\n" for why, n in said.items())
    return {
        "loads.code": b"0\n", "loads.txt": b"", "agent.code": b"0\n", "agent.txt": agent.encode(),
        "spans.jsonl": "\n".join(map(json.dumps, spans)).encode(),
    }  # fmt: skip


def judge(spans, **lost):
    for check in (check_spans, check_links):
        check(KERNEL, files(spans, **lost))


def last(spans, path, kind="server"):
    return [s for s in spans if s["path"] == path and s["kind"] == kind][-1]


def test_all_there():
    judge(all_spans())
    judge(all_spans(), hook_busy=3)


@pytest.mark.parametrize("path", [TCP, UNIX])
def test_missed_and_counted(path):
    """A span is not there; its response was not seen; its parent was not."""
    gone, spoilt, alone = all_spans(), all_spans(), all_spans()
    gone.remove(last(gone, path))
    judge(gone, hook_busy=1, gap=1)
    last(spoilt, path).update(incomplete=True, status=None)
    judge(spoilt, hook_busy=1)
    last(alone, path).pop("parent_span_id")
    judge(alone, hook_busy=1)
    for spans in (gone, spoilt, alone):
        with pytest.raises(AssertionError):
            judge(spans)


def test_more_gone_than_missed():
    spans = all_spans()
    for path in (TCP, "/none"):
        spans.remove(last(spans, path))
    judge(spans, hook_busy=2)
    with pytest.raises(AssertionError, match="1 events missed"):
        judge(spans, hook_busy=1)


def test_a_missed_event_of_a_unix_socket_spoils_two():
    spans = all_spans()
    for _ in range(2):
        spans.remove(last(spans, UNIX))
    judge(spans, hook_busy=1)
    spans.remove(last(spans, UNIX))
    with pytest.raises(AssertionError):
        judge(spans, hook_busy=1)


@pytest.mark.parametrize("reason, missed", [("gap", 0), ("ring_full", 0), ("ring_full", 5), ("connections_full", 5)])
def test_other_losses(reason, missed):
    with pytest.raises(AssertionError, match="lost"):
        judge(all_spans(), **{reason: 1, "hook_busy": missed})


@pytest.mark.parametrize("change", [{"status": 500}, {"response_bytes": 1023}, {"path": "/never"}])
def test_wrong_is_wrong_whatever_was_missed(change):
    spans = all_spans()
    last(spans, TCP).update(change)
    with pytest.raises(AssertionError):
        judge(spans, hook_busy=5)


def test_one_too_many():
    spans = all_spans()
    spans.append({**last(spans, TCP), "span_id": "another", "parent_span_id": None})
    with pytest.raises(AssertionError):
        judge(spans, hook_busy=5)


def test_a_wrong_parent():
    spans = all_spans()
    last(spans, TCP)["parent_span_id"] = last(spans, UNIX, "client")["span_id"]
    with pytest.raises(AssertionError):
        judge(spans, hook_busy=5)


def test_an_agent_that_does_not_say_what_it_lost():
    left = files(all_spans())
    left["agent.txt"] = b"spanhook: attached\n"
    with pytest.raises(AssertionError):
        check_spans(KERNEL, left)


def test_no_mirror_is_a_reason_to_skip(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "CACHE", str(tmp_path))
    monkeypatch.setattr(debian, "MIRROR", "http://127.0.0.1:9")
    with pytest.raises(debian.Unavailable, match="apt-get"):
        debian.kernel("6.1", "bookworm", "amd64")


def test_no_tool_is_a_reason_to_skip():
    with pytest.raises(debian.Unavailable, match="is not installed"):
        debian.command(["no-such-program"])
