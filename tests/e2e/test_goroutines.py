# SPDX-License-Identifier: Apache-2.0
"""For which request a goroutine of Go makes a call, however its program was built."""

import json
import shutil
import subprocess

import gos
import pytest

from harness import Program, free_port, wait_until
from parents import linked_calls

REQUESTS, AT_A_TIME = 400, 8
# Behind: a server that answers after some milliseconds. Before: one that makes a call itself, two in goroutines, and one more.
PROGRAM = """
package main

import (
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

func call(path string) {
	answer, err := http.Get("http://127.0.0.1:" + os.Args[2] + path)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}

func main() {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if len(os.Args) == 2 {
			time.Sleep(time.Duration(1+len(r.URL.Path)*7%5) * time.Millisecond)
			return
		}
		call(r.URL.Path + "/0")
		var group sync.WaitGroup
		for _, name := range []string{"/1", "/2"} {
			group.Add(1)
			go func(name string) { defer group.Done(); call(r.URL.Path + name) }(name)
		}
		group.Wait()
		call(r.URL.Path + "/3")
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
"""


def build(folder, go, *options, source=PROGRAM):
    try:
        with open(f"{folder}/main.go", "w") as f:
            f.write(source)
        with open(f"{folder}/go.mod", "w") as f:
            f.write("module calls\n\ngo 1.18\n")
        gos.build(gos.GOS[go](), folder, f"{folder}/calls", *options)
    except gos.Missing as why:
        pytest.skip(str(why))
    return f"{folder}/calls"


def serve(started, folder, program, name, *args):
    server = started(Program(folder, name, [program, *map(str, args)]))
    wait_until(lambda: subprocess.run(["ss", "-Hltn", f"sport = :{args[0]}"], capture_output=True).stdout, f"{name} to listen")
    return server


BUILDS = {"plain": [], "stripped": ["-ldflags=-s -w"], "anywhere": ["-buildmode=pie", "-ldflags=-s -w"]}


@pytest.mark.parametrize("options", BUILDS)
@pytest.mark.parametrize("go", gos.GOS)
def test_calls_of_goroutines(go, options, folder, started, attach):
    program = build(folder, go, *BUILDS[options])
    behind, before = free_port(), free_port()
    serve(started, folder, program, "behind", behind)
    server = serve(started, folder, program, "before", before, behind)
    tracer = attach("-p", server.pid)
    linked = linked_calls(tracer, before, REQUESTS, 4, AT_A_TIME)
    assert sum(c["evidence"] == "goroutine" for c in linked) > 0.97 * 4 * REQUESTS


REPLACED = """
package main

import (
	"os"
	"syscall"
)

func main() {
	os.Stdin.Read(make([]byte, 1))
	syscall.Exec("/bin/cat", []string{"cat"}, os.Environ())
}
"""


def followed():
    """Process ids whose goroutines are."""
    dump = subprocess.run([shutil.which("bpftool") or "/usr/sbin/bpftool", "-j", "map", "dump", "name", "gos"], capture_output=True, text=True)
    return {entry["formatted"]["key"] for entry in json.loads(dump.stdout or "[]")}


def test_program_replaced(folder, started, attach):
    """What a process of Go executes instead of itself is not taken for one."""
    program = started(Program(folder, "replaced", [build(folder, "1.24", source=REPLACED)], stdin=subprocess.PIPE))
    attach("-p", program.pid)
    wait_until(lambda: program.pid in followed(), "its goroutines to be followed")
    program.process.stdin.write(b"\n")
    program.process.stdin.flush()
    wait_until(lambda: program.pid not in followed(), "them not to be any more")
