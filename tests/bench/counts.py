# SPDX-License-Identifier: Apache-2.0
"""Spans against the servers' own word: nginx's access log, Redis's command statistics, pg_stat_statements."""

import json
import os
import re
import subprocess

import figure
from harness import wait_until
from stores import Postgres, Redis
from targets import Nginx, need
from tracer import Tracer

REDIS_COMMANDS = 100000  # for each second of --seconds
PGBENCH_CLIENTS = 8
PGBENCH_TRANSACTIONS = 4000  # of each client for each second of --seconds


def equal_figures(rows):
    """rows: name → (true, seen, dropped), all of it by kind."""
    figures = []
    for name, (true, seen, dropped) in rows.items():
        wrong = sum(abs(true.get(kind, 0) - seen.get(kind, 0)) for kind in {*true, *seen})
        note = f"{sum(seen.values()):,.0f} spans of {sum(true.values()):,.0f}; " + ", ".join(f"{k} {n:,.0f}" for k, n in seen.items())
        figures.append(figure.figure(f"{name}: wrong", "", [wrong], note=note))
        figures.append(figure.figure(f"{name}: dropped", "", [dropped]))
    return figures


def dropped(tracer):
    return sum(n for name, n in tracer.counts().items() if name.startswith("dropped "))


def settle(seen, true):
    """Waits a while for what was seen to be what is true; whether it is shows in the figures."""
    try:
        wait_until(lambda: seen() == true, "all spans")
    except AssertionError:
        pass
    return seen()


def nginx(folder, args, say):
    """Statuses of requests on kept-alive connections."""
    script = f"{folder}/mix.lua"
    with open(script, "w") as f:
        f.write(
            'local n = 0 request = function() n = n + 1 '
            'return wrk.format("GET", n % 10 == 0 and "/gone" or n % 7 == 0 and "/missing" or "/1k") end'
        )
    server = Nginx(folder, log=f"{folder}/access.log short")
    tracer = Tracer(folder, [server.pid], "--log", f"{folder}/log.jsonl")
    # wrk leaves while requests are open: nginx's log says what was answered.
    argv = [need("wrk"), "-t1", "-c64", f"-d{max(1, round(4 * args.seconds))}s", "-s", script, f"http://127.0.0.1:{server.port}/"]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    server.stop()
    with open(f"{folder}/access.log") as f:
        log = f.read().split()
    true = {status: log.count(status) for status in set(log)}
    tracer.counts_since({}, {"spans": len(log)})
    lost = dropped(tracer)
    tracer.stop()
    seen = {}
    with open(f"{folder}/log.jsonl") as f:
        for line in f:
            status = str(json.loads(line).get("status", "none"))
            seen[status] = seen.get(status, 0) + 1
    return {"figures": equal_figures({"statuses": (true, seen, lost)}), "true": true, "seen": seen}


def redis(folder, args, say):
    """SET and GET of redis-benchmark in pipelines of 16."""
    server = Redis(folder)
    tracer = Tracer(folder, [server.pid])
    before = server.calls()
    server.benchmark("-P", "16", "-c", "32", "-n", str(int(REDIS_COMMANDS * args.seconds) // 2), "-r", "10000", "-t", "set,get")
    true = {kind: server.calls()[kind] - before.get(kind, 0) for kind in ("set", "get")}

    def seen():
        samples = tracer.metrics().get("db_server_operation_duration_seconds_count", [])
        return {kind: sum(n for labels, n in samples if labels["db_operation_name"] == kind.upper()) for kind in true}

    counted, lost = settle(seen, true), dropped(tracer)
    tracer.stop()
    server.stop()
    return {"figures": equal_figures({"commands": (true, counted, lost)}), "true": true, "seen": counted}


def postgres(folder, args, say):
    """pgbench in its three modes, both ends traced."""
    os.chmod(folder, 0o755)  # the server has a user of its own
    server = Postgres(folder)
    server.pgbench_init(PGBENCH_CLIENTS)
    rows, tps = {}, {}
    for mode in ("simple", "extended", "prepared"):
        tracer = Tracer(folder, [server.pid], "--exe", f"{server.bin}/pgbench")
        server.pgbench_calls(mode)
        load = ["-M", mode, "-c", str(PGBENCH_CLIENTS), "-j", "2", "-t", str(int(PGBENCH_TRANSACTIONS * args.seconds))]
        run = subprocess.run(server.pgbench(*load), check=True, capture_output=True, text=True)
        calls = server.pgbench_calls(mode)
        true = {f"{end} {kind}": n for end in ("client", "server") for kind, n in calls.items()}

        def seen():
            metrics = tracer.metrics()
            return {
                f"{end} {kind}": sum(
                    n
                    for labels, n in metrics.get(f"db_{end}_operation_duration_seconds_count", [])
                    if labels["db_operation_name"] == kind
                )
                for end in ("client", "server")
                for kind in calls
            }

        rows[mode] = (true, settle(seen, true), dropped(tracer))
        tps[mode] = float(re.search(r"tps = ([\d.]+)", run.stdout)[1])
        say(f"{mode}: {sum(rows[mode][1].values()):,.0f} spans of {sum(true.values()):,.0f} statements, {tps[mode]:,.0f} transactions/s")
        tracer.stop()
    server.stop()
    return {"figures": equal_figures(rows), "counts": rows, "tps": tps}
