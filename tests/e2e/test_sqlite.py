# SPDX-License-Identifier: Apache-2.0
"""Statements that SQLite executes: from its library and linked in, against what SQLite itself says of them."""

import collections
import json
import os
import shutil
import subprocess

import pytest

from harness import BUILD, Program, wait_until
from test_order_service import ORDER, backend, call, order_service, post, with_item  # fixtures among them

HEADER = "/usr/include/sqlite3.h"
pytestmark = pytest.mark.skipif(not os.path.exists(HEADER), reason=f"no {HEADER}: libsqlite3-dev is not installed")

# Waits for a line, does all that is hard, writes the executions that SQLite traced and their rows as JSON lines.
PROGRAM = r"""
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 3000
static sqlite3 *db;
static struct { void *statement; long rows; } running[8];

static int traced(unsigned what, void *context, void *p, void *x)
{
	int i = 0;

	(void)context, (void)x;
	while (i < 7 && running[i].statement && running[i].statement != p)
		i++;
	running[i].statement = p;
	if (what == SQLITE_TRACE_STMT)
		running[i].rows = 0;
	else if (what == SQLITE_TRACE_ROW)
		running[i].rows++;
	else
		printf("{\"sql\": \"%s\", \"rows\": %ld}\n", sqlite3_sql(p), running[i].rows);
	if (what == SQLITE_TRACE_PROFILE)
		running[i].statement = NULL;
	return 0;
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
	return s;
}

static int stop_at_first(void *arg, int n, char **values, char **names)
{
	(void)arg, (void)n, (void)values, (void)names;
	return 1;
}

static void calls_sql(sqlite3_context *context, int n, sqlite3_value **values)
{
	(void)n, (void)values;
	sqlite3_result_int(context, sqlite3_exec(db, "SELECT 1 FROM helper", NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
	sqlite3_stmt *insert, *select, *early, *v3;
	const char *tail;
	char line[8];

	(void)argc;
	sqlite3_open(argv[1], &db);
	sqlite3_exec(db, "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT UNIQUE); CREATE TABLE helper(x)", NULL, NULL, NULL);
	early = prepare("SELECT count(*) FROM items");
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	sqlite3_trace_v2(db, SQLITE_TRACE_STMT | SQLITE_TRACE_ROW | SQLITE_TRACE_PROFILE, traced, NULL);
	sqlite3_step(early);
	sqlite3_reset(early);

	sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	insert = prepare("INSERT INTO items(id, name) VALUES(?, 'item' || ?)");
	for (int i = 0; i < MANY; i++) {
		sqlite3_bind_int(insert, 1, i);
		sqlite3_bind_int(insert, 2, i);
		sqlite3_step(insert);
		sqlite3_reset(insert);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_bind_int(insert, 1, MANY);
	sqlite3_bind_int(insert, 2, 1);
	fprintf(stderr, "constraint %d\n", sqlite3_step(insert));
	sqlite3_finalize(insert);

	select = prepare("SELECT id, name FROM items WHERE id >= 0");
	while (sqlite3_step(select) == SQLITE_ROW)
		;
	/* Without a reset in between. */
	while (sqlite3_step(select) == SQLITE_ROW)
		;
	sqlite3_reset(select);
	for (int i = 0; i < 5; i++)
		sqlite3_step(select);
	sqlite3_reset(select);
	for (int i = 0; i < 7; i++)
		sqlite3_step(select);
	sqlite3_finalize(select);

	sqlite3_prepare_v3(db, "SELECT name FROM items WHERE id = 99999; DELETE FROM items", -1, SQLITE_PREPARE_PERSISTENT, &v3, &tail);
	sqlite3_step(v3);
	sqlite3_finalize(v3);

	sqlite3_exec(db, "UPDATE items SET name = name || '!' WHERE id < 10; DELETE FROM items WHERE id > 2990;"
			 "CREATE TABLE other AS SELECT * FROM items LIMIT 3; SELECT * FROM other", NULL, NULL, NULL);
	/* SQLite itself says nothing of its end. */
	sqlite3_exec(db, "SELECT name FROM other", stop_at_first, NULL, NULL);
	puts("{\"sql\": \"SELECT name FROM other\", \"rows\": 1}");
	select = prepare("SELECT id FROM other");
	sqlite3_step(select);
	sqlite3_finalize(select);
	fflush(stdout);

	/* What SQLite does for itself, and a function within a statement, are part of it. */
	sqlite3_trace_v2(db, 0, NULL, NULL);
	sqlite3_create_function(db, "calls_sql", 0, SQLITE_UTF8, NULL, calls_sql, NULL, NULL);
	sqlite3_exec(db, "SELECT calls_sql(), 'within'", NULL, NULL, NULL);
	sqlite3_exec(db, "VACUUM", NULL, NULL, NULL);
	sqlite3_finalize(early);
	sqlite3_close(db);
	puts("done");
	fflush(stdout);
	return 0;
}
"""


