# SPDX-License-Identifier: Apache-2.0
"""Others that see what a server receives and sends, beside us: bpftrace and bcc, with tracepoints of the system calls of the
same processes, which copy the first 64 bytes of each to user space and there print or count them. They parse nothing."""

import contextlib
import os
import shutil
import subprocess

from harness import Program, wait_until

HEAD = 64
# System call → its argument that is a buffer; of a vector the first buffer is meant.
RECEIVES = {"read": "buf", "recvfrom": "ubuf"}
SENDS = {"write": "buf", "sendto": "buff"}
VECTORS = {"writev": "vec"}
COUNTED = ("sendfile64",)

BPFTRACE_VECTOR = "struct vector { void *base; uint64_t len; };\n"
BPFTRACE_RECEIVE = """
tracepoint:syscalls:sys_enter_{call} /{pids}/ {{ @buffer[tid] = args->{buffer}; }}
tracepoint:syscalls:sys_exit_{call} /@buffer[tid]/ {{
    if (args->ret > 0) {{ printf("%d {call} %d %r\\n", tid, args->ret, buf(@buffer[tid], {head})); }}
    delete(@buffer[tid]);
}}
"""
BPFTRACE_SEND = 'tracepoint:syscalls:sys_enter_{call} /{pids}/ {{ printf("%d {call} %r\\n", tid, buf({buffer}, {head})); }}\n'
BPFTRACE_COUNTED = 'tracepoint:syscalls:sys_enter_{call} /{pids}/ {{ printf("%d {call} %d\\n", tid, args->count); }}\n'

BCC = """
import sys
from bcc import BPF

PIDS = {pids}
TEXT = '''
#include <uapi/linux/ptrace.h>
#include <linux/uio.h>
struct event {{ u32 tid; s32 len; char head[{head}]; }};
BPF_RINGBUF_OUTPUT(events, 1024);
BPF_HASH(buffers, u32, u64);
static __always_inline int traced(void)
{{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    return {condition};
}}
static __always_inline void send(const void *from, long len)
{{
    struct event *e = events.ringbuf_reserve(sizeof(*e));
    if (!e)
        return;
    e->tid = bpf_get_current_pid_tgid();
    e->len = len;
    if (from)
        bpf_probe_read_user(e->head, sizeof(e->head), from);
    events.ringbuf_submit(e, 0);
}}
{probes}
'''
bpf = BPF(text=TEXT)
count = 0


def event(context, data, size):
    global count
    count += 1


bpf["events"].open_ring_buffer(event)
print("attached", file=sys.stderr, flush=True)
try:
    while True:
        bpf.ring_buffer_poll()
except KeyboardInterrupt:
    print(count)
"""
BCC_RECEIVE = """
TRACEPOINT_PROBE(syscalls, sys_enter_{call})
{{
    u32 tid = bpf_get_current_pid_tgid();
    u64 buffer = (u64)args->{buffer};
    if (traced())
        buffers.update(&tid, &buffer);
    return 0;
}}
TRACEPOINT_PROBE(syscalls, sys_exit_{call})
{{
    u32 tid = bpf_get_current_pid_tgid();
    u64 *buffer = buffers.lookup(&tid);
    if (!buffer)
        return 0;
    if (args->ret > 0)
        send((void *)*buffer, args->ret);
    buffers.delete(&tid);
    return 0;
}}
"""
BCC_SEND = """
TRACEPOINT_PROBE(syscalls, sys_enter_{call})
{{
    if (traced())
        send({buffer}, {length});
    return 0;
}}
"""
BCC_VECTOR = """
TRACEPOINT_PROBE(syscalls, sys_enter_{call})
{{
    struct iovec first = {{}};
    if (!traced())
        return 0;
    bpf_probe_read_user(&first, sizeof(first), args->{buffer});
    send(first.iov_base, first.iov_len);
    return 0;
}}
"""


