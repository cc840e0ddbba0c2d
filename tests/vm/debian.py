# SPDX-License-Identifier: Apache-2.0
"""Debian packages of other suites and architectures: fetched and unpacked into build/vm, never installed."""

import glob
import os
import re
import subprocess

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
CACHE = os.path.join(ROOT, "build/vm")
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """The mirror or what was asked of it is not there."""


def command(argv, **kw):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw)
    except FileNotFoundError:
        raise Unavailable(f"{argv[0]} is not installed") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "failed").split("\n")[-1]
        raise Unavailable(f"{os.path.basename(argv[0])}: {said}")
    return done.stdout


class Suite:
    """A suite's packages for one architecture, with lists of their own beside the machine's."""

    def __init__(self, name, arch):
        self.name, self.arch = name, arch
        self.folder = f"{CACHE}/apt/{name}-{arch}"
        self.archives = f"{self.folder}/cache/archives"
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(f"{self.folder}/{folder}", exist_ok=True)
        mirror = MIRROR + ("-security" if name.endswith("-security") else "")
        with open(f"{self.folder}/sources.list", "w") as f:
            f.write(f"deb [signed-by={KEYRING}] {mirror} {name} main\n")
        with open(f"{self.folder}/status", "w"):
            pass
        self.options = []
        for option in (
            f"Dir::Etc::sourcelist={self.folder}/sources.list",
            "Dir::Etc::sourceparts=/dev/null",
            f"Dir::State={self.folder}",
            f"Dir::State::lists={self.folder}/lists",
            f"Dir::State::status={self.folder}/status",
            f"Dir::Cache={self.folder}/cache",
            f"APT::Architecture={arch}",
            f"APT::Architectures={arch}",
            "Acquire::Languages=none",
            "APT::Sandbox::User=root",
            "Acquire::Retries=1",
            "Acquire::http::Timeout=20",
        ):
            self.options += ["-o", option]
        if not glob.glob(f"{self.folder}/lists/*_Packages*"):
            command(["apt-get", *self.options, "update", "-q", "--error-on=any"])

    def newest(self, pattern):
        """The package of the highest version in its name, of those that match."""
        names = command(["apt-cache", *self.options, "pkgnames", "linux-"]).split()
        found = [n for n in names if re.fullmatch(pattern, n)]
        if not found:
            raise Unavailable(f"the mirror has no package {pattern}")
        return max(found, key=lambda n: [int(part) for part in re.findall(r"\d+", n)])

    def fetch(self, package):
        """Unpacks the package alone; returns its folder."""
        folder = f"{CACHE}/packages/{self.arch}/{package}"
        if not os.path.isdir(folder):
            command(["apt-get", *self.options, "download", package], cwd=self.archives)
            (archive,) = glob.glob(f"{self.archives}/{package}_*.deb")
            self.unpack([archive], folder)
            os.unlink(archive)
        return folder

    def fetch_all(self, packages):
        """Unpacks the packages with all that they depend on into one tree; returns its folder."""
        folder = f"{CACHE}/sysroot-{self.name}-{self.arch}/{'+'.join(sorted(packages))}"
        if not os.path.isdir(folder):
            command(["apt-get", *self.options, "install", "-y", "-d", "--no-install-recommends", *packages])
            self.unpack(sorted(glob.glob(f"{self.archives}/*.deb")), folder)
        return folder

    @staticmethod
    def unpack(archives, folder):
        part = folder + ".part"
        os.makedirs(f"{part}/usr/lib", exist_ok=True)
        if not os.path.lexists(f"{part}/lib"):
            os.symlink("usr/lib", f"{part}/lib")
        for archive in archives:
            command(["dpkg-deb", "-x", archive, part])
        if os.path.isdir(f"{part}/usr/lib64") and not os.path.lexists(f"{part}/lib64"):
            os.symlink("usr/lib64", f"{part}/lib64")
        if os.path.isdir(folder):
            command(["rm", "-rf", folder])
        os.rename(part, folder)


def kernel(version, suite, arch):
    """Debian's newest cloud kernel of this version: the path of its image, and the folders of its modules."""
    packages = Suite(suite, arch)
    name = packages.newest(rf"linux-image-{re.escape(version)}\.\d[\w.+-]*-cloud-{arch}")
    folders = [packages.fetch(name)]
    # From 7.2 on the image and the modules are in packages of their own.
    for part in ("binary", "modules"):
        try:
            folders.append(packages.fetch(name.replace("image", part)))
        except Unavailable:
            continue
    for folder in folders:
        for image in glob.glob(f"{folder}/boot/vmlinuz-*") + glob.glob(f"{folder}/usr/lib/modules/*/vmlinuz"):
            return image, folders
    raise Unavailable(f"{name} has no kernel image")