@pytest.fixture(params=["library", "linked in"])
def program(request, folder, started):
    """The program, compiled with the library or with SQLite in itself, before its first statement."""
    with open(f"{folder}/program.c", "w") as f:
        f.write(PROGRAM)
    how = ["-lsqlite3"]
    if request.param == "linked in":
        archive = subprocess.run(["gcc", "-print-file-name=libsqlite3.a"], capture_output=True, text=True).stdout.strip()
        if not os.path.exists(archive):
            pytest.skip("no libsqlite3.a")
        how = [archive, "-lm", "-lpthread", "-ldl", "-lz"]
    subprocess.run(["gcc", "-O1", "-o", f"{folder}/program", f"{folder}/program.c", *how], check=True)
    p = subprocess.Popen(
        [f"{folder}/program", f"{folder}/items.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert p.stdout.readline() == "ready\n"
    yield p
    if p.poll() is None:
        p.kill()
    p.communicate()


def test_program(program, attach):
    tracer = attach("-p", program.pid, "--function-rate", "1000k", "--query-text", "raw")
    out, err = program.communicate("go\n", timeout=60)
    assert program.returncode == 0 and "constraint 19" in err and out.endswith("done\n")
    spans = tracer.wait_end()
    truth = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    for s in spans:
        assert (s["kind"], s["protocol"], s["db_system_name"], s["pid"]) == ("client", "sqlite", "sqlite", program.pid)
    seen = collections.Counter((s["db_query_text"], s.get("db_rows", 0)) for s in spans[:-2])
    want = collections.Counter((t["sql"].split(";")[0].strip(), t["rows"]) for t in truth)
    assert seen == want
    # It was prepared before anything was seen.
    assert (spans[0]["db_query_text"], spans[0]["db_rows"]) == ("SELECT count(*) FROM items", 1)
    assert len(truth) > 3000

    (failed,) = [s for s in spans if s["level"] == "error"]
    assert failed["db_response_status_code"] == failed["error_type"] == "19"
    assert (failed["db_operation_name"], failed["db_collection_name"]) == ("INSERT", "items")
    assert [s["db_query_text"] for s in spans[-2:]] == ["SELECT calls_sql(), 'within'", "VACUUM"]
    rows = [s["db_rows"] for s in spans if s["name"] == "SELECT items"]
    assert rows == [1, 3000, 3000, 5, 7, 0]
    assert not [s for s in spans if s.get("incomplete")]
    assert all("db_rows" not in s for s in spans if s["name"] in ("INSERT items", "UPDATE items", "DELETE items"))


def test_off(program, attach):
    tracer = attach("-p", program.pid, "--sqlite", "off")
    program.communicate("go\n", timeout=60)
    assert tracer.wait_end() == []


def test_called_too_often(program, attach):
    tracer = attach("-p", program.pid, "--function-rate", "1")
    program.stdin.write("go\n")
    program.stdin.flush()
    wait_until(lambda: "no longer traced" in tracer.err() or not tracer.running(), "a warning", timeout=20)
    program.communicate(timeout=60)
    tracer.wait_end()


@pytest.mark.parametrize("functions", [[], ["--function", "create_order_record"]], ids=["request", "function"])
def test_order_service(order_service, attach, functions):
    service = order_service()
    tracer = attach("-p", service.pid, "--function-cpu", "100", *functions)
    assert [post(service, ORDER)[0] for _ in range(20)] == [201] * 20
    assert post(service, with_item(product_id=777))[0] == 400
    tracer.wait_spans(21, kind="server")
    spans = tracer.finish()
    by_id = {s["span_id"]: s for s in spans}
    inserts = [s for s in spans if s.get("db_system_name") == "sqlite"]
    assert [(s["name"], s["db_operation_name"], s["db_collection_name"]) for s in inserts] == [("INSERT orders", "INSERT", "orders")] * 20
    for s in inserts:
        above = by_id[s["parent_span_id"]]
        assert above["name"] == ("create_order_record" if functions else "POST /orders") and s["evidence"] == "thread"
        assert above["trace_id"] == s["trace_id"] and s["duration_ms"] <= above["duration_ms"]
        assert "db_rows" not in s and "error_type" not in s
    parents = collections.Counter(s["parent_span_id"] for s in inserts)
    assert set(parents.values()) == {1}


def test_metrics(order_service, agent):
    service = order_service()
    tracer = agent("-p", service.pid)
    assert [post(service, ORDER)[0] for _ in range(5)] == [201] * 5
    tracer.wait_metric(5, "database_query_duration_seconds_count", operation="INSERT", table="orders")
    assert tracer.metric("db_client_operation_duration_seconds_count", db_system_name="sqlite", db_operation_name="INSERT") == 5
