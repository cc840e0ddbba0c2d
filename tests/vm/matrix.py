# SPDX-License-Identifier: Apache-2.0
"""What is tested where: the kernels, and the requests that are sent inside each guest."""

from collections import namedtuple

Kernel = namedtuple("Kernel", "version arch suite variant")

# variant: the hooks that Spanhook is to choose there; None where it is to say what is missing.
KERNELS = [
    Kernel("5.10", "amd64", "bullseye-security", None),
    Kernel("6.1", "amd64", "bookworm", "fexit"),
    Kernel("6.12", "amd64", "trixie", "tracepoint"),
    Kernel("6.18", "amd64", "trixie-backports", "tracepoint"),
    Kernel("7.3", "amd64", "trixie-backports", "tracepoint"),
    Kernel("6.12", "arm64", "trixie", "tracepoint"),
]

BPF_ARCH = {"amd64": "x86", "arm64": "arm64"}

Load = namedtuple("Load", "address calls path status count body_len")

BIG_LEN = 300000
SMALL_LEN = 1024
LOADS = [
    Load("8080", "write", "/small", 200, 20, SMALL_LEN),
    Load("8080", "send", "/small", 200, 20, SMALL_LEN),
    Load("8080", "vector", "/small", 200, 20, SMALL_LEN),
    Load("8080", "message", "/small", 200, 20, SMALL_LEN),
    Load("8080", "write", "/none", 404, 20, None),
    Load("8080", "write", "/big", 200, 10, BIG_LEN),
    Load("6:8080", "message", "/six", 200, 20, SMALL_LEN),
    Load("/tmp/http.sock", "vector", "/unix", 200, 20, SMALL_LEN),
    Load("/tmp/http.sock", "write", "/unix-big", 200, 10, BIG_LEN),
]
