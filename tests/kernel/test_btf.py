# SPDX-License-Identifier: Apache-2.0
"""Each fact that vmlinux.h states about the kernel's types holds in the running kernel."""

import functools
import json
import os
import platform
import re
import shutil
import subprocess

import pytest

ROOT = os.path.join(os.path.dirname(__file__), "../..")
HEADER = os.path.join(ROOT, "vmlinux.h")
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
# Another kernel's, when its type information and architecture (as in __TARGET_ARCH_x86) are given.
KERNEL_BTF = os.environ.get("KERNEL_BTF", "/sys/kernel/btf/vmlinux")
ARCH = os.environ.get("KERNEL_ARCH") or {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine())

with open(HEADER) as header:
    TEXT = re.sub(
        r"^#(?:el)?if defined\(__TARGET_ARCH_(\w+)\)\n(.*?)(?=^#(?:elif|endif))",
        lambda m: m[2] if m[1] == ARCH else "",
        header.read(),
        flags=re.M | re.S,
    )
# Types without a body are only pointed to.
STRUCTS = re.findall(r"^struct (\w+) \{", TEXT, re.M)
TYPEDEFS = re.findall(r"^\} (\w+);", TEXT, re.M)
ENUMERATORS = {name: int(value, 0) for name, value in re.findall(r"^\t(\w+) = (\d+),", TEXT, re.M)}


class Btf:
    """The types of one object."""

    def __init__(self, path):
        dump = subprocess.run([BPFTOOL, "-j", "btf", "dump", "file", path], capture_output=True, check=True)
        self.types = {t["id"]: t for t in json.loads(dump.stdout)["types"]}
        self.by_name = {(t["kind"], t["name"]): t for t in self.types.values()}

    def plain(self, type_id):
        """The type behind typedefs and qualifiers."""
        t = self.types.get(type_id, {"kind": "VOID", "name": "void"})
        while t["kind"] in ("TYPEDEF", "CONST", "VOLATILE", "RESTRICT", "TYPE_TAG"):
            t = self.types.get(t["type_id"], {"kind": "VOID", "name": "void"})
        return t

    def members(self, t):
        """Name → type id, bit field width; with those of anonymous structs and unions, as in C."""
        found = {}
        for m in t["members"]:
            if m["name"] == "(anon)":
                found.update(self.members(self.plain(m["type_id"])))
            else:
                found[m["name"]] = m["type_id"], m.get("bitfield_size", 0)
        return found

    def shape(self, type_id):
        """What a reader of the type relies on: kind, width and sign, but not how it is called."""
        t = self.plain(type_id)
        if t["kind"] == "INT":
            # A byte is read as a number, be it a bool, a char or a u8.
            return "INT", t["size"], t["encoding"] if t["size"] > 1 else "any"
        if t["kind"] == "PTR":
            target = self.plain(t["type_id"])
            return "PTR", base_name(target["name"]) if target["kind"] in ("STRUCT", "UNION", "FWD") else "any"
        if t["kind"] == "ARRAY":
            return "ARRAY", t["nr_elems"], self.shape(t["type_id"])
        if t["kind"] in ("ENUM", "ENUM64"):
            return "ENUM", t["size"]
        return t["kind"], base_name(t["name"])


def base_name(name):
    """A name without its ___variant, as CO-RE matches it; anonymous ones are all alike."""
    return "" if name == "(anon)" else name.split("___")[0]


@functools.lru_cache
def kernel():
    if not os.path.exists(KERNEL_BTF):
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    return Btf(KERNEL_BTF)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """vmlinux.h compiled with a variable of each type, since unused ones leave no BTF."""
    folder = tmp_path_factory.mktemp("btf")
    source, obj = folder / "all.c", folder / "all.o"
    names = [f"struct {name}" for name in STRUCTS] + TYPEDEFS
    source.write_text('#include "vmlinux.h"\n' + "".join(f"{n} v{i};\n" for i, n in enumerate(names)))
    subprocess.run(
        ["clang", "-g", "-O2", "-target", "bpf", f"-D__TARGET_ARCH_{ARCH}", "-I", ROOT, "-c", "-o", obj, source], check=True
    )
    return Btf(obj)


def find(btf, name):
    """A named struct, or the struct behind a typedef."""
    if ("TYPEDEF", name) in btf.by_name:
        return btf.plain(btf.by_name["TYPEDEF", name]["type_id"])
    return btf.by_name.get(("STRUCT", name))


def test_header_is_understood():
    assert {"sock", "sock_common", "tcp_sock", "task_struct"} <= set(STRUCTS)
    assert "BPF_MAP_TYPE_RINGBUF" in ENUMERATORS


@pytest.mark.parametrize("name", STRUCTS + TYPEDEFS)
def test_members(ours, name):
    """A type ___variant describes another kernel: what it names may be absent here, not different."""
    variant = "___" in name
    real = find(kernel(), base_name(name))
    if real is None and variant:
        pytest.skip(f"this kernel has no struct {base_name(name)}")
    assert real is not None, f"the kernel has no type {name}"
    real_members = kernel().members(real)
    for member, (type_id, width) in ours.members(find(ours, name)).items():
        if variant and member not in real_members:
            continue
        assert member in real_members, f"the kernel's {name} has no member {member}"
        real_type, real_width = real_members[member]
        assert width == real_width, f"{name}.{member} is a bit field of {real_width}"
        want, got = ours.shape(type_id), kernel().shape(real_type)
        if want[0] == "PTR" and want[1] in ("", "any"):
            want, got = want[:1], got[:1]
        same = agree(ours, type_id, real_type) if want[1:] == ("",) else got == want
        assert same, f"{name}.{member} is {got}, not {want}"


def agree(ours, type_id, real_type):
    """An anonymous type inside a member, `union {...} in6_u`, has no name to compare: its members agree."""
    mine, real = ours.plain(type_id), kernel().plain(real_type)
    real_members = kernel().members(real)
    return mine["kind"] == real["kind"] and all(
        member in real_members and kernel().shape(real_members[member][0]) == ours.shape(member_type)
        for member, (member_type, _) in ours.members(mine).items()
    )


def test_enumerators():
    real = {}
    for t in kernel().types.values():
        if t["kind"] in ("ENUM", "ENUM64"):
            real.update((v["name"], v["val"]) for v in t["values"])
    wrong = {n: real[n] for n, value in ENUMERATORS.items() if n in real and real[n] != value}
    assert not wrong
    absent = [n for n in ENUMERATORS if n not in real]
    assert not absent
