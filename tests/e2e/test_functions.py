# SPDX-License-Identifier: Apache-2.0
"""Calls of functions as spans: the order service's steps, and programs that are hard on a tracer."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from harness import BINARY, BUILD, Program, free_port, wait_until
from test_order_service import ORDER, ROLES, backend, call, order_service, with_item  # fixtures among them
from test_order_traces import MODES

STEPS = [
    "create_order(user.id=order->user_id, order.items_count=order->items_count, order.id=order->order_id at return,"
    " order.total_amount=order->total_amount at return, order.currency=order->currency) error if return < 0 as errno",
    "validate_user(user.id=order->user_id) error if return < 0 as errno",
    "validate_products(order.items_count=order->items_count, first.price=order->items[0].price at return)"
    " error if return < 0 as errno",
    "reserve_inventory(reservation.id=order->reservation_id at return) error if return < 0 as errno",
    "calculate_total_amount(order.total_amount=order->total_amount at return) error if return < 0 as errno",
    "create_order_record(order.id=order->order_id at return) error if return < 0",
    "publish_order_created_event(order.id=order->order_id, order.status=order->status) error if return != 0",
]
NAMES = [step.split("(")[0] for step in STEPS]
CALLS = {"validate_user": "GET /users/{id}", "validate_products": "POST /products/batch", "reserve_inventory": "POST /inventory/reserve"}
FUNCTIONS = [arg for step in STEPS for arg in ("--function", step)] + ["--function-cpu", "100"]

OUTCOMES = [
    # order, status, its steps below create_order and the error of the last one
    (ORDER, 201, NAMES[1:], None),
    ({**ORDER, "user_id": 999}, 400, NAMES[1:2], "ENOENT"),
    (with_item(product_id=777), 400, NAMES[1:3], "ENOENT"),
    (with_item(product_id=3), 503, NAMES[1:4], "EREMOTEIO"),
    ({**ORDER, "items": []}, 400, None, None),
]


def below(spans, span):
    return sorted((s for s in spans if s.get("parent_span_id") == span["span_id"]), key=lambda s: s["timestamp"])


def check_order(spans, order, pid, steps, error):
    """The steps in their order below create_order, the calls below the steps that made them."""
    if steps is None:
        assert not below(spans, order)
        return
    (create,) = below(spans, order)
    assert (create["kind"], create["name"], create["pid"], create["protocol"]) == ("internal", NAMES[0], pid, "function")
    assert create["attributes"]["code.function.name"] == NAMES[0] and "incomplete" not in create
    done = below(spans, create)
    assert [s["name"] for s in done] == steps
    for s in done:
        assert s["kind"] == "internal" and s["evidence"] == "thread" and s["trace_id"] == order["trace_id"]
        assert create["duration_ms"] >= s["duration_ms"] and "incomplete" not in s
        calls = below(spans, s)
        if s["name"] == "create_order_record":
            assert [(c["kind"], c["name"], c["evidence"]) for c in calls] == [("client", "INSERT orders", "thread")]
            continue
        assert [c["name"] for c in calls] == ([CALLS[s["name"]]] if s["name"] in CALLS else [])
        for c in calls:
            assert (c["kind"], c["pid"]) == ("client", pid) and s["duration_ms"] >= c["duration_ms"]
            (served,) = below(spans, c)
            assert (served["kind"], served["name"]) == ("server", c["name"])
    assert [s.get("error_type") for s in done] == [None] * (len(steps) - 1) + [error]
    assert create.get("error_type") == error


@pytest.fixture
def shop(order_service, backend, attach):
    """The order service and its backends, all traced, with the seven steps of an order."""

    class Shop:
        def __init__(self, *options):
            backends = {role: backend(role) for role in ROLES}
            self.service = order_service(*options, **{role: b.url for role, b in backends.items()})
            pids = [self.service.pid, *(b.pid for b in backends.values())]
            self.tracer = attach(*[arg for pid in pids for arg in ("-p", pid)], *FUNCTIONS)

        def post(self, order):
            status, _, answer = call(self.service, "POST", "/orders", order)
            return status, answer

        def finish(self, requests):
            self.tracer.wait_spans(requests, kind="server", pid=self.service.pid)
            self.spans = self.tracer.finish()
            return [s for s in self.spans if s["kind"] == "server" and s["pid"] == self.service.pid]

    return Shop


@pytest.mark.parametrize("mode", MODES, ids=["thread-per-connection", "thread-pool"])
def test_order(shop, mode):
    s = shop(*mode)
    answers = [s.post(order) for order, _, _, _ in OUTCOMES]
    assert [status for status, _ in answers] == [status for _, status, _, _ in OUTCOMES]
    orders = s.finish(len(OUTCOMES))
    for order, (_, _, steps, error) in zip(orders, OUTCOMES):
        check_order(s.spans, order, s.service.pid, steps, error)

    made = answers[0][1]
    attributes = {x["name"]: x["attributes"] for x in s.spans if x["kind"] == "internal" and x["trace_id"] == orders[0]["trace_id"]}
    assert attributes["create_order"] == {
        "code.function.name": "create_order",
        "user.id": ORDER["user_id"],
        "order.items_count": len(ORDER["items"]),
        "order.id": made["order_id"],
        "order.total_amount": made["total_amount"],
        "order.currency": "USD",
    }
    assert attributes["validate_user"]["user.id"] == ORDER["user_id"]
    assert attributes["validate_products"]["first.price"] == made["items"][0]["price"]
    assert attributes["reserve_inventory"]["reservation.id"] == made["reservation_id"]
    assert attributes["calculate_total_amount"]["order.total_amount"] == made["total_amount"]
    assert attributes["publish_order_created_event"] == {
        "code.function.name": "publish_order_created_event",
        "order.id": made["order_id"],
        "order.status": "created",
    }


HARD = r"""
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mood { CALM, ANGRY = 7 };
struct inner { const char *text; long long number; };
struct thing { char name[8]; struct inner *inner; enum mood mood; _Bool on; double ratio; long double wide; };
#define OWN __attribute__((noipa))
#define HERE __asm__ volatile("" ::: "memory")
static jmp_buf back;
volatile int sink = 1;

