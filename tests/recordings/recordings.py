# SPDX-License-Identifier: Apache-2.0
"""The recordings: NAME.tape with the ring's records, NAME.jsonl with the spans that they give."""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), os.path.join(HERE, "../accuracy")]

NAMES = sorted(os.path.basename(path)[:-5] for path in glob.glob(f"{HERE}/*.tape"))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


def path(name, ending):
    return f"{HERE}/{name}.{ending}"


def read(name, ending="jsonl"):
    with open(path(name, ending), "rb") as f:
        return f.read()


def replay(binary, name, *options, command="agent", **kw):
    """Gives the recording to the program, as nobody and without its folder: spans go to standard output."""
    privileges = NOBODY if os.geteuid() == 0 else []
    with open(path(name, "tape"), "rb") as tape:
        argv = [*privileges, binary, command, "--replay", "/dev/stdin", *options]
        return subprocess.Popen(argv, stdin=tape, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", **kw)


def spans(binary, name):
    process = replay(binary, name, "--log", "-")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    return out
