# SPDX-License-Identifier: Apache-2.0
"""The command line: help, bad input, exit codes, and what is printed for people."""

import os
import re
import subprocess

import pytest

from harness import BINARY, ROOT, Forked, Gate, Spanhook, http_get, listen, request, response, wait_until

COMMANDS = ["attach", "agent", "check", "compare"]


def run(*argv, **kw):
    return subprocess.run([BINARY, *map(str, argv)], capture_output=True, text=True, timeout=30, **kw)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and not done.stderr
    assert "Usage: spanhook" in done.stdout and "spanhook " + command in done.stdout


def options(text):
    return set(re.findall(r"--([a-z][a-z-]+)", text)) - {"help"}


def test_manual_names_every_option():
    with open(f"{ROOT}/user/spanhook.1") as f:
        manual = f.read()
    described = {o for line in re.findall(r"^\.It (Fl .*)", manual, re.M) for o in re.findall(r"Fl -([a-z-]+)", line)}
    helped = set().union(*(options(run(c, "--help").stdout.partition("Options:")[2]) for c in COMMANDS))
    assert described - {"help"} == helped


# arguments, exit code, what the message must name
BAD = [
    ([], 2, "Usage"),
    (["trace"], 2, "trace"),
    (["attach"], 2, "-p PID"),
    (["attach", "--nosuch"], 2, "nosuch"),
    (["attach", "-p", "x"], 2, "x"),
    (["attach", "-p", "0"], 2, "pid"),
    (["attach", "-p", "-1"], 2, "pid"),
    (["attach", "-p", "99999999999999999999"], 2, "pid"),
    (["attach", "--port", "65536", "-p", "1"], 2, "port"),
    (["attach", "--output", "xml", "-p", "1"], 2, "xml"),
    (["attach", "--duration", "-1", "-p", "1"], 2, "duration"),
    (["attach", "--duration", "soon", "-p", "1"], 2, "soon"),
    (["attach", "--ring-size", "100000", "-p", "1"], 2, "power of two"),
    (["attach", "--capture", "1G", "-p", "1"], 2, "capture"),
    (["attach", "curl", "-s"], 2, "curl"),
    (["agent", "--metrics", "modern", "-p", "1"], 2, "modern"),
    (["check", "surplus"], 2, "surplus"),
    (["compare", "one"], 2, "OURS THEIRS"),
    (["compare", "a", "b", "--parents", "many"], 2, "many"),
]


@pytest.mark.parametrize("argv, code, word", BAD, ids=[" ".join(b[0]) or "nothing" for b in BAD])
def test_bad_usage(argv, code, word):
    done = run(*argv)
    assert done.returncode == code
    assert word in done.stderr and not done.stdout


def test_process_that_does_not_exist():
    done = run("attach", "-p", 4194304)
    assert done.returncode == 2
    assert "4194304" in done.stderr and done.stderr.count("\n") == 1


def test_process_that_has_ended(started):
    process = started(Forked(lambda: None))
    process.wait()
    done = run("attach", "-p", process.pid)
    assert done.returncode == 2 and str(process.pid) in done.stderr


def test_not_root(folder):
    binary = f"{folder}/spanhook"
    with open(BINARY, "rb") as source, open(binary, "wb") as copy:
        copy.write(source.read())
    os.chmod(binary, 0o755)
    done = subprocess.run(
        [binary, "attach", "-p", str(os.getpid())], capture_output=True, text=True, timeout=30, user="nobody", group="nogroup", extra_groups=[]
    )
    assert done.returncode == 1
    assert "root" in done.stderr and done.stderr.count("\n") == 1


def test_port_in_use(started):
    with listen() as busy:
        place = f"127.0.0.1:{busy.getsockname()[1]}"
        done = run("agent", "-p", os.getpid(), "--listen", place)
    assert done.returncode == 1
    assert place in done.stderr and "in use" in done.stderr


@pytest.mark.parametrize("place", ["nowhere", "127.0.0.1:99999", "1.2.3:80:x"])
def test_listen_that_is_no_address(place):
    done = run("agent", "-p", os.getpid(), "--listen", place)
    assert done.returncode in (1, 2) and place in done.stderr


def test_log_that_cannot_be_opened(folder):
    done = run("agent", "-p", os.getpid(), "--listen", "none", "--log", f"{folder}/no/such/log")
    assert done.returncode == 1 and f"{folder}/no/such/log" in done.stderr


def test_command_that_does_not_exist():
    done = run("attach", "--", "/no/such/program")
    assert done.returncode == 127 and "/no/such/program" in done.stderr


def test_duration(started):
    gate = Gate()
    process = started(Forked(gate.wait))
    done = run("attach", "-p", process.pid, "--duration", "200ms")
    gate.open()
    assert done.returncode == 0 and "attached" in done.stderr