OWN long factorial(int n) { long below; if (n < 2) return 1; below = factorial(n - 1); HERE; return n * below; }
OWN void jumps(int n) { HERE; if (n) jumps(n - 1); else longjmp(back, 1); HERE; }
OWN int catches(int n) { HERE; if (!setjmp(back)) jumps(n); HERE; return n; }
OWN int last(int n) { HERE; sink += n; return n + sink * 0; }
OWN int tail(int n) { HERE; sink += n; return last(n + 1); }
OWN int shows(struct thing *thing, double direct, char letter) { HERE; sink += letter; return direct > 1; }
OWN int fills(int *count, char **text) { HERE; *count = 42; *text = "filled"; return sink * 0; }
OWN struct thing *finds(const char *name, struct thing *in) { HERE; return strcmp(name, in->name) ? NULL : in; }
OWN static int hidden(int n) { HERE; sink += n; return n; }
OWN void sleeps(int n) { HERE; sink += n; printf("inside\n"); fflush(stdout); for (;;) pause(); }
OWN void leaves(int n) { HERE; sink += n; exit(0); }
OWN int often(int n) { HERE; sink += n; sink -= n; return n; }
OWN int visits(int n) { char line[64]; HERE; for (int i = 0; i < n; i++) visits(0); if (n) { printf("inside\n"); fflush(stdout); fgets(line, 64, stdin); last(n); HERE; } return n; }
static __attribute__((cold, noinline)) void complains(int n) { sink += n; sink -= n; }
OWN int splits(int n) { int kept = often(n); if (__builtin_expect(kept & 1, 0)) { complains(n); complains(kept); return -kept; } return kept + n; }
static void *thread(void *arg) { (void)arg; sleeps(1); return NULL; }

