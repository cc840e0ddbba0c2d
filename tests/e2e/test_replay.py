# SPDX-License-Identifier: Apache-2.0
"""What was recorded gives the same spans again, byte for byte, without root and whatever happens to the file."""

import json
import os
import pathlib
import subprocess
import tempfile

import pytest

import servers
from harness import BINARY
from test_agent import load
from test_functions import FUNCTIONS, NAMES, OUTCOMES
from test_order_service import backend, order_service, post  # fixtures among them


@pytest.fixture
def open_folder():
    with tempfile.TemporaryDirectory(prefix="spanhook-") as path:
        os.chmod(path, 0o777)
        yield pathlib.Path(path)


def replay(tape, folder, *argv):
    """Runs as nobody, who may read the tape and write into the folder alone."""
    os.chmod(tape, 0o644)
    log = folder / "again.jsonl"
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "attach",
         "--replay", tape, "--log", log, "--output", "json", *argv],
        capture_output=True, timeout=60, cwd="/")
    return done, log.read_bytes() if log.exists() else b""


def record(folder, started, agent):
    server = started(servers.nginx(folder))
    tape, log = pathlib.Path(folder, "spans.tape"), pathlib.Path(folder, "first.jsonl")
    tracer = agent(*server.select(), "--record", tape, "--log", log)
    load(server, {"/small.txt": 20, "/absent": 5, "/s/503/300": 5, "/large.bin": 2})
    tracer.wait_metric(32, "spanhook_spans_total")
    tracer.stop()
    return tape, log.read_bytes()


def test_same_spans(folder, started, agent, open_folder):
    tape, first = record(folder, started, agent)
    assert len(first.splitlines()) == 32
    shared = open_folder / "t.tape"
    shared.write_bytes(tape.read_bytes())
    done, again = replay(shared, open_folder)
    assert done.returncode == 0, done.stderr
    assert again == first
    live = [json.loads(line) for line in done.stdout.splitlines()]
    assert [span for span in live if "trace_id" in span] == [json.loads(line) for line in first.splitlines()]


def test_functions_and_statements(folder, order_service, agent, open_folder):
    """The tape knows the functions: their values, the rules of their errors, and SQLite's statements in them."""
    tape, log = pathlib.Path(folder, "spans.tape"), pathlib.Path(folder, "first.jsonl")
    service = order_service()
    tracer = agent("-p", service.pid, *FUNCTIONS, "--record", tape, "--log", log)
    for order, status, *_ in OUTCOMES:
        assert post(service, order)[0] == status
    tracer.wait_metric(len(OUTCOMES), "http_server_request_duration_seconds_count")
    tracer.stop()
    first = log.read_bytes()
    spans = [json.loads(line) for line in first.splitlines()]
    assert {s["name"] for s in spans if s["kind"] == "internal"} == set(NAMES)
    assert {s["error_type"] for s in spans if s["kind"] == "internal" and "error_type" in s} == {"ENOENT", "EREMOTEIO"}
    assert any(s.get("db_system_name") == "sqlite" for s in spans)
    shared = open_folder / "t.tape"
    shared.write_bytes(tape.read_bytes())
    done, again = replay(shared, open_folder)
    assert done.returncode == 0, done.stderr
    assert again == first


def test_cut_tape(folder, started, agent, open_folder):
    """What comes before the cut is shown, and that there is one is said."""
    tape, first = record(folder, started, agent)
    whole = tape.read_bytes()
    shared = open_folder / "t.tape"
    shared.write_bytes(whole[:len(whole) // 2 + 3])
    done, again = replay(shared, open_folder)
    assert done.returncode == 1
    assert b"cut or broken" in done.stderr
    assert 0 < len(again.splitlines()) < 33


def test_no_tape(open_folder):
    other = open_folder / "other"
    other.write_bytes(b"\x7fELF" + b"x" * 500)
    done, _ = replay(other, open_folder)
    assert done.returncode == 2
    assert b"no recording of this version" in done.stderr
    done = subprocess.run([BINARY, "attach", "--replay", open_folder / "absent"], capture_output=True)
    assert done.returncode == 2
    assert b"No such file" in done.stderr


def test_nowhere_to_record():
    done = subprocess.run([BINARY, "attach", "-p", str(os.getpid()), "--record", "/dev/full"], capture_output=True,
                          timeout=60)
    assert done.returncode == 1
    assert b"cannot record to /dev/full: No space left on device" in done.stderr