def test_ends_with_its_target(started):
    gate = Gate()
    process = started(Forked(gate.wait))
    tracer = subprocess.Popen([BINARY, "attach", "-p", str(process.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "attached" not in tracer.stderr.readline():
        assert tracer.poll() is None
    gate.open()
    process.wait()
    tracer.communicate(timeout=20)
    assert tracer.returncode == 0


@pytest.fixture
def text(folder, talk, started):
    """text(script, ...) is what `attach --output text` prints for it."""
    def run(script, *options):
        t = talk(script)
        tracer = started(Spanhook(folder, "attach", *t.select(), *options)).wait_attached()
        t.run()
        assert tracer.wait() == 0
        with open(tracer.out_path, encoding="utf-8") as f:  # strict
            return f.read()

    return run


def exchanges(*pairs):
    script = []
    for target, status in pairs:
        script += [("client", request(target=target)), ("server", response(status, b"body"))]
    return script


def test_text(text):
    out = text(exchanges((b"/orders/17", 200), (b"/orders/18", 503)))
    assert "\x1b" not in out, "colours only on a terminal"
    for word in ("GET", "/orders/17", "/orders/18", "200", "503", "/orders/{id}", "p50", "p90", "p99", "max"):
        assert word in out, word


def test_text_is_coloured_on_demand(text):
    assert "\x1b[" in text(exchanges((b"/a", 500)), "--color", "always")


SECRETS = b"/s?user=7&token=hunter2&Password=hunter2&api_key=hunter2&sig=hunter2&%74oken=hunter2&q=shoes"


@pytest.mark.parametrize("options", [[], ["--output", "json"]], ids=["text", "json"])
def test_secrets_on_screen(text, options):
    out = text(exchanges((SECRETS, 200)), *options)
    assert "hunter2" not in out and "/s" in out


def test_secrets_in_log_and_metrics(folder, agent, talk):
    t = talk(exchanges((SECRETS, 200)))
    tracer = agent(*t.select())
    t.run()
    (span, _) = tracer.wait_spans(2)
    assert span["query"].count("REDACTED") == 5 and "user=7" in span["query"] and span["query"].endswith("q=shoes")
    assert "hunter2" not in http_get(tracer.url + "/metrics")[1]
    tracer.finish()
    with open(tracer.lines_path) as f:
        assert "hunter2" not in f.read()


def test_paths_that_are_not_utf8(text, folder, agent, talk):
    """Every output is valid UTF-8 whatever the bytes on the wire, without control characters."""
    script = exchanges((b"/caf\xe9/\xff\xfe/\xf0\x9f\x8d\xb0?q=\xc3\x28", 200), (b"/\"quoted\"\\/{}", 200))
    out = text(script)
    assert '/"quoted"' in out and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)
    t = talk(script)
    tracer = agent(*t.select())
    t.run()
    spans = tracer.wait_spans(4)  # each line was parsed as UTF-8 and JSON
    assert {s["path"] for s in spans if "quoted" in s["path"]}
    assert any("\U0001f370" in s["path"] for s in spans)
    tracer.metrics()


def test_labels_are_escaped(agent, talk):
    t = talk([("client", b"GET /\"a\"\\b HTTP/1.1\r\nHost: \"x\\\n y\r\n\r\n"), ("server", response(200))])
    tracer = agent(*t.select())
    t.run()
    tracer.wait_metric(1, "spanhook_spans_total")
    tracer.metrics()  # each line has the form of a sample


def test_version():
    done = run("--version")
    assert done.returncode == 0 and re.fullmatch(r"spanhook \d+\.\d+\.\d+\n", done.stdout)


def test_check():
    done = run("check")
    assert done.returncode == 0
    for point in ("sock_send_length", "sock_recv_length", "sched_process_fork", "variant"):
        assert point in done.stdout


def test_standard_output_that_is_closed(started):
    """The reader of a pipe goes away: it ends, as strace and tcpdump do, and the target does not notice."""
    listener = listen()

    def serve():
        while True:
            conn, _ = listener.accept()
            conn.recv(4096)
            conn.sendall(response(200))
            conn.close()

    server = started(Forked(serve))
    tracer = subprocess.Popen(
        [BINARY, "attach", "-p", str(server.pid), "--output", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while "attached" not in tracer.stderr.readline():
            assert tracer.poll() is None
        tracer.stdout.close()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        def ended():
            assert http_get(url)[0] == 200
            return tracer.poll() is not None

        wait_until(ended, "it to end")
        assert tracer.returncode in (0, 1)
    finally:
        tracer.kill()
        tracer.wait()
