# SPDX-License-Identifier: Apache-2.0
"""A guest under QEMU without hardware help: its root is an initramfs, what it leaves comes back in a disk. Its
clock follows the instructions that it executes, so that it does not matter how busy the machine is."""

import glob
import io
import lzma
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile

APPLETS = """sh mount mkdir ls cat sleep kill grep awk sed wc tail head ps ip wget cp rm insmod mknod uname dmesg
poweroff sort uniq tr cut env timeout seq chmod tar dd find printf test date touch ln sync sysctl""".split()
# Each needs those before it; a kernel that has one built in has no file for it.
MODULES = "virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk".split()
LIBRARY_PATHS = ["usr/lib/{triplet}", "lib/{triplet}", "usr/lib", "lib", "lib64", "usr/lib/{triplet}/nss"]
DISK_BYTES = 64 << 20

MACHINES = {
    "amd64": {
        "triplet": "x86_64-linux-gnu",
        "argv": ["qemu-system-x86_64", "-M", "q35", "-cpu", "max"],
        "console": "ttyS0",
    },
    "arm64": {
        "triplet": "aarch64-linux-gnu",
        "argv": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"],
        "console": "ttyAMA0",
    },
}


class Root:
    """The tree that becomes a guest's root. Programs bring the libraries that they need, from a sysroot."""

    def __init__(self, folder, arch, sysroot="/"):
        self.folder, self.sysroot = folder, sysroot
        self.triplet = MACHINES[arch]["triplet"]
        for name in "bin dev proc sys tmp run root etc lib modules var/log/nginx var/lib/nginx".split():
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        os.symlink("lib", f"{folder}/lib64")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n")
        self.write("etc/group", "root:x:0:\nwww-data:x:33:\n")
        self.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")

    def write(self, path, content, mode=0o644):
        target = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(target, mode)

    def busybox(self, binary):
        self.copy(binary, "bin/busybox")
        for applet in APPLETS:
            os.symlink("busybox", f"{self.folder}/bin/{applet}")

    def copy(self, source, path):
        """A file; a program's libraries too."""
        self.write(path, open(source, "rb").read(), 0o755)
        self.libraries(source)

    def libraries(self, binary):
        dynamic = subprocess.run(["readelf", "-ldW", binary], capture_output=True, text=True).stdout
        names = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
        names += [os.path.basename(i) for i in re.findall(r"interpreter: (.*)\]", dynamic)]
        for name in names:
            if not os.path.exists(f"{self.folder}/lib/{name}"):
                self.copy(self.find_library(name), f"lib/{name}")

    def find_library(self, name):
        for folder in LIBRARY_PATHS:
            path = os.path.join(self.sysroot, folder.format(triplet=self.triplet), name)
            if os.path.exists(path):
                return path
        raise FileNotFoundError(f"{name} is not below {self.sysroot}")

    def modules(self, folders):
        for number, name in enumerate(MODULES):
            for path in [p for f in folders for p in glob.glob(f"{f}/**/{name}.ko*", recursive=True)]:
                content = open(path, "rb").read()
                if path.endswith(".xz"):
                    content = lzma.decompress(content)
                self.write(f"modules/{number}_{name}.ko", content)

    def pack(self, path):
        """An initramfs in the "newc" format of cpio(5)."""
        names = subprocess.run(["find", ".", "-mindepth", "1"], cwd=self.folder, capture_output=True, check=True)
        with open(path, "wb") as f:
            subprocess.run(
                ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"],
                cwd=self.folder, input=names.stdout, stdout=f, check=True,
            )


def boot(arch, image, initramfs, seconds, options=(), append=""):
    """Runs a guest to its end. Returns its console and the files that it left, by name."""
    machine = MACHINES[arch]
    with tempfile.TemporaryDirectory() as folder:
        disk = f"{folder}/disk"
        with open(disk, "wb") as f:
            f.truncate(DISK_BYTES)
        argv = [
            *machine["argv"], "-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-smp", "1", "-m", "1G", "-nic", "none", "-display", "none",
            "-monitor", "none", "-serial", "stdio", "-no-reboot", "-kernel", image, "-initrd", initramfs,
            "-drive", f"file={disk},if=none,id=d,format=raw", "-device", "virtio-blk-pci,drive=d",
            "-append", f"console={machine['console']} quiet panic=-1 rdinit=/init {append}", *options,
        ]  # fmt: skip
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
            console = (done.stdout + done.stderr).decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            console = (late.stdout or b"").decode(errors="replace") + f"\nno end after {seconds} s"
        return console.replace("\r", ""), left(disk)


def left(disk):
    try:
        with tarfile.open(disk) as tar:
            return {os.path.basename(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
    except tarfile.ReadError:
        return {}
