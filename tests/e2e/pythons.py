# SPDX-License-Identifier: Apache-2.0
"""Interpreters of Python: the machine's, and a later one of another Debian, never installed."""

import os
import platform
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vm"))
import debian  # noqa: E402

# From Python 3.12 on the thread's state is in thread-local storage: of the program, or of the library's module.
LATER = "3.13"
MAIN = "int Py_BytesMain(int, char **); int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }"


def later(folder, linked_in):
    if platform.machine() != "x86_64":
        pytest.skip("elsewhere no interpreter is followed")
    try:
        root = debian.Suite("trixie", "amd64").fetch_all([f"python{LATER}", f"libpython{LATER}"])
    except debian.Unavailable as why:
        pytest.skip(f"Python {LATER} cannot be fetched: {why}")
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    program = f"{root}/usr/bin/python{LATER}"
    if not linked_in:
        program = f"{folder}/main"
        library = f"{libraries}/libpython{LATER}.so.1.0"
        compiler = ["gcc", "-x", "c", "-", "-x", "none", library, "-o", program, "-Wl,--allow-shlib-undefined"]
        subprocess.run(compiler, input=MAIN, text=True, check=True)
    loader = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", libraries]
    return [*loader, program], {**os.environ, "PYTHONHOME": f"{root}/usr"}


# Name → what runs it, and its environment, from a folder for what has to be built.
PYTHONS = {
    "3.11": lambda folder: (["/usr/bin/python3"], None),
    f"{LATER}, linked in": lambda folder: later(folder, True),
    f"{LATER}, library": lambda folder: later(folder, False),
}