int main(int argc, char **argv)
{
	struct inner inner = { "deep \"text\"", -5 };
	struct thing thing = { "thing-88", &inner, ANGRY, 1, 2.5, 1.0L };
	char line[64], *text = NULL;
	pthread_t t;
	int count = 0;

	memcpy(thing.name, "thing88", 8);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "factorial\n")) factorial(5);
		if (!strcmp(line, "jump\n")) { catches(3); last(1); }
		if (!strcmp(line, "tail\n")) tail(1);
		if (!strcmp(line, "show\n")) shows(&thing, 1.5, 'x');
		if (!strcmp(line, "fill\n")) fills(&count, &text);
		if (!strcmp(line, "find\n")) { finds("thing88", &thing); finds("other", &thing); }
		if (!strcmp(line, "bad\n")) { struct thing broken = thing; broken.inner = (void *)8; shows(&broken, 0, 'y'); }
		if (!strcmp(line, "hidden\n")) hidden(9);
		if (!strcmp(line, "thread\n")) pthread_create(&t, NULL, thread, NULL);
		if (!strcmp(line, "sleep\n")) sleeps(2);
		if (!strcmp(line, "leave\n")) leaves(3);
		if (!strcmp(line, "often\n")) for (int i = 0; i < 60000; i++) often(i);
		if (!strcmp(line, "split\n")) for (int i = 0; i < 4; i++) if (splits(i) != (i & 1 ? -i : 2 * i)) abort();
		if (!strcmp(line, "visit\n")) { visits(1000); last(1); }
		if (!strcmp(line, "fork\n") && fork() == 0) { last(77); _exit(0); }
		printf("done %s", line);
		fflush(stdout);
	}
	return 0;
}
"""


def compile_program(folder, name, source, *options):
    path = f"{folder}/{name}"
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    with open(f"{path}.c", "w") as f:
        f.write(source)
    subprocess.run(["gcc", "-w", "-pthread", "-o", path, f"{path}.c", *(options or ("-O2", "-g"))], check=True)
    return path


class Obedient:
    """A program that does what a line of its standard input says."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n"

    def do(self, what, answer=None):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == (answer or f"done {what}") + "\n"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def hard(folder, started):
    """hard(options of gcc...) starts the program that is hard on a tracer."""

    def run(*options):
        return started(Obedient(compile_program(folder, "hard", HARD, *options)))

    return run


@pytest.fixture
def watch(hard, attach):
    """watch(specs, gcc=[...]) is the program and its tracer."""

    def run(*specs, gcc=(), options=("--function-cpu", "1000")):
        program = hard(*gcc)
        return program, attach("-p", program.pid, *[arg for spec in specs for arg in ("--function", spec)], *options)

    return run


def chain(spans, span):
    """The names of the spans above one, the nearest first."""
    by_id = {s["span_id"]: s for s in spans}
    names = []
    while span.get("parent_span_id") in by_id:
        span = by_id[span["parent_span_id"]]
        names.append(span["name"])
    return names


@pytest.mark.parametrize("gcc", [("-O2", "-g"), ("-O0", "-g"), ("-O2", "-g", "-no-pie")], ids=lambda o: "".join(o))
def test_recursion(watch, gcc):
    program, tracer = watch("factorial(n, result=return)", gcc=gcc)
    program.do("factorial")
    spans = tracer.wait_spans(5)
    tracer.finish()
    calls = sorted(spans, key=lambda s: -s["attributes"]["n"])
    assert [(s["attributes"]["n"], s["attributes"]["result"]) for s in calls] == [(5, 120), (4, 24), (3, 6), (2, 2), (1, 1)]
    assert [len(chain(spans, s)) for s in calls] == [0, 1, 2, 3, 4]
    assert not [s for s in spans if "incomplete" in s]


def test_jump(watch):
    """What longjmp() leaves does not hold what comes after it."""
    program, tracer = watch("catches", "jumps(n)", "last")
    program.do("jump")
    tracer.wait_spans(6)
    spans = tracer.finish()
    assert len(spans) == 6
    by_name = {s["name"]: s for s in spans if s["name"] != "jumps"}
    jumps = sorted((s for s in spans if s["name"] == "jumps"), key=lambda s: -s["attributes"]["n"])
    assert [chain(spans, s) for s in jumps] == [["jumps"] * i + ["catches"] for i in range(4)]
    assert all(s["incomplete"] for s in jumps)
    assert "incomplete" not in by_name["catches"] and "parent_span_id" not in by_name["last"]


def test_tail_call(watch):
    """A function that is jumped to as the last thing of another one is within it and ends with it."""
    program, tracer = watch("tail(n)", "last(n, result=return)")
    program.do("tail")
    tracer.wait_spans(2)
    spans = tracer.finish()
    last, tail = sorted(spans, key=lambda s: s["name"])
    assert chain(spans, last) == ["tail"]
    assert last["attributes"]["n"] == last["attributes"]["result"] == 2 and tail["attributes"]["n"] == 1
    assert "incomplete" not in last and "incomplete" not in tail


