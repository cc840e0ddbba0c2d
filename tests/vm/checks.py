# SPDX-License-Identifier: Apache-2.0
"""What must hold of what a guest left: each check takes the kernel and the files, by name, and raises AssertionError."""

import collections
import json
import os
import re
import subprocess
import tempfile

from debian import ROOT
from matrix import BPF_ARCH, LOADS

# What else is counted where the hook missed an event (bpf/drops.def).
FOLLOWS = {"conn gap", "conn out_of_order", "conn out_of_step", "conn response_unpaired"}
UNIX_PATHS = {load.path for load in LOADS if load.address.startswith("/")}


def check_offers(kernel, files):
    """`spanhook check` chooses the right variant; where it cannot run, it says what is missing, each thing."""
    text, code = files["check.txt"].decode(), int(files["check.code"])
    found = json.loads(files["check.json"])
    if kernel.variant:
        assert code == 0 and found["ok"] and found["variant"] == kernel.variant, text
        return
    assert code == 1 and not found["ok"] and found["variant"] == "none", text
    missing = [c["name"] for c in found["checks"] if not c["ok"]]
    for name in ("bpf_task_storage_get()", "bpf_task_pt_regs()", "bpf_loop()"):
        assert name in missing, f"{name} is not among {missing}"
    said = files["agent.txt"].decode()
    assert int(files["agent.code"]) == 1 and "lacks" in said and "spanhook check" in said, said


def check_types(kernel, files):
    """vmlinux.h agrees with the kernel's types: tests/kernel/test_btf.py on what the guest has."""
    with tempfile.NamedTemporaryFile() as btf:
        btf.write(files["btf"])
        btf.flush()
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{ROOT}/tests/kernel/test_btf.py"],
            env={**os.environ, "KERNEL_BTF": btf.name, "KERNEL_ARCH": BPF_ARCH[kernel.arch]},
            capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def true_spans():
    """(end, path, status, length of the body) → how many."""
    true = collections.Counter()
    for load in LOADS:
        for kind in ("client", "server"):
            true[kind, load.path, load.status, load.body_len] += load.count
    return true


def is_whole(span):
    return not span.get("incomplete") and not span.get("truncated") and span.get("error_type", "404") == "404"


def losses(files):
    """"stage reason" → number, of what the agent said at its end; what was never lost is not in it."""
    said = files["agent.txt"].decode()
    assert "dropped kernel hook_busy" in said, f"the agent did not say what it lost: {said}"
    return {what: int(n) for what, n in re.findall(r"dropped (\S+ \S+)\s+([1-9]\d*)$", said, re.M)}


def check_spans(kernel, files):
    """
    Each request is a span at both of its ends, with its status and body, and nothing was lost, but for what events that a hook
    missed explain: each spoils one span at most, on a unix socket the next one too, as only our own programs count its bytes.
    """
    assert int(files["loads.code"]) == 0, files["loads.txt"].decode()
    assert int(files["agent.code"]) == 0, files["agent.txt"].decode()
    lost = losses(files)
    missed = lost.pop("kernel hook_busy", 0)
    assert set(lost) <= (FOLLOWS if missed else set()), f"lost: {lost}"
    seen, spoilt = collections.Counter(), []
    for s in spans_of(files):
        if is_whole(s):
            seen[s["kind"], s["path"], s.get("status"), s.get("response_bytes") if s.get("status") == 200 else None] += 1
        else:
            spoilt.append(s)
    true = true_spans()
    assert not seen - true, f"seen but not sent: {seen - true}; spoilt: {spoilt}"
    absent = true - seen
    unix = sum(n for (_, path, _, _), n in absent.items() if path in UNIX_PATHS)
    explained = absent.total() - unix + (unix + 1) // 2 <= missed
    assert explained, f"{missed} events missed, but not seen whole: {absent}; spoilt: {spoilt}"
    assert len(spoilt) <= absent.total(), f"more spans than requests: {spoilt}"


def check_links(kernel, files):
    """
    The server's span is the child of the client's span of the same request, but for as many as events were missed, and on unix
    sockets for those that follow a missed one.
    """
    spans = spans_of(files)
    clients = {s["span_id"]: s for s in spans if s["kind"] == "client"}
    servers = [s for s in spans if s["kind"] == "server"]
    linked = [s for s in servers if s.get("parent_span_id")]
    for s in linked:
        parent = clients.pop(s["parent_span_id"], None)
        assert parent, f"its parent is no client span or has another child: {s}"
        assert (parent["path"], parent["trace_id"]) == (s["path"], s["trace_id"]), f"{parent}\n{s}"
        if "peer" in parent and s["local"].find("/") < 0:
            assert parent["peer"] == s["local"] and parent["local"] == s["peer"], f"{parent}\n{s}"
    missed = losses(files).get("kernel hook_busy", 0)
    alone = [s for s in servers if not s.get("parent_span_id") and (not missed or s["path"] not in UNIX_PATHS)]
    assert len(alone) <= missed, f"{len(alone)} of {len(servers)} have no parent, {missed} events were missed: {alone}"


def spans_of(files):
    return [json.loads(line) for line in files["spans.jsonl"].splitlines()]


CHECKS = [
    ("check", check_offers, lambda kernel: True),
    ("types", check_types, lambda kernel: kernel.variant),
    ("spans", check_spans, lambda kernel: kernel.variant),
    ("links", check_links, lambda kernel: kernel.variant),
]
