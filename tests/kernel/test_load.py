# SPDX-License-Identifier: Apache-2.0
"""The programs load and attach on this kernel, and nothing of them is left afterwards."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

ROOT = os.path.join(os.path.dirname(__file__), "../..")
BINARY = os.path.join(ROOT, os.environ.get("B", "build"), "spanhook")
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root")


def show(kind):
    """id → name of what is loaded now."""
    listed = subprocess.run([BPFTOOL, "-j", kind, "show"], capture_output=True, text=True, check=True)
    return {o["id"]: o.get("name", "") for o in json.loads(listed.stdout or "[]")}


def held(pid, key):
    """Ids of the BPF objects behind a process's file descriptors."""
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}") as f:
            ids.update(int(n) for n in re.findall(rf"^{key}:\s+(\d+)", f.read(), re.M))
    return ids


def gone(kind, ids):
    """The kernel frees them a little after the last reference."""
    deadline = time.monotonic() + 10
    while ids & set(show(kind)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_check():
    done = subprocess.run([BINARY, "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_json():
    done = subprocess.run([BINARY, "check", "--output", "json"], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["ok"] is True and all(check["ok"] for check in found["checks"])


FUNCTION = ["--function", "libc.so.6:posix_openpt"]
SOCKETS = ["--sqlite", "off", "--python-contexts", "off"]


@pytest.mark.parametrize("options", [SOCKETS, [], FUNCTION, ["--exact-turns"]], ids=["sockets", "libraries", "functions", "turns"])
def test_attached_and_gone(options):
    target = subprocess.Popen(["sleep", "60"])
    tracer = subprocess.Popen([BINARY, "attach", "-p", str(target.pid), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "attached" not in said:
            line = tracer.stderr.readline()
            assert line, f"it ended: {said}"
            said += line
        programs, maps, links = (held(tracer.pid, f"{kind}_id") for kind in ("prog", "map", "link"))
        assert links and links <= set(show("link"))
        loaded = show("prog")
        names = {loaded[i] for i in programs}
        # The kernel cuts names to 15 bytes.
        for name in ("socket__send", "socket__recv", "socket__state", "process__fork", "process__exec", "process__exit"):
            assert name in names
        assert all(re.match(r"[a-z]+__[a-z]+", name) for name in names)
        # What nobody asked for is not loaded.
        for name in ("function__enter", "function__return", "function__exit", "function__exec"):
            assert (name in names) == (options == FUNCTION)
        for name in ("sqlite__step", "sqlite__stepped", "sqlite__reset", "sqlite__executed", "python__copying", "python__copied"):
            assert any(n.startswith(name[:15]) for n in names) == (options != SOCKETS)
        assert ("turns__enter" in names) == ("--exact-turns" in options)
        assert {"ring", "targets", "sock_states", "drops"} <= {show("map").get(i) for i in maps}
    finally:
        tracer.terminate()
        tracer.communicate(timeout=20)
        target.kill()
        target.wait()
    assert tracer.returncode == 0
    assert gone("link", links) and gone("prog", programs) and gone("map", maps)
