# SPDX-License-Identifier: Apache-2.0
"""A control group that limits memory, of version 1 or 2, whichever this machine has."""

import contextlib
import os
import re

import pytest


def find():
    """The folder in which a group can be made, and the name of its file for the limit."""
    with open("/proc/self/mounts") as f:
        mounts = [line.split() for line in f]
    with open("/proc/self/cgroup") as f:
        own = f.read()
    for _, mount, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            return mount + re.search(r":memory:(.*)", own)[1], "memory.limit_in_bytes"
        controllers = f"{mount}/cgroup.controllers"
        if kind == "cgroup2" and os.path.exists(controllers) and "memory" in open(controllers).read().split():
            # Groups below the root alone may have processes beside those of their parent.
            with contextlib.suppress(OSError), open(f"{mount}/cgroup.subtree_control", "w") as f:
                f.write("+memory")
            return mount, "memory.max"
    return None, None


class MemoryGroup:
    def __init__(self, size):
        above, limit = find()
        self.path = f"{above}/spanhook-{os.getpid()}"
        try:
            os.mkdir(self.path)
            self.write(limit, size)
        except OSError as error:
            pytest.skip(f"cannot make a control group for memory: {error}")

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w") as f:
            f.write(str(value))

    def enter(self):
        """Moves the process that calls it here."""
        self.write("cgroup.procs", 0)

    def killed(self):
        """How many processes the kernel has killed for want of memory."""
        for name in "memory.events", "memory.oom_control":
            if os.path.exists(f"{self.path}/{name}"):
                with open(f"{self.path}/{name}") as f:
                    return int(re.search(r"^oom_kill (\d+)", f.read(), re.M)[1])

    def close(self):
        os.rmdir(self.path)
