# SPDX-License-Identifier: Apache-2.0
"""Compilers of Go: the machine's, or of Debian, which is never installed."""

import os
import platform
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vm"))
import debian  # noqa: E402


class Missing(Exception):
    """There is no compiler."""


def of_debian(suite, version):
    try:
        root = debian.Suite(suite, "amd64").fetch_all([f"golang-{version}-go"])
    except debian.Unavailable as why:
        raise Missing(f"Go {version} of Debian {suite} cannot be fetched: {why}") from None
    home = f"{root}/usr/lib/go-{version}"
    return [f"{home}/bin/go"], {"GOROOT": home}


# Name → the command, and its environment.
GOS = {
    "1.19": lambda: of_debian("bookworm", "1.19"),
    "1.24": lambda: of_debian("trixie", "1.24"),
}


def any_go():
    """The machine's if there is one."""
    return (["go"], {}) if shutil.which("go") else GOS["1.24"]()


def build(go, source, program, *options):
    """Compiles a folder."""
    if platform.machine() != "x86_64":
        raise Missing("elsewhere no goroutine is followed")
    command, home = go
    env = {**os.environ, **home, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOCACHE": f"{debian.CACHE}/go-build", "GO111MODULE": "on"}
    done = subprocess.run([*command, "build", *options, "-o", program, "."], cwd=source, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