def test_split(watch):
    """What is seldom run of a function is elsewhere, and no function, though it has a symbol."""
    program, tracer = watch("splits*(n, result=return) error if return < 0")
    symbols = subprocess.run(["nm", program.process.args[0]], capture_output=True, text=True, check=True).stdout
    assert " t splits.cold\n" in symbols
    program.do("split")
    tracer.wait_spans(4)
    spans = tracer.finish()
    got = [(s["name"], s["attributes"]["n"], s["attributes"]["result"], s.get("error_type")) for s in spans]
    assert sorted(got) == [("splits", i, -i if i & 1 else 2 * i, "return < 0" if i & 1 else None) for i in range(4)]


def test_values(watch):
    program, tracer = watch(
        "shows(name=thing->name, text=thing->inner->text, number=thing->inner->number, mood=thing->mood, on=thing->on,"
        " ratio=thing->ratio, letter, direct, wide=thing->wide)",
        "fills(count=*count at return, text=*text at return, before=*count)",
        "finds(name, found=return->name) error if return == NULL",
    )
    program.do("show")
    program.do("bad")
    program.do("fill")
    program.do("find")
    tracer.wait_spans(5)
    spans = tracer.finish()
    good, bad, fills, found, missing = spans
    common = {"code.function.name": "shows", "name": "thing88", "mood": "ANGRY", "on": True, "ratio": 2.5}
    assert good["attributes"] == {**common, "text": 'deep "text"', "number": -5, "letter": "x"}
    assert bad["attributes"] == {**common, "letter": "y"}
    assert fills["attributes"] == {"code.function.name": "fills", "count": 42, "text": "filled", "before": 0}
    assert found["attributes"]["found"] == "thing88" and "error_type" not in found
    assert missing["attributes"] == {"code.function.name": "finds", "name": "other"}
    assert missing["error_type"] == "return == NULL" and missing["level"] == "error"
    said = tracer.err()
    assert "direct is not shown" in said and "vector register" in said
    assert "thing->wide is not shown" in said and "long double" in said


def test_killed_inside(watch):
    """A thread and a process that end in a call."""
    program, tracer = watch("sleeps(n)")
    program.process.stdin.write("thread\n")
    program.process.stdin.flush()
    assert sorted(program.process.stdout.readline() for _ in range(2)) == ["done thread\n", "inside\n"]
    program.do("sleep", "inside")
    program.process.kill()
    spans = sorted(tracer.wait_end(), key=lambda s: s["attributes"]["n"])
    assert [(s["name"], s["attributes"]["n"], s["incomplete"]) for s in spans] == [("sleeps", 1, True), ("sleeps", 2, True)]
    assert spans[0]["tid"] != spans[1]["tid"]


def test_exit_inside(watch):
    program, tracer = watch("leaves(n)")
    program.process.stdin.write("leave\n")
    program.process.stdin.flush()
    (span,) = tracer.wait_end()
    assert span["name"] == "leaves" and span["incomplete"]


def test_fork(watch):
    """Probes are on the file: children have them."""
    program, tracer = watch("last(n)")
    program.do("fork")
    (span,) = tracer.wait_spans(1)
    assert span["attributes"]["n"] == 77 and span["pid"] != program.pid


def test_static(watch):
    program, tracer = watch("hard.c:hidden(n)")
    program.do("hidden")
    (span,) = tracer.wait_spans(1)
    assert span["attributes"] == {"code.function.name": "hidden", "n": 9}


def test_too_often(hard, agent):
    """A function that is called all the time is let go, and the program goes on."""
    program = hard()
    tracer = agent("-p", program.pid, "--function", "often", "--function", "last(n)", "--function-rate", "100", "--function-cpu", "1000")
    program.do("often")
    wait_until(lambda: "often was called" in tracer.err() or (program.do("often") and False), "the function to be let go")
    assert tracer.metric("spanhook_functions_detached_total") == 1
    assert "--function-rate 100" in tracer.err()
    program.do("tail")
    tracer.wait_spans(1, name="last")


def test_let_go_while_open(watch):
    """What a call does after its function was let go is within it still, and that it has returned is not known."""
    program, tracer = watch("visits(n)", "last(n)", options=("--function-rate", "100", "--function-cpu", "1000"))
    program.do("visit", "inside")
    wait_until(lambda: "visits was called" in tracer.err(), "the function to be let go")
    program.do("go on", "done visit")
    spans = tracer.finish()
    (visit,) = [s for s in spans if s["name"] == "visits" and s["attributes"]["n"]]
    within, after = sorted((s for s in spans if s["name"] == "last"), key=lambda s: s["timestamp"])
    assert (within["attributes"]["n"], within["parent_span_id"]) == (1000, visit["span_id"])
    assert after["attributes"]["n"] == 1 and "parent_span_id" not in after
    assert visit["incomplete"] and "incomplete" not in within and "incomplete" not in after