class Peer(Program):
    """A tracer in a mount namespace of its own, where the tracepoints can be read."""

    def __init__(self, folder, name, argv, probes=0):
        """probes: how many it has when it is attached; 0: it says so."""
        mounts = "mount -t debugfs none /sys/kernel/debug && mount -t tracefs none /sys/kernel/tracing; exec \"$@\""
        super().__init__(folder, name, ["unshare", "--mount", "sh", "-c", mounts, name, *argv])
        ready = (lambda: self.perf_events() >= probes) if probes else lambda: "attached" in self.err()
        wait_until(lambda: not self.running() or ready(), f"{name} to attach", 60)
        if not self.running():
            raise Unavailable(f"{name} does not run here: {(self.err() + self.out()).strip().splitlines()[-1:]}")
        self.pids = [self.pid]

    def perf_events(self):
        """Open tracepoints, a descriptor each, and the buffers of the processors."""
        with contextlib.suppress(FileNotFoundError):
            links = [os.readlink(f"/proc/{self.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.pid}/fd")]
            return links.count("anon_inode:[perf_event]") - os.cpu_count()
        return 0

    def counts(self):
        return {}

    def counts_since(self, before, truth):
        return {}

    def stop(self, sig=2):
        self.process.send_signal(sig)
        self.wait()


class Unavailable(Exception):
    """A peer that cannot run here."""


def bpftrace_script(pids):
    known = {"pids": " || ".join(f"pid == {pid}" for pid in pids), "head": HEAD}
    parts = [BPFTRACE_VECTOR]
    parts += [BPFTRACE_RECEIVE.format(call=call, buffer=buffer, **known) for call, buffer in RECEIVES.items()]
    parts += [BPFTRACE_SEND.format(call=call, buffer=f"args->{buffer}", **known) for call, buffer in SENDS.items()]
    vector = "((struct vector *)args->{})->base"
    parts += [BPFTRACE_SEND.format(call=call, buffer=vector.format(buffer), **known) for call, buffer in VECTORS.items()]
    parts += [BPFTRACE_COUNTED.format(call=call, **known) for call in COUNTED]
    return "".join(parts)


def bcc_script(pids):
    probes = "".join(BCC_RECEIVE.format(call=call, buffer=buffer) for call, buffer in RECEIVES.items())
    probes += "".join(BCC_SEND.format(call=call, buffer=f"args->{b}", length="0") for call, b in SENDS.items())
    probes += "".join(BCC_VECTOR.format(call=call, buffer=buffer) for call, buffer in VECTORS.items())
    probes += "".join(BCC_SEND.format(call=call, buffer="0", length="args->count") for call in COUNTED)
    condition = " || ".join(f"pid == {pid}" for pid in pids)
    return BCC.format(pids=list(pids), condition=condition, head=HEAD, probes=probes)


def bpftrace(folder, target):
    if not shutil.which("bpftrace"):
        raise Unavailable("bpftrace is not installed")
    with open(f"{folder}/peer.bt", "w") as f:
        f.write(bpftrace_script(target.pids))
    return Peer(folder, "bpftrace", ["bpftrace", "-B", "full", f"{folder}/peer.bt"], 2 * len(RECEIVES) + len(SENDS) + len(VECTORS) + len(COUNTED))


def bcc(folder, target):
    if subprocess.run(["/usr/bin/python3", "-c", "import bcc"], capture_output=True).returncode:
        raise Unavailable("bcc is not installed (python3-bpfcc)")
    headers = os.environ.get("BCC_KERNEL_SOURCE", f"/lib/modules/{os.uname().release}/build")
    if not os.path.isdir(headers):
        raise Unavailable(f"bcc needs the kernel's headers, and there is no {headers} (BCC_KERNEL_SOURCE names another place)")
    with open(f"{folder}/peer.py", "w") as f:
        f.write(bcc_script(target.pids))
    return Peer(folder, "bcc", ["/usr/bin/python3", f"{folder}/peer.py"])


PEERS = {"bpftrace": bpftrace, "bcc": bcc}


def usable(folder, target, say):
    """Those that run here → how they start; why not, of the others."""
    found, why_not = {}, {}
    for name, start in PEERS.items():
        try:
            start(folder, target).stop()
            found[name] = start
        except Unavailable as why:
            why_not[name] = str(why)
            say(str(why))
    return found, why_not
