# SPDX-License-Identifier: Apache-2.0
"""Kinds of Node.js: the machine's, and those of Debian, which have most of it in a library, never installed."""

import os
import platform
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vm"))
import debian  # noqa: E402


def installed():
    return [shutil.which("node") or pytest.skip("node is not installed")]


def of_debian(suite):
    if platform.machine() != "x86_64":
        pytest.skip("elsewhere no Node.js is followed")
    try:
        root = debian.Suite(suite, "amd64").fetch_all(["nodejs"])
    except debian.Unavailable as why:
        pytest.skip(f"Node.js of Debian {suite} cannot be fetched: {why}")
    return ["chroot", root, "/usr/bin/node"]


# Name → what runs it.
NODES = {
    "installed": installed,
    "18, library": lambda: of_debian("bookworm"),
    "20, library": lambda: of_debian("trixie"),
}
