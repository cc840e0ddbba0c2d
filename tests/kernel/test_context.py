# SPDX-License-Identifier: Apache-2.0
"""What is known of the contexts of a Python program: of each by its own, whatever was at its address before."""

import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../e2e"))
from pythons import PYTHONS  # noqa: E402
from test_load import BINARY, BPFTOOL, held, pytestmark, show  # noqa: E402, F401

# A line has the next context made, which is at the address that is printed; another one has it dropped.
PROGRAM = """
import contextvars
task = contextvars.copy_context()
def made(make):
    input()
    one = make()
    print(id(one), flush=True)
    input()
task.run(made, contextvars.copy_context)
task = contextvars.copy_context()
task.run(made, contextvars.copy_context)
task.run(made, contextvars.Context)
task.run(made, task.copy)
"""


@pytest.fixture(params=PYTHONS)
def program(request, tmp_path):
    argv, env = PYTHONS[request.param](tmp_path)
    p = subprocess.Popen([*argv, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    yield p
    p.kill()
    p.communicate()


@pytest.fixture
def tracer(program):
    t = subprocess.Popen([BINARY, "attach", "-p", str(program.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in t.stderr:
        if "attached" in line:
            break
    assert "attached" in line, line
    yield t
    t.terminate()
    t.communicate(timeout=20)


def tell(program):
    program.stdin.write("\n")
    program.stdin.flush()


def make(program):
    tell(program)
    return int(program.stdout.readline())


def known(tracer, pid, address):
    """(id, what it is a copy of) of a context; None: nothing is known of it."""
    (number,) = (i for i in held(tracer.pid, "map_id") if show("map").get(i) == "contexts")
    dump = subprocess.run([BPFTOOL, "-j", "map", "dump", "id", str(number)], capture_output=True, text=True, check=True)
    for one in json.loads(dump.stdout):
        key, value = one["formatted"]["key"], one["formatted"]["value"]
        if (key["pid"], key["address"]) == (pid, address):
            return value["id"], value["from"][0]
    return None


def test_contexts(program, tracer):
    # The first copy is made in a context that is older than the tracer.
    first = known(tracer, program.pid, make(program))
    assert first and first[1] == 0
    tell(program)
    address = make(program)
    copy = known(tracer, program.pid, address)
    assert copy[0] != first[0] and copy[1] != 0
    tell(program)
    # It is gone, and what comes next takes its address.
    assert make(program) == address
    new = known(tracer, program.pid, address)
    assert new[0] not in (first[0], copy[0]) and new[1] == 0
    tell(program)
    # A copy of another one than the current one: of which is not known.
    copied = known(tracer, program.pid, make(program))
    assert copied[0] not in (first[0], copy[0], new[0]) and copied[1] == 0