def test_command(folder, started):
    """A command's first call is seen."""
    path = compile_program(folder, "hello", "__attribute__((noipa)) int hello(int n) { return n + 1; }\nint main(void) { return hello(1) - 2; }")
    done = subprocess.run(
        [BINARY, "attach", "--output", "json", "--function", "hello(n, result=return)", "--", path], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    (span,) = [json.loads(line) for line in done.stdout.splitlines() if '"span_id"' in line]
    assert span["attributes"] == {"code.function.name": "hello", "n": 1, "result": 2}


def test_library(folder, attach, started):
    """Functions of a shared object, also by a glob on its name."""
    library = compile_program(folder, "libshop.so.1", "int price(int n) { __asm__(\"\"); return n * 2; }", "-O2", "-g", "-shared", "-fPIC")
    path = compile_program(
        folder, "user", "#include <stdio.h>\nint price(int);\nint main(void) { puts(\"ready\"); fflush(stdout); char l[9];"
        " while (fgets(l, 9, stdin)) { price(4); printf(\"done %s\", l); fflush(stdout); } return 0; }", "-O2", library, f"-Wl,-rpath,{folder}"
    )
    program = started(Obedient(path))
    tracer = attach("-p", program.pid, "--function", "libshop.so:price(n, result=return)")
    program.do("go")
    (span,) = tracer.wait_spans(1)
    assert span["attributes"] == {"code.function.name": "price", "n": 4, "result": 8}
    tracer.finish()
    done = try_attach(program, "price")
    assert done.returncode == 2 and "libshop.so.1:price" in done.stderr


def try_attach(program, *specs):
    return subprocess.run(
        [BINARY, "attach", "-p", str(program.pid), "--duration", "100ms", *[arg for spec in specs for arg in ("--function", spec)]],
        capture_output=True,
        text=True,
        timeout=20,
    )


WRONG = [
    ("absent", "has no function 'absent'"),
    ("absent(x)", "--functions-list"),
    ("last(nobody)", "no argument 'nobody'"),
    ("shows(thing->nobody)", "no member 'nobody'"),
    ("shows(thing.name)", "'->name'"),
    ("other.c:last", "in other.c"),
    ("libabsent.so:last", "no library 'libabsent.so'"),
    ("0xfffffff0", "no code at address"),
    ("last(", "')' is missing"),
    ("last error when bad", "a function's name"),
]


def test_wrong(hard):
    """What is wrong is said, with what would be right, and nothing is attached."""
    program = hard()
    for spec, says in WRONG:
        done = try_attach(program, spec)
        assert (done.returncode, says in done.stderr) == (2, True), f"{spec}: {done.returncode}: {done.stderr}"
    program.do("tail")


def test_stripped(hard, folder):
    program = hard("-O2", "-g", "-s")
    done = try_attach(program, "last")
    assert done.returncode == 2 and "stripped" in done.stderr


def test_no_debug_information(watch):
    """The span is there, its attributes are not, and that is said."""
    program, tracer = watch("last(n) error if return > 0", gcc=("-O2",))
    program.do("tail")
    (span,) = tracer.wait_spans(1)
    assert span["attributes"] == {"code.function.name": "last"} and "error_type" not in span
    assert "no debug information" in tracer.err()


def test_go_is_refused(folder, started):
    """Its runtime looks through stacks for its own return addresses."""
    path = compile_program(folder, "hard", HARD)
    subprocess.run(["objcopy", "--add-section", f".note.go.buildid={path}.c", path], check=True)
    program = started(Obedient(path))
    done = try_attach(program, "last")
    assert done.returncode == 2 and "Go" in done.stderr
    program.do("tail")


THROWS = r"""
#include <cstdio>
#include <cstdlib>
#define OWN extern "C" __attribute__((noipa))
#define HERE __asm__ volatile("" ::: "memory")
OWN int throws(int n) { HERE; if (n > 2) throw n; if (n > 1) { HERE; return n * 10; } HERE; return n; }
OWN int passes(int n) { int r = throws(n); HERE; return r + 1; }
OWN int tail(int n) { HERE; return throws(n + 1); }
int main()
{
	char line[64];
	puts("ready"); fflush(stdout);
	while (fgets(line, 64, stdin)) {
		try { passes(atoi(line)); tail(0); } catch (int n) { HERE; }
		printf("done %s", line); fflush(stdout);
	}
}
"""


def test_exceptions(folder, started, attach):
    """What is thrown passes traced functions; one that may be left by a jump is refused."""
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    path = f"{folder}/thrown"
    with open(f"{path}.cc", "w") as f:
        f.write(THROWS)
    subprocess.run(["g++", "-O2", "-g", "-o", path, f"{path}.cc"], check=True)
    program = started(Obedient(path))
    done = try_attach(program, "tail")
    assert done.returncode == 2 and "exception" in done.stderr and "a jump to another function" in done.stderr
    tracer = attach("-p", program.pid, "--function", "passes(n, result=return)", "--function", "throws(n, result=return)")
    for n in "1", "2", "3", "1":
        program.do(n)
    tracer.wait_spans(11)
    spans = tracer.finish()
    passes = [s for s in spans if s["name"] == "passes"]
    assert [(s["attributes"]["n"], s["attributes"].get("result"), s.get("incomplete", False)) for s in sorted(passes, key=lambda s: s["timestamp"])] == [
        (1, 2, False), (2, 21, False), (3, None, True), (1, 2, False)
    ]
    assert [[t["name"] for t in below(spans, s)] for s in passes] == [["throws"]] * 4
    # What tail() jumped to, in main().
    assert len([s for s in spans if s["name"] == "throws" and "parent_span_id" not in s]) == 3
    listed = subprocess.run([BINARY, "attach", "-p", str(program.pid), "--functions-list", "*"], capture_output=True, text=True, timeout=20)
    assert "its return is seen at the" in listed.stdout and "a jump to another function" in listed.stdout


def test_patched_is_refused(folder, started):
    """Code that is another one in memory than in the file."""
    source = HARD.replace('printf("ready', 'patch(); printf("ready').replace(
        "int main(", "#include <sys/mman.h>\nvoid patch(void) { char *at = (char *)last; mprotect((void *)((long)at & -4096), 8192, 7); at[2] ^= 1; at[2] ^= 1;"
        " at[6] = at[6] ^ 1; }\nint main("
    )
    program = started(Obedient(compile_program(folder, "patched", source)))
    done = try_attach(program, "last")
    assert done.returncode == 2 and "patched" in done.stderr


def test_list(hard):
    program = hard()
    done = subprocess.run([BINARY, "attach", "-p", str(program.pid), "--functions-list", "[hs]*"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "int shows(struct thing *thing, double direct, char letter)" in done.stdout
    assert "hard.c:" in done.stdout and "int hidden(int n)" in done.stdout
    assert "direct cannot be shown: in a vector register" in done.stdout
    none = subprocess.run([BINARY, "attach", "-p", str(program.pid), "--functions-list", "absent*"], capture_output=True, text=True, timeout=20)
    assert none.returncode == 2 and "no function matches" in none.stderr


def test_seccomp(hard, folder, attach, started):
    """A process with a filter is traced only where that does not kill it; whichever it is, it lives."""
    source = HARD.replace("int main(", "#include <sys/prctl.h>\n#include <linux/seccomp.h>\n#include <linux/filter.h>\nint main(").replace(
        'printf("ready',
        "struct sock_filter code[] = { { 0x20, 0, 0, 0 }, { 0x15, 0, 1, 335 }, { 0x06, 0, 0, 0x80000000 }, { 0x06, 0, 0, 0x7fff0000 } };"
        " struct sock_fprog p = { 4, code }; prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); prctl(PR_SET_SECCOMP, 2, &p); printf(\"ready",
    )
    program = started(Obedient(compile_program(folder, "filtered", source)))
    checked = json.loads(subprocess.run([BINARY, "check", "--output", "json"], capture_output=True, text=True).stdout)
    (safe,) = [c["ok"] for c in checked["checks"] if c["name"] == "probes under seccomp filters"]
    if safe:
        tracer = attach("-p", program.pid, "--function", "last(n)")
        program.do("tail")
        tracer.wait_spans(1, name="last")
    else:
        done = try_attach(program, "last")
        assert done.returncode == 2 and "seccomp" in done.stderr
    program.do("tail")
